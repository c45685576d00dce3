"""What the forward pass saves for BPTT: the fewest values from which BPTT can compute all others that it needs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence

_SOURCE, _SINK = (-1, 0), (-1, 1)
_Node = tuple[int, int]
"""A value, and 0 or 1: the edge from 0 to 1 is cut if the value is saved."""


def fewest_saved(
    arguments: Mapping[int, Sequence[int]],
    needed: Collection[int],
    lost: Collection[int],
    at_hand: Collection[int] = (),
    never: Collection[int] = (),
) -> frozenset[int] | None:
    """The smallest set of values to save: a minimum cut between lost and needed values.

    Among the smallest sets it is the one nearest to the needed values, so that the least has to be computed again.

    Parameters
    ----------
    arguments : the arguments of each value
    needed : values that must be saved or computed again
    lost : values that nothing can compute again
    at_hand : values that are saved in any case
    never : values that must not be saved

    Returns
    -------
    frozenset of int, or None
        None if no set suffices.
    """
    capacity: dict[_Node, dict[_Node, float]] = defaultdict(lambda: defaultdict(float))

    def edge(start: _Node, end: _Node, size: float) -> None:
        capacity[start][end] = size
        capacity[end][start] += 0  # A later path may use the reverse edge.

    unlimited = float("inf")
    for value, args in arguments.items():
        if value in at_hand:
            continue
        edge((value, 0), (value, 1), unlimited if value in never else 1)
        for start in [_SOURCE] if value in lost else [(arg, 1) for arg in args if arg not in at_hand]:
            edge(start, (value, 0), unlimited)
        if value in needed:
            edge((value, 1), _SINK, unlimited)
    while path := _path(capacity):
        if min(capacity[start][end] for start, end in path) == unlimited:
            return None
        for start, end in path:  # Every finite capacity is 1.
            capacity[start][end] -= 1
            capacity[end][start] += 1
    near = _leading_to_sink(capacity)
    return frozenset(value for value in arguments if (value, 1) in near and (value, 0) not in near)


def _path(capacity: Mapping[_Node, Mapping[_Node, float]]) -> list[tuple[_Node, _Node]]:
    """The edges of a shortest augmenting path from source to sink; empty if there is none."""
    came_from: dict[_Node, _Node] = {}
    waiting = deque([_SOURCE])
    while waiting and _SINK not in came_from:
        node = waiting.popleft()
        for after, size in list(capacity[node].items()):
            if size > 0 and after not in came_from and after != _SOURCE:
                came_from[after] = node
                waiting.append(after)
    path = []
    node = _SINK
    while node in came_from:
        path.append((came_from[node], node))
        node = came_from[node]
    return path


def _leading_to_sink(capacity: Mapping[_Node, Mapping[_Node, float]]) -> set[_Node]:
    """The nodes from which a path with capacity leads to the sink."""
    near = {_SINK}
    waiting = [_SINK]
    while waiting:
        node = waiting.pop()
        for before in list(capacity[node]):
            if before not in near and capacity[before][node] > 0:
                near.add(before)
                waiting.append(before)
    return near
