"""Trained models of all tasks as ONNX: what the file says is what the model says, in every form that it has."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_files import OnnxFile, off
from small_models import LABELS, TEXTS, TOKENS, series
from task_cases import CASES, DOCUMENTS, NUMBERS, SENTENCES, SOURCES, TAGS, TARGETS, TINY

from ricorda import ArgumentError, Forecaster, export
from ricorda.data.series import as_series
from ricorda.export.to_onnx.models import GRAPHS
from ricorda.export.to_onnx.run import RUNS, open_exported
from ricorda.tasks.registry import TASKS

COUNT = 200


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernels are compiled: it would take most of the time."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")


def texts(count: int = COUNT) -> list[str]:
    """Texts of 1 to 12 words, of which some are unknown."""
    random = np.random.default_rng(0)
    words = [*{word for text in TEXTS for word in text.replace(",", "").split()}, "unseen", "other", "new"]
    words.sort()
    return [" ".join(random.choice(words, random.integers(1, 13))) for _ in range(count)]


def known(count: int = COUNT) -> list[str]:
    """Texts of the words of DOCUMENTS."""
    random = np.random.default_rng(0)
    words = sorted({word for text in DOCUMENTS for word in text.split()})
    return [" ".join(random.choice(words, random.integers(1, 8))) for _ in range(count)]


def sentences(count: int = COUNT) -> list[list[str]]:
    random = np.random.default_rng(0)
    words = [*sorted({word for sentence in SENTENCES for word in sentence}), "unseen", "x" * 60, "é"]
    return [random.choice(words, random.integers(1, 10)).tolist() for _ in range(count)]


def walks(count: int = COUNT) -> list[Any]:
    return series(count, seed=5)[0]


def numerals(count: int = COUNT) -> list[str]:
    random = np.random.default_rng(0)
    return [" and ".join(random.choice(NUMBERS, random.integers(1, 5))) for _ in range(count)]


def paths(count: int = COUNT, variables: int = 2) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.normal(size=(int(random.integers(8, 20)), variables)).cumsum(0) for _ in range(count)]


def holidays(count: int) -> Any:
    """What is known beforehand of each step."""
    return (np.arange(count) % 5 == 2).astype(float)[:, None]


def with_gaps(rows: list[Any]) -> list[Any]:
    """Numbers of which some are missing, in the first column, and elapsed times in the second."""
    rows = [np.abs(row) for row in rows]
    for row in rows:
        row[::3, 0] = np.nan
    return rows


def classes(model: Any, X: Any) -> list[Any]:
    return [model.predict_proba(X), model.predict(X).tolist()]


def tags(model: Any, X: Any) -> list[Any]:
    return [*model.predict_proba(X), *model.predict(X)]


def translated(model: Any, X: Any) -> list[Any]:
    best = model.translate(X, n_best=2)
    return [[[one.text for one in of_text] for of_text in best], [[one.score for one in of_text] for of_text in best]]


def forecasts(model: Any, X: Any) -> list[Any]:
    return [part for one in model.forecast(X) for part in (one.values, one.quantiles) if part is not None]


def likelihoods(model: Any, X: Any) -> list[Any]:
    return [np.array([p for _, p in model.score_tokens(text)]) for text in X]


@dataclass(frozen=True)
class Kind:
    """A kind of model, and what is asked of it."""

    make: Callable[[], Any]
    X: Any
    y: Any
    asked: Callable[[], Any]
    outputs: Callable[[Any, Any], list[Any]]
    forms: tuple[str, ...] = ("sequence",)


def _many(task: str, X: Any, y: Any, asked: Any, outputs: Any, forms: Any = ("sequence",), **parameters: Any) -> Kind:
    if task == "classify":  # Without held-out examples it would train once more for each third.
        parameters["validation_fraction"] = 0.2
    return Kind(lambda: CASES[task].make(**parameters), X, y, asked, outputs, forms)


BOTH = ("sequence", "step")
WALKS, RISES = series(16)
SUMS = [float(walk.sum()) for walk in WALKS]
LONG = paths(4, 2)


def _forecaster(**parameters: Any) -> Kind:
    make = lambda: Forecaster(**{**TINY, "epochs": 1, "context": 6, "horizon": 3, **parameters})  # noqa: E731
    return Kind(make, [np.concatenate([row, row[::-1]]) for row in paths(4)], None, paths, forecasts)


def predictions(model: Any, X: Any) -> list[Any]:
    return [model.predict(X)]


ONE_WAY = {"bidirectional": False}
KINDS: dict[str, Kind] = {
    "classify": _many("classify", TEXTS, LABELS, texts, classes, num_layers=2, bidirectional=True),
    "classify, attention": _many("classify", TEXTS, LABELS, texts, classes, BOTH, pooling="attention", wide=False),
    "classify, mean": _many("classify", TEXTS, LABELS, texts, classes, BOTH, pooling="mean", wide=False, cell="mgu"),
    "classify, max": _many("classify", TEXTS, LABELS, texts, classes, BOTH, pooling="max", wide=False),
    "classify, last": _many("classify", TEXTS, LABELS, texts, classes, BOTH, wide=False),
    "classify, tokens": _many("classify", TOKENS, LABELS, lambda: [t.split() for t in texts()], classes),
    "classify, numbers": _many("classify", *series(30), walks, classes, BOTH),
    "classify, missing": _many(
        "classify", with_gaps(WALKS), RISES, lambda: with_gaps(walks()), classes, BOTH, cell="gru_d", gap=1
    ),
    "regress": _many("regress", WALKS, SUMS, walks, predictions),
    "regress, two": _many("regress", WALKS, [[s, 2 * s] for s in SUMS], walks, predictions, BOTH, **ONE_WAY),
    "regress, texts": _many("regress", TEXTS, np.arange(30.0), texts, predictions),
    "tag": _many("tag", SENTENCES, TAGS, sentences, tags),
    "tag, one way": _many("tag", SENTENCES, TAGS, sentences, tags, BOTH, **ONE_WAY),
    "tag, crf": _many("tag", SENTENCES, TAGS, sentences, tags, crf=True),
    "tag, words alone": _many("tag", SENTENCES, TAGS, sentences, tags, character_hidden_size=0),
    "tag, numbers": _many(
        "tag", WALKS, [w.cumsum(0) for w in WALKS], walks, lambda m, X: m.predict(X), BOTH, **ONE_WAY
    ),
    "translate": _many("translate", SOURCES, TARGETS, numerals, translated, ("step",), num_layers=2, epochs=4),
    "translate, additive": _many(
        "translate", SOURCES, TARGETS, numerals, translated, ("step",), attention="additive", input_feeding=True
    ),
    "translate, no attention": _many(
        "translate", SOURCES, TARGETS, numerals, translated, ("step",), attention=None, cell="gru"
    ),
    "translate, shared": _many(
        "translate", SOURCES, TARGETS, numerals, translated, ("step",), shared_vocabulary=True, tied_embeddings=True
    ),
    "language": _many("language", DOCUMENTS, None, known, likelihoods, BOTH, num_layers=2),
    "language, words": _many(
        "language", DOCUMENTS, None, known, likelihoods, BOTH, tokenizer="word", tie_embeddings=True
    ),
    "language, clusters": _many(
        "language", [*TEXTS, *DOCUMENTS], None, known, likelihoods, BOTH, adaptive_softmax=True, hidden_size=16
    ),
    "forecast": _forecaster(),
    "forecast, covariates": Kind(
        lambda: Forecaster(**{**TINY, "epochs": 1, "context": 6, "horizon": 3}),
        [as_series(np.concatenate([row, row[::-1]])[:20], covariates=holidays(20)) for row in paths(4)],
        None,
        lambda: [as_series(row, covariates=holidays(len(row) + 3)) for row in paths()],
        forecasts,
    ),
    "forecast, quantiles": _forecaster(head="quantile", independent=False, patch=2, affine=True),
    "forecast, gaussian": _forecaster(head="gaussian", normalize="series", cell="mgu"),
}


@pytest.fixture(scope="module")
def trained_models() -> Callable[[str], Any]:
    """A model of each kind, trained when it is first asked for."""
    models: dict[str, Any] = {}

    def model(name: str) -> Any:
        if name not in models:
            models[name] = KINDS[name].make().fit(KINDS[name].X, KINDS[name].y)
        return models[name]

    return model


def test_every_task_has_its_graphs_and_runs() -> None:
    assert GRAPHS.keys() == RUNS.keys() == TASKS.keys()
    assert {name.partition(",")[0] for name in KINDS} == set(TASKS)


@pytest.mark.parametrize("name", KINDS)
def test_predictions_of_200_examples_are_equal(name: str, trained_models: Any, tmp_path: Path) -> None:
    kind, model = KINDS[name], trained_models(name)
    X = kind.asked()
    assert len(X) == COUNT
    for form in kind.forms:
        path = tmp_path / f"{form}.onnx"
        export.onnx(model, path, form=form)
        some = X if form == kind.forms[0] else X[:20]  # Step by step takes longer.
        wanted = kind.outputs(model, some)
        assert off(kind.outputs(open_exported(path), some), wanted) <= 2e-6
        shapes = OnnxFile(path)
        free = {size for shape in [*shapes.inputs.values(), *shapes.outputs.values()] for size in shape[:1]}
        assert free & {"B", "T", "N"}


@pytest.mark.parametrize("name", ["classify", "regress", "tag, crf", "translate", "language", "forecast, covariates"])
def test_float64_models(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    model = kind.make().fit(kind.X, kind.y)
    model.network_.double()
    X = kind.asked()[:20]
    if name == "forecast, covariates":  # Its windows come in float32.
        model.network_.register_forward_pre_hook(lambda _, inputs: tuple(part.double() for part in inputs))
    if name == "regress":
        model.network_.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(), *inputs[1:]))
    form = kind.forms[0]
    export.onnx(model, tmp_path / "model.onnx", form=form)
    types = {t.data_type for t in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert onnx.TensorProto.DOUBLE in types
    assert onnx.TensorProto.FLOAT not in types
    assert off(kind.outputs(open_exported(tmp_path / "model.onnx"), X), kind.outputs(model, X)) <= 1e-6


def test_a_network_in_bfloat16_is_written_as_float32(tmp_path: Path, trained_models: Any) -> None:
    kind = KINDS["classify"]
    model = kind.make().fit(kind.X, kind.y)
    model.network_.bfloat16()
    export.onnx(model, tmp_path / "model.onnx")
    said = kind.outputs(open_exported(tmp_path / "model.onnx"), kind.asked())
    model.network_.float()
    assert off(said, kind.outputs(model, kind.asked())) <= 2e-6


def test_a_file_says_what_it_is(tmp_path: Path, trained_models: Any) -> None:
    model = trained_models("classify")
    export.onnx(model, tmp_path / "model.onnx")
    told = {p.key: p.value for p in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert told["ricorda.task"] == "classify"
    assert told["ricorda.form"] == "sequence"
    assert json.loads(told["ricorda.program"]) == model.program_.to_json()
    assert json.loads(told["ricorda.config"])["classes"] == ["bad", "good"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.tokenizer.json"]


REFUSED = {
    ("classify", "step"): "the model reads in both directions, so that it has no step",
    ("tag, crf", "step"): "the model reads in both directions",
    ("translate", "sequence"): "a translator writes token by token",
    ("forecast", "step"): "a forecast is made from a whole window of 6 steps",
}


@pytest.mark.parametrize(("name", "form"), REFUSED)
def test_what_a_kind_cannot_do_is_said(name: str, form: str, trained_models: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=REFUSED[name, form]):
        export.onnx(trained_models(name), tmp_path / "model.onnx", form=form)
    assert list(tmp_path.iterdir()) == []
