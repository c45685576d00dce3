"""scikit-learn's conventions."""

import copy
import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from small_models import LABELS, LEARNING, TEXTS, TOKENS, series, small

from ricorda import SequenceClassifier, affine, cell, tanh
from ricorda.cells import gru, lstm
from ricorda.errors import ArgumentError, DataError

SEQUENCES = "examples are sequences of any lengths, not rows of a table"
MESSAGE = "the message is ricorda's own, with place, value and way out"
EXPECTED = {
    "check_n_features_in": SEQUENCES,
    "check_n_features_in_after_fitting": SEQUENCES,
    "check_classifier_data_not_an_array": "an object without length is no sequence",
    "check_supervised_y_2d": "a label is one value",
    "check_complex_data": MESSAGE,
    "check_estimators_empty_data_messages": MESSAGE,
    "check_estimator_sparse_tag": MESSAGE,
    "check_estimator_sparse_array": MESSAGE,
    "check_estimator_sparse_matrix": MESSAGE,
    "check_classifiers_regression_target": MESSAGE,
    "check_fit2d_predict1d": MESSAGE,
    "check_requires_y_none": MESSAGE,
    "check_classifiers_train": MESSAGE,
    "check_class_weight_classifiers": "two epochs learn too little for it; the loss is held to torch's elsewhere",
}


@cell
def minimal(x: Any, h: Any) -> Any:
    """A cell of the user's own."""
    return tanh(affine("h", h, x))


@parametrize_with_checks([small()], expected_failed_checks=lambda _estimator: EXPECTED)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


# Parameters


def test_parameters_are_read_written_and_cloned() -> None:
    model = small(cell="gru", class_weight={"good": 2.0})
    parameters = model.get_params()
    assert (parameters["cell"], parameters["hidden_size"]) == ("gru", 4)
    assert SequenceClassifier(**parameters).get_params() == parameters
    assert clone(model).get_params() == parameters
    assert model.set_params(hidden_size=9, pooling="last") is model
    assert (model.hidden_size, model.pooling) == (9, "last")
    with pytest.raises(ValueError, match="Invalid parameter 'hiden_size'"):
        model.set_params(hiden_size=3)


def test_fit_returns_the_model_and_leaves_its_parameters() -> None:
    model = small(cell=minimal, class_weight="balanced", max_length=3)
    before = dict(model.get_params())
    assert model.fit(TEXTS, LABELS) is model
    assert all(model.get_params()[name] is value for name, value in before.items())
    assert model.n_iter_ == len(model.history_) == 2


@pytest.mark.parametrize("method", ["predict", "predict_proba", "evaluate", "score", "save"])
def test_nothing_works_before_fit_nor_after_a_fit_that_failed(method: str) -> None:
    model = small()
    for _ in range(2):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(model, method)(TEXTS, *([LABELS] if method in ("evaluate", "score") else []))
        with pytest.raises(DataError, match=r"^y holds one class only \('good'\): give examples of at least two$"):
            model.fit(TEXTS, ["good"] * 30)


def test_a_fit_that_fails_leaves_what_was_learned_before() -> None:
    model = small().fit(TEXTS, LABELS)
    before = model.predict_proba(TEXTS)
    with pytest.raises(DataError):
        model.fit(TEXTS, ["x"] * 30)
    with pytest.raises(DataError, match=r"^validation\[0\]\[1\] has the label 'x'"):
        model.fit(TOKENS, ["c", "d"] * 15, validation=(TOKENS[:2], ["c", "x"]))
    assert model.classes_.tolist() == ["bad", "good"]
    assert np.array_equal(model.predict_proba(TEXTS), before)


# Classes and probabilities


@pytest.mark.parametrize("classes", [["yes", "no"], [1, 0], [7, -3], [True, False], [1.0, 2.0]])
def test_classes_are_sorted_and_predictions_are_of_the_labels_type(classes: list[Any]) -> None:
    labels = [classes[0] if label == "good" else classes[1] for label in LABELS]
    model = small(**LEARNING).fit(TEXTS, labels)
    assert model.classes_.tolist() == sorted(classes)
    predicted = model.predict(TEXTS)
    assert predicted.dtype == np.array(classes).dtype
    assert np.mean(predicted == labels) > 0.9
    assert model.score(TEXTS, labels) == np.mean(predicted == labels)
    assert model.evaluate(TEXTS, labels).accuracy == model.score(TEXTS, labels)
    assert [each.label for each in model.evaluate(TEXTS, labels).classes] == sorted(classes)


