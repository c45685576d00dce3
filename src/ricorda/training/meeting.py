"""How the processes that torchrun started come together, once, and stay together until Python ends."""

import atexit
import os
import socket
import threading
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from ricorda import telling
from ricorda.errors import LostProcessError
from ricorda.training.heartbeat import Heartbeat, end_process, key_of, within

if dist.is_available():
    # Optimisers import this module, and if they do so once the group is there, its default arguments keep the group
    # alive: Gloo's threads then still run when Python ends, and abort the process now and then (seen with torch 2.13).
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

ARRIVE = timedelta(minutes=10)
"""How long a process waits for others to start: imports from a busy file server take their time."""

CONNECT = 60.0
"""Seconds for the connections between processes that have all arrived."""

OPERATION = timedelta(days=1)
"""How long one operation may wait: whoever is busy may take long, and whoever was lost is noticed by the heartbeat."""

_groups: dict[str, Any] = {}


def meet() -> None:
    """Connect to the other processes, if that was not done before; Gloo carries what lies on processors.

    Raises
    ------
    LostProcessError
        If one does not come.
    """
    if dist.is_initialized():
        return
    store, rank, size = next(rendezvous("env://", timeout=ARRIVE))
    ours = PrefixStore("ricorda", store)
    ours.set(f"name/{rank}", f"process {rank} on {socket.gethostname()}")
    ours.set(key_of(rank), "")
    telling.ask(lambda: _first_to_tell(ours))
    try:
        ours.wait([key_of(other) for other in range(size)], ARRIVE)
    except RuntimeError as error:
        raise LostProcessError(
            f"not all {size} processes came within {ARRIVE}: look at what the others said, and start all again"
        ) from error
    names = [ours.get(f"name/{other}").decode() for other in range(size)]
    heartbeat = Heartbeat(ours, names, rank, end_process)
    patience = threading.Timer(CONNECT, _not_connected, [names[rank]])
    patience.daemon = True
    patience.start()
    theirs = PrefixStore("gloo", store)
    dist.init_process_group("gloo", store=theirs, rank=rank, world_size=size, timeout=OPERATION)
    dist.barrier()  # Connections are made when they are first used.
    patience.cancel()
    atexit.register(dist.destroy_process_group)
    atexit.register(heartbeat.stop)


def group_of(backend: str) -> Any:
    """The processes once more, for tensors on other devices than processors."""
    if backend not in _groups:
        _groups[backend] = dist.new_group(backend=backend, timeout=OPERATION)
    return _groups[backend]


def _not_connected(name: str) -> None:
    end_process(
        f"{name} has no connection to all others after {CONNECT:g} s, though all have started: open the ports between "
        "the machines, or name the network between them in GLOO_SOCKET_IFNAME"
    )


def _first_to_tell(store: Any) -> bool:
    count: int | None = within(lambda: store.add("told", 1))
    # Where the store has gone, with its machine, one process of each other machine tells.
    return os.environ.get("LOCAL_RANK") == "0" if count is None else count == 1
