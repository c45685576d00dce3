"""See what a recurrent network remembers, and where its gradient goes: numbers first, pictures from the numbers.

Every result has arrays, `to_frame()` (a polars DataFrame) and `plot()` (a matplotlib Figure). Names are imported
when they are used. A result imports its picture, or its HTML page, within `plot()` or `to_html()`: these are the only
files here that import each other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ricorda.insight.comparison.bootstrap import Difference, paired_bootstrap
    from ricorda.insight.comparison.length_result import LengthComparison
    from ricorda.insight.comparison.lengths import compare_lengths
    from ricorda.insight.comparison.result import Comparison
    from ricorda.insight.comparison.view import compare
    from ricorda.insight.gates.properties import followers_of
    from ricorda.insight.gates.result import Gates
    from ricorda.insight.gates.units_result import Followers
    from ricorda.insight.gates.view import gates_of
    from ricorda.insight.gradients.learning import SideBySide
    from ricorda.insight.gradients.picture import draw_flows
    from ricorda.insight.gradients.result import GradientFlow, StateFlow
    from ricorda.insight.gradients.view import gradient_flow
    from ricorda.insight.memory.decomposition import Decomposition, decompose
    from ricorda.insight.memory.result import Memory
    from ricorda.insight.memory.view import memory_of
    from ricorda.insight.passage import Passage
    from ricorda.insight.unrolled.result import Unrolled
    from ricorda.insight.unrolled.view import layer_of, read_weights, unroll
    from ricorda.tasks.flow import TrainingFlow

__all__ = [
    "Comparison",
    "Decomposition",
    "Difference",
    "Followers",
    "Gates",
    "GradientFlow",
    "LengthComparison",
    "Memory",
    "Passage",
    "SideBySide",
    "StateFlow",
    "TrainingFlow",
    "Unrolled",
    "compare",
    "compare_lengths",
    "decompose",
    "draw_flows",
    "followers_of",
    "gates_of",
    "gradient_flow",
    "layer_of",
    "memory_of",
    "paired_bootstrap",
    "read_weights",
    "unroll",
]

_HOMES = {
    "ricorda.insight.comparison.bootstrap": ("Difference", "paired_bootstrap"),
    "ricorda.insight.comparison.result": ("Comparison",),
    "ricorda.insight.comparison.length_result": ("LengthComparison",),
    "ricorda.insight.comparison.lengths": ("compare_lengths",),
    "ricorda.insight.comparison.view": ("compare",),
    "ricorda.insight.gates.properties": ("followers_of",),
    "ricorda.insight.gates.result": ("Gates",),
    "ricorda.insight.gates.units_result": ("Followers",),
    "ricorda.insight.gates.view": ("gates_of",),
    "ricorda.insight.gradients.learning": ("SideBySide",),
    "ricorda.insight.gradients.picture": ("draw_flows",),
    "ricorda.insight.gradients.result": ("GradientFlow", "StateFlow"),
    "ricorda.insight.gradients.view": ("gradient_flow",),
    "ricorda.insight.memory.decomposition": ("Decomposition", "decompose"),
    "ricorda.insight.memory.result": ("Memory",),
    "ricorda.insight.memory.view": ("memory_of",),
    "ricorda.insight.passage": ("Passage",),
    "ricorda.insight.unrolled.result": ("Unrolled",),
    "ricorda.insight.unrolled.view": ("layer_of", "read_weights", "unroll"),
    "ricorda.tasks.flow": ("TrainingFlow",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ricorda.insight' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