def test_probabilities_sum_to_one_and_do_not_depend_on_the_order_or_the_company(fitted: SequenceClassifier) -> None:
    texts = [*TEXTS[:10], "a much longer text, " * 20]
    together = fitted.predict_proba(texts)
    assert together.shape == (11, 2)
    np.testing.assert_allclose(together.sum(1), 1, rtol=1e-15)
    # float32 sums of some ten terms over up to a hundred steps; the gates keep errors from growing
    bound = 100 * torch.finfo(torch.float32).eps
    alone = np.concatenate([fitted.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=bound)
    np.testing.assert_allclose(fitted.predict_proba(texts[::-1])[::-1], together, rtol=bound)
    assert np.array_equal(fitted.predict_proba(texts), together)
    assert fitted.predict(texts).tolist() == fitted.classes_[together.argmax(1)].tolist()


def test_a_label_of_another_type_is_the_class_that_a_file_writes_so() -> None:
    model = small().fit(TEXTS, [int(label == "good") for label in LABELS])
    numbers = model.evaluate(TEXTS, [int(label == "good") for label in LABELS])
    assert model.evaluate(TEXTS, [str(int(label == "good")) for label in LABELS]) == numbers
    with pytest.raises(DataError, match=r"^X\[1\] has the label '2', which the training never saw: .* one of 0, 1$"):
        model.evaluate(TEXTS[:2], ["1", "2"])


# Seeds


def weights(model: SequenceClassifier) -> list[float]:
    return [float(value) for each in model.network_.parameters() for value in each.detach().flatten()]


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    first = small(random_state=3).fit(TEXTS, LABELS)
    assert weights(first) == weights(small(random_state=3).fit(TEXTS, LABELS))
    assert weights(first) == weights(first.fit(TEXTS, LABELS))
    assert weights(first) == weights(small(random_state=np.int64(3)).fit(TEXTS, LABELS))
    assert weights(first) != weights(small(random_state=4).fit(TEXTS, LABELS))
    states = [small(random_state=np.random.RandomState(3)) for _ in range(2)]
    assert weights(states[0].fit(TEXTS, LABELS)) == weights(states[1].fit(TEXTS, LABELS))
    assert weights(states[0]) != weights(clone(states[0]).fit(TEXTS, LABELS))  # the state has moved on


def test_the_global_random_numbers_are_neither_used_nor_changed() -> None:
    def state() -> tuple[bytes, bytes]:
        return np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()  # type: ignore[union-attr]

    np.random.seed(1)
    torch.manual_seed(1)
    before = state()
    first = small(dropout=0.5, word_dropout=0.5).fit(TEXTS, LABELS)
    first.predict(TEXTS)
    assert state() == before
    np.random.seed(2)
    torch.manual_seed(2)
    assert weights(first) == weights(small(dropout=0.5, word_dropout=0.5).fit(TEXTS, LABELS))


# Copies


@pytest.mark.parametrize("given", ["gru", gru, minimal, lstm.program], ids=["name", "ours", "own", "program"])
def test_a_model_is_pickled_copied_and_cloned_before_and_after_fit(given: Any) -> None:
    model = small(cell=given)
    for each in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model)):
        assert each.get_params() == model.get_params()
        assert not hasattr(each, "classes_")
    wanted = model.fit(TEXTS, LABELS).predict_proba(TEXTS)
    copied = copy.deepcopy(model)
    for each in (pickle.loads(pickle.dumps(model)), copied):
        assert np.array_equal(each.predict_proba(TEXTS), wanted)
        assert each.classes_.tolist() == ["bad", "good"]
    copied.fit(TEXTS, ["c", "d"] * 15)
    assert np.array_equal(model.predict_proba(TEXTS), wanted)


def test_a_decorated_cell_is_pickled_by_its_name() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(lstm, protocol)) is lstm
        assert pickle.loads(pickle.dumps(minimal, protocol)) is minimal
    assert copy.deepcopy(lstm) is lstm

    @cell
    def hidden(x: Any, h: Any) -> Any:
        return tanh(affine("h", h, x))

    with pytest.raises((AttributeError, pickle.PicklingError), match="hidden"):
        pickle.dumps(hidden)
    assert copy.deepcopy(hidden).program == hidden.program


# Inside other estimators


@pytest.mark.parametrize("jobs", [1, 2])
def test_grid_search(jobs: int) -> None:
    model = small(cell=minimal, **LEARNING)
    search = GridSearchCV(model, {"hidden_size": np.array([3, 5]), "pooling": ["max", "last"]}, cv=2, n_jobs=jobs)
    search.fit(TEXTS, LABELS)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert len({type(model) for model in [search.best_estimator_, model]}) == 1
    assert search.predict(TEXTS[:2]).shape == (2,)
    assert search.best_estimator_.hidden_size == search.best_params_["hidden_size"]


def test_cross_validation_of_arrays_of_different_lengths() -> None:
    walks, rises = series(60)
    model = small(**LEARNING)
    scores = cross_val_score(model, walks, rises, cv=3)
    assert scores.mean() > 0.75


def strip_digits(texts: list[str]) -> list[str]:
    return ["".join(character for character in text if not character.isdigit()) for text in texts]


