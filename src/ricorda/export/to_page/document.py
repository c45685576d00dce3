"""The page itself: its files put together into one, whose scripts and styles alone a browser may use."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

FIRST = ("texts.js", "cell.js", "network.js", "page.js")
"""The scripts of every page."""

OF_TASK: Mapping[str, tuple[str, ...]] = {
    "classify": ("tokens.js", "memory.js", "words.js", "numbers.js", "classify.js"),
    "tag": ("tokens.js", "words.js", "tag.js"),
    "language": ("tokens.js", "language.js"),
    "forecast": ("numbers.js", "drawing.js", "forecast.js"),
}
"""Those of a task's; the last has its view, whose elements stand in the file of the task's name that ends in .html."""


def document(description: Mapping[str, Any], numbers: str) -> str:
    """The page as HTML.

    Its Content-Security-Policy names the hashes of its own script and style, and forbids all others and every
    connection. What comes from the model is JSON, which the script puts into the page as text.
    """
    task = description["task"]
    code = '"use strict";\n' + "\n".join(map(_file, (*FIRST, *OF_TASK[task]))) + "\nbegin();\n"
    style = _file("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_file("page.html")).substitute(
        policy=policy,
        style=style,
        view=_file(f"{task}.html"),
        model=json.dumps(description, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        numbers=numbers,
        code=code,
    )


def _file(name: str) -> str:
    return files("ricorda.export.to_page").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names a script or a style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"
