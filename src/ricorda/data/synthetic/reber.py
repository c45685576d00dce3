"""The embedded Reber grammar: a small automaton's strings, whose last symbol but one repeats the second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricorda.data.synthetic.task import Drawn, Generated, Model, SyntheticTask

REBER_SYMBOLS = "BTPSXVE"

_INNER: tuple[tuple[tuple[str, int], ...], ...] = (
    (("B", 1),),
    (("T", 2), ("P", 3)),
    (("S", 2), ("X", 4)),
    (("T", 3), ("V", 5)),
    (("X", 3), ("S", 6)),
    (("P", 4), ("V", 6)),
    (("E", 7),),
)
"""The Reber grammar: for each state, the symbols that may follow and the states that they lead to; 7 is the end."""


def _embed() -> list[list[tuple[str, int]]]:
    """The automaton with the grammar in two copies, one behind T and one behind P; the last state is the end."""
    size = len(_INNER) + 1  # One more state repeats the second symbol.
    starts = {"T": 2, "P": 2 + size}
    last = 2 + 2 * size
    states: list[list[tuple[str, int]]] = [[("B", 1)], [*starts.items()]]
    for symbol, start in starts.items():
        states += [[(after, start + to) for after, to in follows] for follows in _INNER]
        states.append([(symbol, last)])
    return [*states, [("E", last + 1)], []]


def _table(of: int, past_the_end: int) -> NDArray[np.int64]:
    """For each state and both sides of a coin, the symbol (of=0) or the state (of=1) that follows."""
    rows = []
    for follows in _STATES:
        entries = [(REBER_SYMBOLS.index(symbol), state)[of] for symbol, state in follows] or [past_the_end]
        rows.append([entries[0], entries[-1]])
    return np.array(rows)


_STATES = _embed()
_END = len(_STATES) - 1
_SYMBOL, _NEXT = _table(0, -1), _table(1, _END)


def _generate(random: np.random.Generator, number: int) -> Generated:
    state = np.zeros(number, dtype=np.int64)
    steps = []
    while (state != _END).any():
        coin = random.integers(0, 2, number)
        steps.append(_SYMBOL[state, coin])
        state = _NEXT[state, coin]
    strings = np.stack(steps, axis=1)
    targets = strings[:, 1:]
    return Generated(np.where(targets >= 0, strings[:, :-1], -1), targets, (targets >= 0).sum(1))


def allowed(string: str | Sequence[str]) -> list[set[str]]:
    """The symbols that may follow each symbol of a string of the grammar; none after the last E.

    The long-range one is the last but one: T after a string that began with BT, P after one that began with BP.

    Raises
    ------
    ValueError
        If the string is neither in the grammar nor the beginning of such a string.
    """
    state, sets = 0, []
    for symbol in string:
        state = dict(_STATES[state]).get(symbol, -1)
        if state < 0:
            raise ValueError(f"{''.join(string)!r} is no string of the embedded Reber grammar")
        sets.append({after for after, _ in _STATES[state]})
    return sets


def predicted(probabilities: NDArray[np.floating], string: str | Sequence[str]) -> bool:
    """Whether a string counts as predicted: at every step the most probable symbols are exactly those allowed.

    Parameters
    ----------
    probabilities : array [T, 7]
        What a model expects after each of the string's symbols, in the order of `REBER_SYMBOLS`.
    string : str
        A string of the grammar; what follows its last symbol is not judged.
    """
    for expected, right in zip(probabilities, allowed(string), strict=False):
        best = {REBER_SYMBOLS[index] for index in np.argsort(-expected)[: len(right)]}
        if best != right:
            return False
    return True


def _measure(model: Model, drawn: Drawn) -> dict[str, float]:
    columns = [REBER_SYMBOLS.index(symbol) for symbol in model.classes_.tolist()]
    right = []
    for string, of_known in zip(drawn.inputs, model.predict_proba(drawn.inputs), strict=True):
        # A symbol that the training never asked for keeps the probability 0.
        probabilities = np.zeros((len(string), len(REBER_SYMBOLS)))
        probabilities[:, columns] = of_known
        right.append(predicted(probabilities, string))
    return {"share_predicted": float(np.mean(right))}


REBER = SyntheticTask(
    name="reber",
    relation="tag",
    paper="Hochreiter, Schmidhuber, 'Long short-term memory', Neural Computation 9, 1997, experiment 1; Cleeremans, "
    "Servan-Schreiber, McClelland, 'Finite state automata and simple recurrent networks', Neural Computation 1, 1989",
    definition="Strings of the embedded Reber grammar, drawn with a fair coin wherever two symbols may follow. Asked "
    "for, at each step: the next symbol. The last but one repeats the second, whatever came between.",
    success="at every step of every new string the most probable symbols are exactly those that may follow, the last "
    "but one included",
    options={},
    generator=_generate,
    measure=_measure,
    symbols=(*REBER_SYMBOLS,),
    labels=(*REBER_SYMBOLS,),
)