def test_a_pipeline_cleans_texts_first(fitted: SequenceClassifier) -> None:
    pipeline = make_pipeline(FunctionTransformer(strip_digits), small(**LEARNING))
    pipeline.fit([f"17{text}9" for text in TEXTS], LABELS)
    assert isinstance(clone(pipeline), Pipeline)
    assert np.array_equal(pipeline.predict_proba(TEXTS), pipeline.predict_proba([f"{text}3" for text in TEXTS]))
    assert pipeline.set_params(sequenceclassifier__epochs=1)[-1].epochs == 1
    assert pipeline.score(TEXTS, LABELS) > 0.9


# Inputs


WALKS, RISES = series()


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (TEXTS, LABELS),
        (np.array(TEXTS), np.array(LABELS)),
        (pl.Series(TEXTS), pl.Series(LABELS)),
        (TOKENS, LABELS),
        (WALKS, RISES),
        ([walk[:, 0] for walk in WALKS], RISES),
        ([torch.tensor(walk) for walk in WALKS], torch.tensor(RISES)),
        (np.stack([walk[:3] for walk in WALKS]), RISES),
        (np.stack([walk[:3, 0] for walk in WALKS]), RISES),
    ],
    ids=["texts", "array of texts", "series", "tokens", "T I", "T", "tensors", "N T I", "N T"],
)
@pytest.mark.parametrize("tokenizer", ["word", "char"])
def test_every_kind_of_sequence_is_learned(X: Any, y: Any, tokenizer: str) -> None:
    model = small(tokenizer=tokenizer).fit(X, y, validation=(X, y))
    assert model.predict_proba(X).shape == (30, 2)
    assert model.evaluate(X, y).examples == 30


def test_other_inputs_than_those_of_the_training_are_refused(fitted: SequenceClassifier) -> None:
    with pytest.raises(
        DataError, match=r"^X\[0\] has a token list, and the model was trained on texts: give it those$"
    ):
        fitted.predict(TOKENS)
    numbers = small().fit(WALKS, RISES)
    with pytest.raises(DataError, match=r"^X\[0\] has a text, and the model was trained on numbers"):
        numbers.predict(TEXTS)
    with pytest.raises(DataError, match=r"^X\[1\] has 3 features a step where X\[0\] has 2"):
        numbers.predict([WALKS[0], np.ones((4, 3))])
    with pytest.raises(DataError, match=r"^X\[0\] has 3 features a step, and the model was trained on 2: give it as"):
        numbers.predict([np.ones((4, 3))])


# Parameters that cannot be


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (name, value, "a whole number of at least 1")
        for name in ("hidden_size", "num_layers", "embedding_size", "vocab_size", "min_frequency", "epochs")
        for value in (0, -5, 2.5, "3", None, True)
    ]
    + [("max_length", 0, "a whole number of at least 1, or leave it out"), ("patience", 0, "a whole number")]
    + [(name, value, "a number from 0 to less than 1") for name in ("dropout", "word_dropout") for value in (1, -0.1)]
    + [("validation_fraction", value, "a number from 0 to less than 1") for value in (1.0, float("nan"), "a")]
    + [(name, "a", "a number") for name in ("learning_rate", "weight_decay", "warmup", "clip_norm")]
    + [("learning_rate", 0.0, "a number above 0"), ("learning_rate", float("inf"), "a number")]
    + [("bidirectional", 1, "True or False"), ("lowercase", None, "True or False")]
    + [("pooling", "min", "one of last, mean, max, attention"), ("tokenizer", None, "one of word, bpe, char")]
    + [("scoring", "f1", "one of accuracy, macro_f1"), ("device", 5, "auto, cpu, cuda or cuda:N")]
    + [("random_state", value, "a whole number from 0 to 4294967295") for value in (-1, 2**32, "a", 1.5)]
    + [("class_weight", value, "'balanced', or a weight") for value in ("even", {"a": -1}, {"a": "b"}, [1, 2])],
)
def test_a_parameter_that_cannot_be_is_named_with_its_value(name: str, value: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        small(**{name: value}).fit(TEXTS, LABELS)
    assert str(caught.value).startswith(f"{name} is {value!r}: give {words}")


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"precision": "16"}, "precision is '16': choose one of 32, bf16"),
        ({"device": "tpu"}, "device is 'tpu': choose auto, cpu"),
        ({"cell": "lstn"}, "there is no cell 'lstn': did you mean 'lstm'"),
        ({"class_weight": {"ugly": 1.0}}, "class_weight has a weight for 'ugly', which is no label of y: use 'bad', "),
        ({"min_frequency": 999}, "no token of the texts reaches min_frequency 999"),
        ({"hidden_size": 10**8}, "hidden_size 100000000 and embedding_size 4 make a network larger than the memory"),
        ({"hidden_size": 10**17}, "hidden_size 1.* make a network larger than the memory"),
    ],
)
def test_parameters_that_do_not_go_with_the_data_or_the_machine(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{sentence}"):
        small(**parameters).fit(TEXTS, LABELS)


def test_a_validation_that_is_no_pair_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^validation is of type list: give a pair, \(X, y\)$"):
        small().fit(TEXTS, LABELS, validation=TEXTS)  # type: ignore[arg-type]
