"""The device that a training computes on: its name as a user writes it, held against what this machine has."""

import os

import torch

from ricorda.errors import ArgumentError


def find_device(name: str) -> torch.device:
    """The device of a name; of several processes that torchrun started here, each takes a GPU of its own.

    Parameters
    ----------
    name
        As in `TrainingOptions`.

    Raises
    ------
    ArgumentError
        If the name is none, or this machine has no such device for every process on it.
    """
    place, processes = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    count = torch.cuda.device_count()
    kind, _, index = name.partition(":")
    if name == "auto":
        kind = "cuda" if count >= processes else "cpu"
    if (kind, index) == ("cpu", ""):
        return torch.device("cpu")
    if kind != "cuda" or (":" in name and not (index.isascii() and index.isdecimal())):
        raise ArgumentError(f"device is {name!r}: choose auto, cpu, cuda, or a certain GPU as in cuda:0")
    if index and processes > 1:
        raise ArgumentError(f"device is {name!r}, one GPU for {processes} processes: choose cuda, a GPU for each")
    if index and int(index) >= count:
        has = f"the GPUs cuda:0 to cuda:{count - 1}" if count else "no GPU"
        raise ArgumentError(f"device is {name!r}, and this machine has {has} that PyTorch can use: choose auto or cpu")
    if count < processes:
        needed = f" for {processes} processes" if processes > 1 else ""
        raise ArgumentError(
            f"device is {name!r}, and this machine has {count or 'no'} GPU{'s' * (count > 1)} that PyTorch can use"
            f"{needed}: choose auto or cpu"
        )
    return torch.device("cuda", int(index) if index else place)
