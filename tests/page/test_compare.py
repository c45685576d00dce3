"""Stories of the tab *Compare*."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from command_line import TABLE
from test_data import SLOW, by_mark, upload

from ricorda.page.compare.texts import TEXTS

SMALL = "hidden_size=4&epochs=1&tokenizer=char&batch_size=8"


def said(language: str, key: str) -> str:
    return TEXTS[key][("en", "it").index(language)]


def tables_of(page: Any) -> list[list[list[str]]]:
    """The texts of the tables of the results."""
    found = page.evaluate(
        """() => [...document.querySelectorAll("[data-mark=results] table")].map(
            table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim())))"""
    )
    return [[*rows] for rows in found]


def test_the_table_is_the_commands_own(
    story: Any, ricorda_command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In both languages: it is made in one and looked at again in the other."""
    page = story.open(f"/compare?cells=rnn,gru&seeds=1&{SMALL}", "it")
    upload(page, "reviews.csv", TABLE)
    by_mark(page, "start").wait_for()
    command = by_mark(page, "command").inner_text()
    out = command.split()[command.split().index("--out") + 1]
    assert command == (
        f"ricorda compare classify data-1.csv --out {out} --cells rnn,gru --seeds 1 --hidden-size 4 --epochs 1 "
        "--batch-size 8 --tokenizer char"
    )
    by_mark(page, "start").click()
    by_mark(page, "report").wait_for(timeout=SLOW)

    (own,) = (story.server.folder / "cache" / "page").glob(f"*/{out}")
    monkeypatch.chdir(own.parent.parent)
    done = ricorda_command(*command.split()[1:], "--json")  # It opens what the page has trained.
    assert done.code == 0
    expected = [[table["columns"], *table["rows"]] for table in json.loads(done.out)["tables"]]
    assert [rows[1:] for rows in tables_of(page)[:2]] == [rows[1:] for rows in expected[:2]]
    assert tables_of(page)[0][0][0] == said("it", "head: cell")
    assert by_mark(page, "state").inner_text() == said("it", "state_finished")
    page.wait_for_function("document.querySelector('img.picture').naturalWidth > 100")

    page = story.open(page.url.removeprefix(story.server.address) + "&lang=en", context=page.context)
    by_mark(page, "report").wait_for()
    assert tables_of(page) == expected
    with page.context.expect_page() as opened:
        by_mark(page, "report").click()
    opened.value.get_by_role("heading", name="rnn and gru compared: classify").wait_for()
    assert opened.value.url.startswith(f"{story.server.address}/compare/of/")

    address = opened.value.url  # Another browser has none of it.
    for path in (address, f"{address}/../../..%2f..%2fdata-1.csv", address.replace("/report", "/names.json")):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(path)


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_synthetic_task_is_compared_at_lengths_by_the_command_that_does_so(story: Any, language: str) -> None:
    page = story.open("/compare?data=synthetic:adding%3Fn%3D2000&lengths=10,20&cells=lstm,nothing,gru", language)
    by_mark(page, "start").wait_for()
    command = by_mark(page, "command").inner_text()
    assert command.startswith("ricorda compare 'synthetic:adding?n=2000' --lengths 10,20 --out comparisons/lengths-")
    assert command.endswith(" --cells lstm,gru --seeds 3")
    page.locator("[data-mark=lengths]").fill("")
    page.wait_for_url(lambda address: "lengths" not in address)
    by_mark(page, "command").get_by_text("regress", exact=True).wait_for()
    assert " regress 'synthetic:adding?n=2000' --out comparisons/regress-" in by_mark(page, "command").inner_text()
