"""Coloured words: a text in the terminal, and as one HTML page, with what each word gave to the verdict.

Red speaks for the verdict and blue against it. The stronger a word, the more `+` or `-` it has, so that the text can be
read without colours.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.memory.verdict import COMPLETENESS

if TYPE_CHECKING:
    from rich.text import Text

    from ricorda.insight.memory.result import Memory

WEAK, MEDIUM, STRONG = 0.1, 1 / 3, 2 / 3
"""A word whose share of the strongest word's value is at least so large has one, two or three marks."""

FOR = ("black on #fddbc7", "black on #f4a582", "bold white on #b2182b")
AGAINST = ("black on #d1e5f0", "black on #92c5de", "bold white on #2166ac")
"""Terminal styles of words with one, two and three marks (ColorBrewer's RdBu, safe for colour-blind eyes)."""


@dataclass(frozen=True)
class Word:
    """A word of the window.

    Parameters
    ----------
    text : str
        The word as it stands in the line.
    pieces : range
        The places of its tokens in the window.
    value : float
        The sum of its tokens' values.
    strength : float
        The value as a share of the strongest word's, from -1 to 1.
    """

    text: str
    pieces: range
    value: float
    strength: float

    @property
    def marks(self) -> str:
        """Up to three `+` for a word that speaks for the verdict, or up to three `-`."""
        count = sum(abs(self.strength) >= limit for limit in (WEAK, MEDIUM, STRONG))
        return ("+" if self.strength > 0 else "-") * count


def title_and_values(memory: Memory) -> tuple[str, NDArray[np.float64]]:
    """What the colours show, in words, and the number of each token."""
    if memory.verdict is not None:
        name, values = memory.verdict.best
        return f"{memory.verdict.claim}, by {name}", values
    left = memory.left
    assert left is not None  # A memory without a verdict has remains.
    return f"what is left of each {memory.thing} at the end", left


def window_words(memory: Memory) -> list[Word]:
    """The words of the window: tokens joined up to the next one that begins with a space."""
    _, values = title_and_values(memory)
    opens = [at for at, text in enumerate(memory.texts) if at == 0 or text[:1].isspace()]
    ranges = [range(first, last) for first, last in zip(opens, [*opens[1:], len(memory.texts)], strict=True)]
    sums = [float(values[pieces.start : pieces.stop].sum()) for pieces in ranges]
    most = max(map(abs, sums)) or 1.0
    return [
        Word(_spelled("".join(memory.texts[pieces.start : pieces.stop])), pieces, value, value / most)
        for pieces, value in zip(ranges, sums, strict=True)
    ]


def _spelled(text: str) -> str:
    """A word for people to read: bytes that spell a character become it, and a space becomes visible."""

    def characters(match: re.Match[str]) -> str:
        return bytes.fromhex(match[0].replace("<0x", "").replace(">", "")).decode("utf-8", "replace")

    return re.sub(r"(?:<0x[0-9A-F]{2}>)+", characters, text).strip() or "·"


def coloured(memory: Memory) -> Text:
    """The window's text for a terminal."""
    from rich.text import Text

    line = Text("… " if memory.start else "")
    for word in window_words(memory):
        manners = FOR if word.strength > 0 else AGAINST
        line.append(f"{word.text}{word.marks}", manners[len(word.marks) - 1] if word.marks else "")
        line.append(" ")
    if memory.start + len(memory.tokens) < memory.steps:
        line.append("…")
    return line


