"""`ricorda.Scorer` in this process and in others."""

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from small_models import LABELS, TEXTS, small

from ricorda import ArgumentError, DataError, Scorer, SequenceRegressor, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scorer") / "model"
    small().fit(TEXTS, LABELS).save(folder)
    return folder


def test_it_answers_as_the_estimator(folder: Path) -> None:
    assert Scorer(folder)(TEXTS) == list(load(folder).answers(TEXTS))


def test_tables_keep_their_columns(folder: Path) -> None:
    said = [answer["label"] for answer in Scorer(folder)(TEXTS)]
    scorer = Scorer(folder)
    as_dict = scorer({"n": list(range(30)), "text": TEXTS})
    assert list(as_dict) == ["n", "text", "prediction", "probability"]
    frame = scorer(polars.DataFrame({"n": list(range(30)), "text": TEXTS}))
    assert frame.columns == list(as_dict)
    assert as_dict["prediction"] == frame["prediction"].to_list() == said


def test_pandas(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    scorer = Scorer(folder)
    frame = scorer(pandas.DataFrame({"text": TEXTS}, index=range(5, 35)))
    series = scorer(pandas.Series(TEXTS, index=range(5, 35)))
    assert list(frame.columns) == ["text", *series.columns]
    assert frame.drop(columns="text").equals(series)


def test_int8_rounds_the_products(folder: Path, tmp_path: Path) -> None:
    full, int8 = (
        [answer["probability"] for answer in Scorer(folder, precision=precision)(TEXTS)] for precision in (None, "int8")
    )
    assert int8 != full
    assert int8 == pytest.approx(full, abs=0.02)


def test_mistakes_are_sentences(folder: Path) -> None:
    with pytest.raises(ArgumentError, match="precision is 'int4': give 'float32', 'bf16' or 'int8'"):
        _ = Scorer(folder, precision="int4").model
    with pytest.raises(ArgumentError, match=r"model\.onnx was exported as it is: give the model's folder"):
        _ = Scorer("model.onnx", precision="int8").model
    with pytest.raises(ArgumentError, match="no column 'text' but words"):
        Scorer(folder)({"words": TEXTS})
    with pytest.raises(DataError, match="column 'prediction' already"):
        Scorer(folder)({"text": TEXTS, "prediction": TEXTS})
    with pytest.raises(DataError, match="row 1, column 'text', has no text"):
        Scorer(folder)({"text": [None]})


def test_it_is_pickled_without_its_model(folder: Path) -> None:
    scorer = Scorer(folder)
    said = scorer(TEXTS)
    content = pickle.dumps(scorer)
    assert len(content) < 1000
    assert pickle.loads(content)(TEXTS) == said
    cloudpickle: Any = pytest.importorskip("cloudpickle")
    assert pickle.loads(cloudpickle.dumps(lambda texts: scorer(texts)))(TEXTS) == said
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(scorer, [TEXTS]) == [said]


def test_a_model_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save(tmp_path / "model")
    scorer = Scorer(tmp_path / "model")
    before = scorer(TEXTS)
    small(random_state=1).fit(TEXTS, LABELS).save(tmp_path / "model")
    assert scorer(TEXTS) != before


def test_arrays(tmp_path: Path) -> None:
    walks = np.random.default_rng(0).normal(size=(30, 5, 2))
    model = SequenceRegressor(hidden_size=4, epochs=1, device="cpu").fit(walks, walks[:, -1, 0])
    model.save(tmp_path / "model")
    assert Scorer(tmp_path / "model")(walks) == list(model.answers(walks))
    with pytest.raises(ArgumentError, match="no probabilities"):
        Scorer(tmp_path / "model", probabilities=True)({"text": list(walks)})
