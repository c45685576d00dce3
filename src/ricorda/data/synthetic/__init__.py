"""Synthetic tasks of the literature on long-term memory: each with its paper's definition and success measure."""

from ricorda.data.synthetic.adding import ADDING
from ricorda.data.synthetic.copying import COPY
from ricorda.data.synthetic.order import ORDER
from ricorda.data.synthetic.parity import PARITY
from ricorda.data.synthetic.reber import REBER
from ricorda.data.synthetic.source import (
    SYNTHETIC_TASKS,
    is_synthetic,
    parse,
    read_synthetic,
    refuse_synthetic,
    success,
)
from ricorda.data.synthetic.task import Drawn, Generated, SyntheticTask

__all__ = [
    "ADDING",
    "COPY",
    "ORDER",
    "PARITY",
    "REBER",
    "SYNTHETIC_TASKS",
    "Drawn",
    "Generated",
    "SyntheticTask",
    "is_synthetic",
    "parse",
    "read_synthetic",
    "refuse_synthetic",
    "success",
]