def html_page(memory: Memory) -> str:
    """The window as one self-contained HTML page, which shows the numbers of the word under the pointer."""
    words = window_words(memory)
    spans = [
        f'<span class="w {_side(word)}" style="--a:{abs(word.strength):.2f}" tabindex="0">'
        f"{html.escape(word.text)}<sup>{word.marks.replace('-', '−')}</sup></span>"
        for word in words
    ]
    columns = {name.replace("_", " "): values for name, values in memory.columns().items()}
    rows = [
        "<tr>"
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in (step + memory.start + 1, token))
        + "".join(f"<td>{values[step]:+.3f}</td>" for values in columns.values())
        + "</tr>"
        for step, token in enumerate(memory.tokens)
    ]
    data = {
        "names": list(columns),
        "words": [
            {"numbers": [*numbers_of(memory, word).values()], "held": still}
            for word, still in zip(words, held(memory, words), strict=True)
        ],
    }
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("step", "token", *columns))
    read = "a text" if memory.thing == "word" else "a series"
    text: str = _PAGE.substitute(
        title=html.escape(f"Memory of {read}: {title_and_values(memory)[0]}"),
        colours=_COLOURS if memory.verdict is not None else _LEFT.format(thing=memory.thing),
        facts="".join(f"<p>{html.escape(fact)}</p>" for fact in facts(memory)),
        words=" ".join(spans),
        thing=memory.thing,
        before="… " if memory.start else "",
        after=" …" if memory.start + len(memory.tokens) < memory.steps else "",
        head=head,
        rows="\n".join(rows),
        data=json.dumps(data).replace("<", "\\u003c"),
    )
    return text


def _side(word: Word) -> str:
    return "for" if word.strength > 0 else "against"


def facts(memory: Memory) -> list[str]:
    """Sentences to show beside the words."""
    things = "Tokens" if memory.thing == "word" else "Steps"
    shown = f"{things} {memory.start + 1:,} to {memory.start + len(memory.tokens):,} of {memory.steps:,}."
    sentences = [shown] if len(memory.tokens) < memory.steps else []
    verdict = memory.verdict
    if verdict is not None:
        scores = ", ".join(f"{label} {score:.3f}" for label, score in zip(verdict.labels, verdict.scores, strict=True))
        unit = "" if verdict.rival is None else " (nats, before the softmax)"
        sentences.append(
            f"The model says {scores}{unit}; explained is {verdict.claim}, {verdict.of(verdict.scores):+.3f}."
        )
        if verdict.decomposed is not None:
            wide = 0.0 if verdict.wide is None else float(verdict.of(verdict.wide).sum())
            parts = {
                f"the {memory.thing}s shown": float(verdict.decomposed.sum()) - wide,
                "the same in the wide part": wide,
                "all others": float(verdict.of(verdict.rest)),
                "the initial state": float(verdict.of(verdict.initial)),
                "the head's bias": float(verdict.of(verdict.bias)),
            }
            summed = " ".join(f"{value:+.3f} {name}" for name, value in parts.items() if value or name not in _OPTIONAL)
            sentences.append(f"The decomposition adds up to it: {summed} = {sum(parts.values()):+.3f}.")
        sentences.append(
            f"Integrated gradients, from zero vectors over {verdict.integrated.points} points: "
            f"completeness error {verdict.integrated.error:.2%}."
        )
        if verdict.integrated.error > COMPLETENESS:
            sentences.append(
                "They are not complete, so do not trust them: on the way from zeros to the input the score jumps."
            )
        if verdict.alone:
            sentences.append(
                "The input is long: integrated gradients and erasure read what is shown as if that were all."
            )
        agreement = [f"{one} and {other} {rho:+.2f}" for (one, other), rho in verdict.agreement.items()]
        sentences.append(f"Rank agreement (Spearman): {', '.join(agreement)}.")
    return [*sentences, *(f"{note[:1].upper()}{note[1:]}." for note in memory.notes)]


def numbers_of(memory: Memory, word: Word) -> dict[str, str]:
    """A word's numbers by the names of `Memory.columns`, as text."""
    return {name: _over(name, values, word) for name, values in memory.columns().items()}


def _over(name: str, values: NDArray[np.float64], word: Word) -> str:
    """A word's number: the norm over its tokens for norms, the sum over its tokens for contributions."""
    own = values[word.pieces.start : word.pieces.stop]
    return f"{np.linalg.norm(own):.3f}" if name in ("written", "left") else f"{own.sum():+.3f}"


