"""The one training loop, which every task uses."""

from ricorda.training.checkpoint import CHECKPOINT
from ricorda.training.folder import HISTORY
from ricorda.training.interruption import Interrupted
from ricorda.training.loop import train
from ricorda.training.options import PRECISIONS, TrainingOptions
from ricorda.training.task import Task

__all__ = ["CHECKPOINT", "HISTORY", "PRECISIONS", "Interrupted", "Task", "TrainingOptions", "train"]
