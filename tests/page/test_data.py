"""Stories of the tab *Your data*."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import TABLE

import ricorda
from ricorda.page.data.texts import TEXTS

Say = Callable[..., str]
SMALL = "hidden_size=4&batch_size=8&tokenizer=char&wide=no"
LONG = "review,verdict\n" + f"good{' word' * 39},yes\nbad{' word' * 39},no\n" * 16
"""The first of forty words says it all."""
SLOW = 400_000
"""Milliseconds that a training may take on a busy machine."""


def said(language: str, key: str, **values: object) -> str:
    """A sentence of the tab."""
    return TEXTS[key][("en", "it").index(language)].format(**values)


def by_mark(page: Any, mark: str) -> Any:
    """What the tab marks for tests."""
    return page.locator(f"[data-mark={mark}]")


def upload(page: Any, name: str, content: str) -> None:
    """Choose a file, as a user does."""
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "text/csv", "buffer": content.encode("utf-8")})


def test_a_file_is_uploaded_trained_stopped_resumed_and_saved(story: Any, tmp_path: Path) -> None:
    """In both languages: it begins in one and goes on in the other."""
    options = "hidden_size=4&batch_size=8&bidirectional=no&min_frequency=1&pooling=last&wide=no&tokenizer=word"
    page = story.open(f"/data?cell=rnn&epochs=200&{options}", "en")
    upload(page, "le mie <b>recensioni.csv", LONG)
    page.get_by_text(said("en", "first_rows", name="le mie <b>recensioni.csv")).wait_for()
    assert page.locator(".sheet th").all_inner_texts() == ["review", "verdict"]
    command = by_mark(page, "command")
    command.wait_for()
    assert command.inner_text() == (
        "ricorda train classify data-1.csv --out models/rnn-1 --cell rnn --watch-gradients 20 --text review "
        "--label verdict --hidden-size 4 --epochs 200 --batch-size 8 --one-direction --min-frequency 1 --pooling last "
        "--no-wide --tokenizer word"
    )
    assert "text=review" not in page.url, "a guess is no choice"

    by_mark(page, "start").click()
    page.wait_for_selector("[data-mark=curve] canvas", timeout=SLOW)
    by_mark(page, "stop").click()
    by_mark(page, "go-on").wait_for(timeout=SLOW)
    assert by_mark(page, "state").inner_text() == said("en", "state_stopped")
    path = Path(by_mark(page, "path-of-model").inner_text())
    assert (path / "training" / "checkpoint.safetensors").is_file()
    assert path.is_relative_to(story.server.folder / "cache" / "page")

    page = story.open("/data?lang=it", context=page.context)  # What was stopped is still there.
    by_mark(page, "go-on").wait_for()
    assert by_mark(page, "state").inner_text() == said("it", "state_stopped")
    assert by_mark(page, "go-on").inner_text().split()[-1] == said("it", "go_on")
    by_mark(page, "go-on").click()
    page.get_by_text(said("it", "state_finished"), exact=True).wait_for(timeout=SLOW)
    assert len(ricorda.load(path).history_) == 200
    assert "the gradient vanishes" in by_mark(page, "alarm").first.inner_text(), "an RNN on forty words"
    with page.expect_download() as begun:
        by_mark(page, "zip").click()
    with zipfile.ZipFile(begun.value.path()) as archive:
        assert {"config.json", "model.safetensors"} <= {*archive.namelist()}

    other = story.open("/data?data=data-1.csv&lang=it")  # Another browser has none of it.
    by_mark(other, "task").wait_for()
    assert by_mark(other, "command").count() == 0
    assert other.get_by_text("rnn-1").count() == 0
    assert other.get_by_text("<b>").count() == 0


def test_a_broken_file_is_explained_by_the_commands_own_sentence(
    story: Any, ricorda_command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = TABLE.splitlines()
    rows[20] = "no comma here"
    page = story.open(f"/data?epochs=2&{SMALL}", "it")
    upload(page, "broken.csv", "\n".join(rows) + "\n")
    by_mark(page, "start").click()
    page.get_by_text(said("it", "state_failed"), exact=True).wait_for(timeout=SLOW)
    monkeypatch.chdir(tmp_path)
    Path("data-1.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    own = ricorda_command("train", "classify", "data-1.csv", "--out", "model").sentence
    assert by_mark(page, "error").inner_text() == own
    assert "row 21" in own

    rows[2] = "nor here"  # What the first rows show already is told before any training.
    page = story.open("/data?lang=en", context=page.context)
    page.get_by_text(said("en", "state_failed"), exact=True).wait_for()
    upload(page, "broken.csv", "\n".join(rows) + "\n")
    Path("data-2.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    own = ricorda_command("train", "classify", "data-2.csv", "--out", "model").sentence
    page.get_by_text(own, exact=True).wait_for()


def test_the_sample_is_one_click_and_the_address_leads_back(story: Any, language: str, say: Say) -> None:
    page = story.open("/data", language)
    page.get_by_text(say("data", "choose_first")).wait_for()
    by_mark(page, "sample").click()
    page.locator(".sheet th").first.wait_for()
    assert page.locator(".sheet th").all_inner_texts() == ["text", "label", "language"]
    by_mark(page, "option-hidden_size").fill("12")
    page.wait_for_url("**/data?data=sample&hidden_size=12")
    again = story.open("/data?data=sample&hidden_size=12&task=language&cell=gru", language, context=page.context)
    by_mark(again, "command").wait_for()
    assert by_mark(again, "command").inner_text() == (
        "ricorda train language reviews.csv --out models/gru-1 --cell gru --watch-gradients 20 --hidden-size 12"
    )


@pytest.mark.parametrize(
    "query",
    [
        "data=../../../etc/passwd",
        "data=names.json",
        "data=synthetic:nothing",
        "data=sample&cell=/tmp/own.py:make",
        "data=sample&vectors=/etc/passwd&pretrained=/etc&valid=/etc/passwd&out=/tmp",
    ],
)
def test_no_address_names_a_file_or_code(story: Any, query: str) -> None:
    page = story.open(f"/data?{query}")
    page.get_by_text("Task", exact=True).first.wait_for()
    page.wait_for_timeout(500)
    texts = " ".join(by_mark(page, "command").all_inner_texts())
    assert "passwd" not in texts
    assert ".py" not in texts
    assert "names.json" not in texts


@pytest.mark.parametrize(
    ("host", "files", "opens"), [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("0.0.0.0", True, False)]
)
def test_a_file_of_the_machine_may_be_named_at_the_machine_alone(
    tmp_path: Path, host: str, files: bool, opens: bool
) -> None:
    pytest.importorskip("nicegui", reason="nicegui is not installed")
    from ricorda.page.settings import Settings
    from ricorda.page.trainings.source import source_of
    from ricorda.page.visit import Visit

    (tmp_path / "data.csv").write_text(TABLE, encoding="utf-8")
    settings = Settings({}, host, files)
    settings.__dict__["folder"] = tmp_path / "page"
    visit = Visit(settings, {}, {}, cookies={}, accepted="", browser="0" * 32, client=None)
    source = source_of(visit, f"file:{tmp_path / 'data.csv'}")
    assert (source is not None) == opens
    assert source_of(visit, "file:data.csv") is None, "a path is whole"
    assert source_of(visit, "file:https://example.org/data.csv") is None
