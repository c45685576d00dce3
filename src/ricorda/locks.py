"""The system's locks on open files: it frees them when their process ends, even killed."""


def lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock an open file, or folder.

    Parameters
    ----------
    wait : bool
        Whether to wait for a process that holds the lock.

    Returns
    -------
    bool or None
        Whether this process holds it; None where there are no locks, as on Windows and on some file systems.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
