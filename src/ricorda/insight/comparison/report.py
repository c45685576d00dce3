"""One self-contained HTML page of tables and pictures, for light and dark screens; and what it says of the machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ricorda.insight.drawing import as_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --faint: #666; --line: #d5d5d5; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --faint: #a0a0a0; --line: #444; --paper: #161616; }
  figure svg { filter: invert(0.91) hue-rotate(180deg); }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { color: var(--faint); font-weight: 600; }
th:first-child, td:first-child, .words td { text-align: left; }
figure { margin: 1.5rem 0; } figure svg { width: 100%; height: auto; }
p, li { max-width: 48rem; }
"""


@dataclass(frozen=True)
class Table:
    """A table as it is shown: its title, the columns' names, and a row of texts for each line."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {"title": self.title, "columns": [*self.columns], "rows": [[*row] for row in self.rows]}


def page(
    title: str,
    says: Sequence[str],
    tables: Sequence[Table],
    figures: Sequence[Figure],
    settings: Mapping[str, Any],
) -> str:
    """A page of HTML that fetches nothing and runs nothing.

    Parameters
    ----------
    title : str
        Its heading.
    says : sequence of str
        Paragraphs: what was done, and how to read the numbers.
    tables, figures
        The results.
    settings : mapping
        The settings that the results depend on; see also `machine`.
    """
    parts = [f"<h1>{escape(title)}</h1>", *(f"<figure>{_inline(figure)}</figure>" for figure in figures)]
    parts += [_table(table) for table in tables]
    parts += ["<h2>How to read it</h2>", *(f"<p>{escape(line)}</p>" for line in says)]
    rows = [(name, _words(value)) for name, value in {**settings, **machine()}.items()]
    parts.append(_table(Table("Settings and machine", ("", ""), rows), words=True))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def machine() -> dict[str, str]:
    """What times depend on: the processor, its cores, the threads used, and the versions."""
    import torch

    from ricorda import __version__
    from ricorda.engines.here import processor

    return {
        "processor": f"{processor()}, {torch.backends.cpu.get_cpu_capability()}",
        "cores, threads": f"{os.cpu_count()}, {torch.get_num_threads()}",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} on {platform.machine()}",
        "versions": f"ricorda {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }


def _inline(figure: Figure) -> str:
    """A figure as an SVG element, transparent so that the page's background shows."""
    figure.patch.set_alpha(0.0)
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
    text = as_bytes(figure, "svg").decode()
    text = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def _table(table: Table, *, words: bool = False) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    kind = ' class="words"' if words else ""
    top = "" if words else f"<thead><tr>{head}</tr></thead>"
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table{kind}>{top}<tbody>\n{rows}\n</tbody></table></div>'
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list | tuple) else str(value)
