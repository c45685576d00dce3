"""Optuna, and what sends data to processes, which are an extra: the room's files import them from here."""

from ricorda.errors import ArgumentError

try:
    import cloudpickle
    import optuna
    from optuna.storages import journal
except ImportError as error:
    raise ArgumentError(f"{error.name} is not installed: run `pip install 'ricorda[search]'`") from error

__all__ = ["cloudpickle", "journal", "optuna"]