def held(memory: Memory, words: Sequence[Word]) -> list[list[int]]:
    """How many per cent of each word every other word still holds, a row for each word; empty rows if unknown."""
    kept = memory.kept
    if kept is None:
        return [[] for _ in words]
    rows = np.array([kept[word.pieces.start : word.pieces.stop].mean(0) for word in words])
    later, earlier = rows[:, [word.pieces[-1] for word in words]], rows[:, [word.pieces[0] for word in words]]
    both = np.triu(later) + np.tril(earlier, -1)
    result: list[list[int]] = np.clip(np.rint(100 * both), 0, 100).astype(int).tolist()
    return result


_OPTIONAL = ("all others", "the same in the wide part")
"""Parts of a verdict that are not named where they are zero."""

_COLOURS, _LEFT = "Red and + speak for it, blue and − against it.", "The redder a {thing}, the more of it is left."
"""What the colours of the page mean, of a verdict and of a model without one."""

_PAGE: Any = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --page: #ffffff; --ink: #1a1a1a; --faint: #595959; --line: #d9d9d9; --panel: #f4f4f4;
  --for: 178 24 43; --against: 33 102 172; --held: 0 140 100; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15171a; --ink: #f0f0f0; --faint: #a8a8a8; --line: #3a3d42; --panel: #202328;
    --for: 214 62 62; --against: 56 122 206; --held: 60 200 150; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; }
.text { font-size: 1.15rem; line-height: 2.3; overflow-wrap: anywhere; }
.w { padding: .15em .25em; border-radius: .25em; cursor: default; }
.w.for { background: rgb(var(--for) / calc(.6 * var(--a))); }
.w.against { background: rgb(var(--against) / calc(.6 * var(--a))); }
.w:hover, .w:focus { outline: 2px solid var(--ink); }
sup { font-size: .7em; line-height: 0; }
.panel { position: sticky; bottom: 0; min-height: 3em; padding: .75rem 1rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--panel); }
.facts, .legend { color: var(--faint); font-size: .9rem; }
.facts p { margin: .3em 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2em .8em; border-bottom: 1px solid var(--line); text-align: right; }
th:nth-child(2), td:nth-child(2) { text-align: left; }
.scroll { overflow-x: auto; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="legend">$colours Point at a $thing: its numbers stand below, and the ${thing}s
after which it is still held (for a second direction, which reads from the end, those before it) are underlined, the
thicker the more of it is there.</p>
<p class="text">$before$words$after</p>
<div class="panel" aria-live="polite">Point at a $thing.</div>
<div class="facts">$facts</div>
<details><summary>All numbers</summary><div class="scroll"><table><thead><tr>$head</tr></thead>
<tbody>
$rows
</tbody></table></div></details>
<script type="application/json" id="data">$data</script>
<script>
const data = JSON.parse(document.getElementById("data").textContent);
const words = [...document.querySelectorAll(".w")], panel = document.querySelector(".panel");
function show(at) {
  const { numbers, held } = data.words[at], own = words[at].firstChild.textContent;
  panel.textContent = own + ": " + data.names.map((name, i) => name + " " + numbers[i]).join(", ");
  const half = held.findIndex((share, i) => i > at && share < 50);
  if (held.length && half > 0) panel.textContent += "; half of it is gone " + (half - at) + " ${thing}s later";
  held.forEach((share, i) => {
    words[i].style.boxShadow = i === at || !share ? "" : "0 " + (1 + share / 20) + "px 0 rgb(var(--held))";
  });
}
function hide() { words.forEach(word => { word.style.boxShadow = ""; }); }
words.forEach((word, at) => {
  for (const kind of ["mouseenter", "focus"]) word.addEventListener(kind, () => show(at));
  for (const kind of ["mouseleave", "blur"]) word.addEventListener(kind, hide);
});
</script>
</body>
</html>
""")
