"""How results show themselves: a line as text, or of JSON; their picture and their numbers in a notebook."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sized
from dataclasses import fields
from functools import cached_property
from html import escape
from typing import Any

from ricorda.errors import ArgumentError

MOST = 120
"""Characters of a value in a result's line; a longer one is cut, and arrays and long lists give their size alone."""


_JSON, _PLAIN = json.JSONEncoder(ensure_ascii=False), json.JSONEncoder()


def json_line(value: Any, *, plain: bool = False) -> str:
    """A JSON value on one line, with its end; `plain` writes ASCII alone. All answers of commands and servers are."""
    return (_PLAIN if plain else _JSON).encode(value) + "\n"


class Shown:
    """The base of results, which are dataclasses that are declared with `repr=False`.

    A result has `plot()`, `to_frame()`, both or neither; without them, a notebook shows its single values.
    """

    def __repr__(self) -> str:
        own_first = sorted(fields(self), key=lambda field: bool(field.kw_only))  # type: ignore[arg-type]
        values = {field.name: getattr(self, field.name) for field in own_first}
        shown = ", ".join(f"{name}={_brief(value)}" for name, value in values.items() if value is not None)
        return f"{type(self).__name__}({shown})"

    @cached_property
    def _picture(self) -> bytes | None:
        """The picture as a PNG; None of a result that has none, or has too many steps for one."""
        if not hasattr(self, "plot"):
            return None
        try:
            figure = self.plot()
        except ArgumentError:
            return None
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes | None:
        return self._picture

    def _repr_html_(self) -> str:
        parts = [f"<p><code>{escape(repr(self))}</code></p>"]
        if self._picture is not None:
            parts.append(f'<img src="data:image/png;base64,{base64.b64encode(self._picture).decode()}">')
        if hasattr(self, "to_frame"):
            parts.append(self.to_frame()._repr_html_())
        else:
            single = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
            rows = ((name, value) for name, value in single.items() if isinstance(value, int | float | str))
            table = "".join(f"<tr><th>{name}</th><td>{escape(_brief(value))}</td></tr>" for name, value in rows)
            parts.append(f"<table>{table}</table>")
        return "\n".join(parts)


def _brief(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if hasattr(value, "shape"):
        return f"<array {'×'.join(map(str, value.shape))}>"
    if isinstance(value, Mapping):
        return _cut("{" + ", ".join(map(str, value)) + "}")
    if isinstance(value, str | int):
        return _cut(repr(value))
    return f"<{len(value)}>" if isinstance(value, Sized) else type(value).__name__


def _cut(text: str) -> str:
    return text if len(text) <= MOST else text[: MOST - 1] + "…"
