"""The tab *A review*: what its words show, models that are lent, the sample model, and the stories of a visitor."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_models import LABELS, TEXTS, small
from task_cases import CASES

pytest.importorskip("nicegui", reason="nicegui is not installed")

import ricorda
from ricorda.errors import RicordaError
from ricorda.insight import memory_of
from ricorda.insight.memory.words import window_words
from ricorda.page import models, sample
from ricorda.page.review.look import kept, look_at, words_of
from ricorda.page.settings import Settings

Say = Callable[..., str]

TEXT = "A warm Film, never dull or too long"
HOSTILE = '<img src=x onerror="alert(1)"> {{ 7 * 7 }} <b>warm</b> </script>'


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    models._idle.clear()


def test_the_words_are_those_that_were_typed_with_the_numbers_of_memory_of(trained: Path) -> None:
    seen, model = look_at(trained / "model", TEXT), ricorda.load(trained / "model")
    memory = memory_of(model, TEXT)
    assert [word["text"] for word in seen["words"]] == ["A", "warm", "Film", ",", "never", "dull", "or", "too", "long"]
    assert [TEXT[word["start"] : word["stop"]] for word in seen["words"]] == [word["text"] for word in seen["words"]]
    assert [word["value"] for word in seen["words"]] == [word.value for word in window_words(memory)]
    assert [word["unknown"] for word in seen["words"]] == [token == "<unk>" for token in memory.tokens]
    assert any(word["unknown"] for word in seen["words"])
    (shares,) = model.predict_proba([TEXT])
    assert seen["verdict"]["shares"] == [
        (str(label), share) for label, share in zip(model.classes_, shares, strict=True)
    ]
    assert seen["verdict"]["label"] == model.predict([TEXT])[0]
    warm = seen["words"][1]
    assert warm["numbers"]["verdict"] == f"{memory.verdict.decomposed[1]:+.3f}"
    assert warm["held"][1:4] == [round(100 * share) for share in memory.kept[1][1:4]]


def test_a_dropped_word_stays_where_it_stood_and_is_not_read(trained: Path) -> None:
    start = TEXT.index("dull")
    seen = look_at(trained / "model", TEXT, [(start, start + 4)])
    without = TEXT.replace("dull", "")
    assert seen["verdict"] == look_at(trained / "model", without)["verdict"]
    assert [word["text"] for word in seen["words"]] == ["A", "warm", "Film", ",", "never", "dull", "or", "too", "long"]
    assert [word["dropped"] for word in seen["words"]] == [word["text"] == "dull" for word in seen["words"]]
    assert [word["place"] for word in seen["words"]] == [0, 1, 2, 3, 4, None, 5, 6, 7]
    assert TEXT[seen["words"][6]["start"] :].startswith("or")
    assert words_of(TEXT, seen["words"]) == ["A", "warm", "Film", ",", "never", "or", "too", "long"]
    assert kept("abcd", [(1, 3), (9, 12)]) == ("ad", [0, 3])


def test_other_tokens_and_models_show_what_makes_sense(tmp_path: Path) -> None:
    small(tokenizer="bpe", vocab_size=300).fit(TEXTS, LABELS).save(tmp_path / "parts")
    seen = look_at(tmp_path / "parts", "a funny  filmò")
    assert "".join(word["text"] for word in seen["words"]) == "afunnyfilmò"
    assert all(word["start"] is not None for word in seen["words"])
    for task in ("language", "translate", "tag"):
        case = CASES[task]
        case.make().fit(case.X, *([] if case.y is None else [case.y])).save(tmp_path / task)
        seen = look_at(tmp_path / task, "the cat")
        assert seen["verdict"] is None
        assert seen["words"]
    for task, reads in (("regress", "numbers"), ("forecast", "numbers")):
        case = CASES[task]
        case.make().fit(case.X, *([] if case.y is None else [case.y])).save(tmp_path / task)
        with pytest.raises(RicordaError, match=f"this model reads {reads}, no text"):
            look_at(tmp_path / task, "the cat")


def test_two_looks_at_once_have_a_model_each_and_a_new_one_is_read_anew(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    ricorda.load(trained / "model").save(folder)
    with models.lent(folder) as one, models.lent(folder) as other:
        assert one is not other
    with models.lent(folder) as again:
        assert again in (one, other)
    small().fit(TEXTS, LABELS).save(folder)
    with models.lent(folder) as new:
        assert new not in (one, other)


def test_no_more_models_are_kept_than_fit(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_KEPT", 2)
    with models.lent(trained / "model"), models.lent(trained / "model"), models.lent(trained / "model"):
        pass
    assert len(models._idle) == 2


def test_the_sample_model_is_trained_once_though_two_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "reviews.csv"
    rows = (f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True))
    data.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    monkeypatch.setattr(sample, "DATA", data)
    monkeypatch.setattr(sample, "OPTIONS", ("--epochs", "1", "--hidden-size", "2", "--min-frequency", "1"))
    settings = Settings({}, "127.0.0.1")
    vars(settings)["folder"] = tmp_path / "page"
    sample._digest.cache_clear()

    async def story() -> tuple[sample.Training, sample.Training]:
        one, other = sample.train(settings), sample.train(settings)
        await asyncio.gather(one.wait(), other.wait())
        return one, other

    try:
        assert sample.ready(settings) is None
        one, other = asyncio.run(story())
        assert one is other
        assert one.job.error is None
        assert one.share == 1.0
        folder = sample.ready(settings)
        assert folder is not None
        assert ricorda.__version__ in folder.name
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # Nothing is left beside it.
        assert look_at(folder, "warm")["verdict"]["label"] in ("good", "bad")
        monkeypatch.setattr(sample, "OPTIONS", (*sample.OPTIONS, "--seed", "1"))
        sample._digest.cache_clear()
        assert sample.ready(settings) is None
    finally:
        sample._digest.cache_clear()


def label(page: Any) -> str:
    return str(page.locator(".review-verdict .label.said").inner_text())


def spoken(model: Any, text: str) -> str:
    (shares,) = model.predict_proba([text])
    return f"{model.classes_[shares.argmax()]} {shares.max():.0%}"


def write(page: Any, text: str) -> None:
    """Type a text, and wait until its words are there."""
    page.locator("textarea").first.fill(text)
    page.wait_for_function(
        "text => document.querySelector('.review-words .text').innerText.replace(/[\\s+−]/g, '') === text",
        arg="".join(text.split()),
    )


def test_a_review_its_words_what_is_left_of_them_and_what_dropping_and_shuffling_do(
    story: Any, language: str, say: Say, trained: Path
) -> None:
    model = ricorda.load(trained / "model")
    page = story.open("/review?model=model", language)
    write(page, TEXT)
    words = page.locator(".review-words .word")
    memory = memory_of(model, TEXT)
    expected = [f"{word.value:.3f}" for word in window_words(memory)]
    assert words.evaluate_all("words => words.map(word => word.dataset.value)") == expected
    assert label(page) == spoken(model, TEXT)
    marks = [word.marks.replace("-", "−") for word in window_words(memory)]
    assert words.locator("sup").all_inner_texts() == marks

    words.nth(1).hover()
    panel = page.locator(".review-words .panel")
    assert panel.locator("[data-number=verdict]").inner_text() == (
        f"{say('review', 'verdict')} {memory.verdict.decomposed[1]:+.3f}"
    )
    left = [round(100 * share) for share in memory.kept[1]]
    shown = words.evaluate_all("words => words.map(word => word.querySelector('.left')?.innerText ?? '')")
    assert shown == [f"{share}%" if place > 1 and share else "" for place, share in enumerate(left)]
    words.nth(2).focus()  # The keyboard does the same.
    assert panel.locator("b").first.inner_text() == "Film"

    words.nth(5).press("Enter")
    page.locator(".review-words .word.dropped", has_text="dull").wait_for()
    assert label(page) == spoken(model, TEXT.replace("dull", ""))
    (shares,) = model.predict_proba([TEXT])
    typed = say("review", "typed", label=model.classes_[shares.argmax()], share=f"{shares.max():.0%}")
    assert typed in page.locator(".review-verdict").inner_text()

    page.get_by_role("button", name=say("review", "shuffle")).click()
    page.wait_for_function("text => document.querySelector('textarea').value !== text", arg=TEXT)
    mixed = page.locator("textarea").first.input_value()
    assert sorted(mixed.split()) == sorted(["A", "warm", "Film", ",", "never", "or", "too", "long"])
    page.wait_for_function("() => !document.querySelector('.review-words .word.dropped')")
    page.get_by_role("button", name=say("review", "restore")).click()
    page.wait_for_function("text => document.querySelector('textarea').value === text", arg=TEXT)
    page.wait_for_url("**text=A+warm*")
    again = story.open(page.url.removeprefix(story.server.address), language)  # The address holds text and model.
    again.locator(".review-words .word").first.wait_for()
    assert again.locator("textarea").first.input_value() == TEXT
    with page.expect_download() as told:
        page.get_by_role("button", name=say("frame", "numbers")).click()
    assert pl.read_csv(told.value.path())["token"].to_list() == list(memory.tokens)


def test_what_is_typed_is_text_and_nothing_else(story: Any, language: str, say: Say) -> None:
    page = story.open("/review?model=model", language)
    write(page, HOSTILE)
    shown = page.locator(".review-words .text")
    assert shown.locator("img, b, script").count() == 0
    page.locator("textarea").first.fill("  ")
    page.get_by_text(say("review", "empty")).wait_for()
    name = say("review", "examples")
    assert page.get_by_text(name, exact=True).count() == 1
    page.get_by_role("button", name="Una delusione").click()
    page.locator(".review-words .word", has_text="trama").wait_for()
