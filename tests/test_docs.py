"""The Python examples of the documentation run as they stand."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from ricorda.catalogue import FAMILIES
from ricorda.engines.cpu import engine
from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.program.operations import OPERATIONS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(page: Path) -> str:
    """All Python blocks of a page, in their order; blank lines keep the page's line numbers in tracebacks."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * len(text.splitlines())
    for block in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        first = text[: block.start(1)].count("\n")
        for offset, line in enumerate(block[1].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines)


@pytest.fixture
def tables() -> Iterator[None]:
    """Leaves the operations as they were: a page shows how one is added."""
    before = [(table, dict(table)) for table in (OPERATIONS, EMITTERS)]
    yield
    for table, then in before:
        table.clear()
        table.update(then)
    engine._without_code.cache_clear()  # which has seen the page's programs


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("page", [page for page in PAGES if examples(page).strip()], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / (page.stem + ".py")
    script.write_text(examples(page), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(script.name, run_name="__main__")  # in this process, which has torch already


def test_every_source_file_is_on_the_map() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "ricorda"
    files = {str(path.relative_to(source)) for path in source.rglob("*.py")}
    empty = {
        name
        for name in files
        if not (source / name).read_text(encoding="utf-8").strip() or name.endswith("/__init__.py")
    }
    assert {name for name in files - empty if f"`{name}`" not in text} == set()


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "ARCHITECTURE.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_pages_on_cells_are_made_from_the_cells() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "cells" / "pages.py"))
    overview = made["OVERVIEW"].read_text(encoding="utf-8")
    assert overview == made["overview"](overview), "run docs/cells/pages.py"
    for family in FAMILIES:
        assert (ROOT / "docs" / "cells" / f"{family}.md").read_text(encoding="utf-8") == made["page"](family), (
            "run docs/cells/pages.py"
        )
        assert f"(cells/{family}.md)" in overview
