"""Equations as a browser shows them in any of its fonts: HTML, made from the LaTeX that `program.show` writes.

MathML would be less work, but without a font that is made for it subscripts stand on the line, and brackets grow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from ricorda.program.ir import Program
from ricorda.program.show import equations

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|[A-Za-z]+|\S")
_BINARY = {
    r"\odot": "⊙",
    r"\oslash": "⊘",
    r"\cdot": "·",
    r"\geq": "≥",
    r"\bmod": "mod",
    "-": "−",
    "+": "+",
    "=": "=",
    ">": ">",
}
_OTHERS = {r"\lvert": "|", r"\rvert": "|", r"\,": "\u2009", ",": ", ", r"\sigma": "σ"}
_WORDS = (r"\tanh", r"\exp", r"\log", r"\sin", r"\cos", r"\max", r"\min")


@lru_cache(maxsize=256)
def typeset(program: Program) -> tuple[str, ...]:
    """A program's equations, an element of HTML each; readers of the screen get them as plain text."""
    return tuple(
        f'<span class="mathematics" role="math" aria-label="{escape(plain)}">{html_of(latex)}</span>'
        for plain, latex in zip(equations(program), equations(program, "latex"), strict=True)
    )


def html_of(latex: str) -> str:
    """An equation in LaTeX as HTML; it knows what the operation table and the names of cells are written with."""
    return _Reader(_TOKEN.findall(latex)).row()


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    def row(self, end: str = "") -> str:
        """All up to a token, or to the end."""
        parts: list[str] = []
        before = ""
        while self.place < len(self.tokens) and self.tokens[self.place] != end:
            token = self._next()
            parts.append(self._atom(token, before))
            before = token
        self.place += bool(end)
        return "".join(parts)

    def _next(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1]

    def _group(self) -> str:
        token = self._next()
        return self.row("}") if token == "{" else self._atom(token, "")

    def _atom(self, token: str, before: str) -> str:
        if token in ("_", "^"):
            tag = "sub" if token == "_" else "sup"
            return f"<{tag}>{self._group()}</{tag}>"
        if token == "{":
            return self.row("}")
        if token == r"\mathrm":
            return self._word()
        if token == r"\sqrt":
            return f'√<span class="root">{self._group()}</span>'
        if token in _BINARY:
            sign = before in ("", "(", "[", ",", "=") or before in _BINARY  # A sign stands close to its number.
            return _BINARY[token] if sign and token == "-" else f" {escape(_BINARY[token])} "
        if token in _OTHERS:
            return _OTHERS[token]
        if token in _WORDS:
            return token[1:]
        return f"<i>{escape(token)}</i>" if token.isalpha() else escape(token.removeprefix("\\"))

    def _word(self) -> str:
        """What stands in the braces behind a name, as a word."""
        letters = []
        self._next()
        while (token := self._next()) != "}":
            letters.append(token.removeprefix("\\"))
        return escape("".join(letters))
