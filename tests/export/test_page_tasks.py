"""Pages of taggers, language models and forecasters: they say in Chromium what they say in Python."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import Opened, chromium
from small_taggers import SENTENCES, TAGS, small_tagger

from ricorda import ArgumentError, Forecaster, LanguageModel, export
from ricorda.tasks.language.generation import Sampling

TEXT = "the cat sleeps, the dog barks. perché no?\n" * 40


@pytest.fixture(scope="module", autouse=True)
def _reference() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RICORDA_ENGINE", "reference")  # Nothing is compiled for these small models.
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def opened(browser: Any, model: Any, folder: Path, **options: Any) -> Opened:
    export.page(model, folder / "model.html")
    return Opened(browser, folder / "model.html", **options)


def looked_at(visit: Opened) -> None:
    """Both languages, dark, a narrow screen: nothing goes wrong, nothing is wider than the screen."""
    for choice in ("[data-language=it]", "[data-theme-choice=dark]"):
        visit.page.click(choice)
    visit.page.set_viewport_size({"width": 390, "height": 800})
    visit.frames()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "undefined" not in visit.page.inner_text("body")
    visit.check()


# Taggers


@pytest.mark.parametrize(
    "parameters", [{}, {"crf": True}, {"bidirectional": False, "character_hidden_size": 0, "num_layers": 2}], ids=str
)
def test_taggers(parameters: Any, browser: Any, tmp_path: Path) -> None:
    model = small_tagger(**parameters).fit(SENTENCES, TAGS)
    visit = opened(browser, model, tmp_path)
    sentences = [
        *SENTENCES[:4],
        ["Perché", "ΟΔΟΣ", "an-extraordinarily-long-word-of-more-than-forty-letters", "!"],
        ["cat"],
    ]
    visit.page.fill("#text", "\n".join(map(" ".join, sentences)))
    visit.frames()
    read = visit.page.evaluate("view.read")
    for ours, tags, said in zip(read, model.predict(sentences), model.predict_proba(sentences), strict=True):
        assert [str(model.classes_[tag]) for tag in ours["tags"]] == tags
        np.testing.assert_allclose(ours["probabilities"], said, rtol=0, atol=1e-5)
    visit.page.hover("#words .words:nth-child(1) button:nth-child(2)")
    assert visit.page.inner_text("#panel").startswith("“cat”: ")
    looked_at(visit)


# Language models


@pytest.fixture(scope="module")
def writer() -> LanguageModel:
    model = LanguageModel(hidden_size=12, embedding_size=6, epochs=3, random_state=0, device="cpu", tokenizer="char")
    return model.fit(TEXT)


def _next(model: LanguageModel, prompt: str) -> Any:
    ids = torch.tensor(model.reader_.prompt(prompt))
    network = model.network_.eval()
    with torch.no_grad():
        outputs, _ = network(ids[:, None], None)
        return network.output.log_probabilities(outputs[-1]).exp()[0].numpy()


@pytest.mark.parametrize("parameters", [{}, {"tie_embeddings": False}], ids=str)
@pytest.mark.parametrize("unit", ["char", "word", "bpe"])
def test_language_models(unit: str, parameters: Any, browser: Any, tmp_path: Path) -> None:
    sizes: Any = {"hidden_size": 8, "embedding_size": 6, "epochs": 2, "random_state": 0, "device": "cpu", **parameters}
    model = LanguageModel(tokenizer=unit, **({"vocab_size": 300} if unit == "bpe" else {}), **sizes).fit(TEXT)
    visit = opened(browser, model, tmp_path)
    for prompt in ("", "the cat", "the dog barks.\nperché "):
        visit.page.fill("#text", prompt)
        visit.frames()
        ours = visit.page.evaluate("softmax(view.opened().scores)")
        np.testing.assert_allclose(ours, _next(model, prompt), rtol=0, atol=1e-5)
        visit.page.evaluate("document.getElementById('temperature').value = 0")
        visit.page.fill("#length", "40")
        visit.page.click("#write")
        visit.wait("!view.running")
        theirs = "".join(model.generate(prompt, length=40, temperature=0.0))
        assert visit.page.evaluate("document.getElementById('written').textContent") == prompt + theirs
    looked_at(visit)


def test_writing_stops_and_goes_on_by_its_seed(writer: Any, browser: Any, tmp_path: Path) -> None:
    visit = opened(browser, writer, tmp_path)
    page = visit.page

    def write(seed: int) -> str:
        page.fill("#seed", str(seed))
        page.click("#write")
        visit.wait("!view.running")
        return page.evaluate("document.getElementById('written').textContent")

    page.fill("#length", "60")
    page.fill("#text", "the ")
    first = write(3)
    assert len(first) == 64
    assert write(4) != first == write(3)
    page.fill("#length", "100000")
    page.click("#write")
    visit.frames(4)
    page.click("#stop")
    assert 4 < len(page.evaluate("document.getElementById('written').textContent")) < 5000
    assert page.is_enabled("#write")
    assert page.is_disabled("#stop")
    page.fill("#text", "ß")
    visit.frames()
    assert page.inner_text("#trouble") == "The training never had “ß”: leave it out."
    assert page.is_disabled("#write")
    looked_at(visit)


def test_tokens_are_drawn_as_often_as_they_are_probable(writer: Any, browser: Any, tmp_path: Path) -> None:
    visit = opened(browser, writer, tmp_path)
    scores = np.array([0.5, -1.0, 2.0, 0.0])
    counts = visit.page.evaluate(
        """scores => {
          const [random, counts] = [randomNumbers(7), [0, 0, 0, 0]];
          for (let n = 0; n < 40000; n++) counts[drawn(scores, 0.7, random)]++;
          return counts;
        }""",
        scores.tolist(),
    )
    shares = Sampling(temperature=0.7).probabilities(scores.astype(np.float32))
    deviations = np.sqrt(shares * (1 - shares) / 40_000)
    assert (abs(np.array(counts) / 40_000 - shares) < 5 * deviations).all()


def test_documents_end(browser: Any, tmp_path: Path) -> None:
    model = LanguageModel(hidden_size=12, embedding_size=6, epochs=30, learning_rate=0.03, random_state=0, device="cpu")
    model.fit(["ab", "abab"] * 20)
    visit = opened(browser, model, tmp_path)
    visit.page.evaluate("document.getElementById('temperature').value = 0")
    visit.page.click("#write")
    visit.wait("!view.running")
    theirs = "".join(model.generate("", length=400, temperature=0.0))
    assert visit.page.evaluate("document.getElementById('written').textContent") == theirs
    visit.check()


# Forecasters


@pytest.mark.parametrize(
    "parameters",
    [
        {"head": "quantile"},
        {"head": "gaussian"},
        {"normalize": "series", "affine": False},
        {"independent": False, "affine": True},
        {"strategy": "recursive"},
    ],
    ids=str,
)
def test_forecasters(parameters: Any, browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    series = (
        np.sin(np.arange(120)[:, None] / [3.0, 5.0]) * [2.0, 30.0] + [5.0, -100.0] + rng.normal(size=(120, 2)) * 0.1
    )
    model = Forecaster(context=12, horizon=5, hidden_size=6, epochs=2, random_state=0, device="cpu", **parameters)
    model.fit(series)
    visit = opened(browser, model, tmp_path)
    for history in (None, series[40:60]):
        if history is not None:
            visit.page.fill("#text", "\n".join(" ".join(map(str, step)) for step in history.tolist()))
            visit.frames()
        forecast = model.forecast(history)
        said = visit.page.evaluate("view.said")
        points = np.array([[step["point"] for step in target] for target in said]).T
        np.testing.assert_allclose(points, forecast.values, rtol=1e-5, atol=1e-5)
        if forecast.quantiles is not None:
            quantiles = np.array([[step["quantiles"] for step in target] for target in said]).swapaxes(0, 1)
            np.testing.assert_allclose(quantiles, forecast.quantiles, rtol=1e-5, atol=1e-5)
        assert visit.page.locator("svg .forecast").count() == 2
    visit.page.fill("#text", "1 2\n3 4")
    visit.frames()
    assert visit.page.inner_text("#trouble") == "There are 2 steps, and a forecast is made from 12: give more."
    visit.page.click("#own")
    assert visit.page.inner_text("#trouble") == ""
    looked_at(visit)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LanguageModel(reverse=True, hidden_size=4, epochs=1, device="cpu").fit(TEXT), "reads from the end"),
        (
            lambda: Forecaster(context=4, horizon=2, hidden_size=4, epochs=1, device="cpu").fit(
                np.sin(np.arange(60.0)), covariates=np.cos(np.arange(60.0))
            ),
            "with covariates",
        ),
        (
            lambda: Forecaster("cfc_gap", context=4, horizon=2, hidden_size=4, epochs=1, device="cpu").fit(
                np.sin(np.arange(60.0))
            ),
            "of cell cfc_gap",
        ),
    ],
)
def test_what_has_no_page_is_refused_with_the_way_out(make: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=f"{message} cannot be exported as a page: "):
        export.page(make(), tmp_path / "model.html")
    assert not list(tmp_path.iterdir())
