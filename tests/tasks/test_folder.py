"""The model folder: the same model comes back, damage is told, and a save that fails changes nothing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_models import LABELS, TEXTS, TOKENS, series, small

import ricorda
from ricorda import SequenceClassifier
from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import BASELINE, CONFIG, HISTORY, TOKENIZER, WEIGHTS, config_hash, read_model

WALKS, RISES = series()
OWN_CELL = """
from ricorda import affine, cell, parameter, sigmoid, tanh

@cell
def own(x, h):
    f = sigmoid(affine("f", h, x) + parameter("p") * h)
    return (1 - f) * h + f * tanh(affine("h", f * h, x))
"""


@pytest.fixture(scope="session")
def saved(fitted: SequenceClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of texts; not to be changed."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(folder)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refusal(folder: Path) -> str:
    """The one sentence that opening a folder ends with."""
    with pytest.raises(ModelFolderError) as caught:
        ricorda.load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(folder) in sentence
    assert "train" in sentence or "upgrade" in sentence
    return sentence


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change config.json as if it had been saved so, with its hash."""
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    config["sha256"][CONFIG] = config_hash(config)
    path.write_text(json.dumps(config), encoding="utf-8")


# The same model comes back


@pytest.mark.parametrize(
    ("X", "y", "parameters"),
    [
        (TEXTS, LABELS, {"tokenizer": "bpe", "vocab_size": 300}),
        (
            TEXTS,
            LABELS,
            {"tokenizer": "char", "pooling": "attention", "class_weight": {"good": 2}, "random_state": None},
        ),
        (TOKENS, [label == "good" for label in LABELS], {"bidirectional": True, "num_layers": 2}),
        (WALKS, [int(rise) for rise in RISES], {"cell": "lstm_peephole", "hidden_size": np.int64(3)}),
        (
            WALKS,
            [float(rise) for rise in RISES],
            {"cell": ricorda.cells.gru, "validation_fraction": 0, "max_length": 3},
        ),
    ],
    ids=["bpe", "char", "tokens", "numbers", "gru"],
)
def test_an_opened_model_is_the_saved_one(X: Any, y: list[Any], parameters: dict[str, Any], tmp_path: Path) -> None:
    model = small(**parameters).fit(X, y)
    model.save(tmp_path / "a")
    again = ricorda.load(tmp_path / "a")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.classes_.dtype == model.classes_.dtype
    assert (again.history_, again.summary_) == (model.history_, model.summary_)
    again.save(tmp_path / "b")
    names = sorted(os.listdir(tmp_path / "a"))
    tokenizer = [] if X is WALKS else [TOKENIZER]
    assert names == ["README.md", BASELINE, CONFIG, HISTORY, "learning_curve.png", WEIGHTS, *tokenizer]
    assert sorted(os.listdir(tmp_path / "b")) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert again.fit(X, y).predict(X).shape == (30,)


AUDIT = """
import sys
import ricorda
from small_models import TEXTS
ricorda.load(sys.argv[1]).predict(TEXTS)  # what is imported on use is imported now
events = []
sys.addaudithook(lambda event, args: events.append((event, args)))
model = ricorda.load(sys.argv[2])
model.predict(TEXTS)
seen = [entry for entry in events if entry[0] in {"exec", "compile", "import", "pickle.find_class", "subprocess.Popen"}
        or entry[0] == "open" and str(entry[1][0]).endswith(".py")]
assert any(event == "open" for event, _ in events)  # the hook sees
assert not seen, seen
print(model.get_params()["cell"].name, repr(model.predict_proba(TEXTS).tolist()))
"""


def test_opening_runs_no_code_and_needs_no_file_of_the_cell(saved: Path, tmp_path: Path) -> None:
    file = tmp_path / "cells.py"
    file.write_text(OWN_CELL, encoding="utf-8")
    model = small(cell=f"{file}:own").fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    file.unlink()
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, saved, tmp_path / "model"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"own {model.predict_proba(TEXTS).tolist()!r}\n"


def test_the_card_says_what_the_model_is(model: Path, tmp_path: Path) -> None:
    card = (model / "README.md").read_text(encoding="utf-8")
    for words in (
        "`bad`, `good`",
        "Cell `lstm`, 1 layer of 4 units in one direction",
        "30 examples, 10 epochs",
        "seed 0",
    ):
        assert words in card
    assert "c_t = f_t * c_{t-1} + i_t * g_t" in card
    assert "No validation examples: the weights are those of the last epoch." in card
    assert (model / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    other = small(cell="gru", num_layers=2, bidirectional=True, random_state=None, validation_fraction=0.1)
    other.fit(WALKS, RISES).save(tmp_path / "other")
    card = (tmp_path / "other" / "README.md").read_text(encoding="utf-8")
    best = other.summary_["best"]
    for words in ("# A classifier of arrays of numbers", "`False`, `True`", "2 layers of 4 units in two directions"):
        assert words in card
    assert "no fixed seed" in card
    assert f"| {best['accuracy']:.1%} | {best['macro_f1']:.3f} | {best['validation_loss']:.3f} |" in card
    assert "ricorda predict" not in card  # which takes texts alone


# Damage


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER, HISTORY])
def test_a_file_that_is_missing_cut_or_changed_is_named(model: Path, name: str) -> None:
    path, content = model / name, (model / name).read_bytes()
    path.unlink()
    assert str(path) in refusal(model)
    for size in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:size])
        assert str(path) in refusal(model)
    for position in np.random.default_rng(0).integers(0, len(content), 60):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        path.write_bytes(changed)
        if name == CONFIG and b" " in (content[position : position + 1], changed[position : position + 1]):
            continue  # where a space between the values changes, they do not
        refusal(model)
    path.write_bytes(content)
    path.rename(model / "kept")
    path.mkdir()
    assert "cannot be read" in refusal(model)


def test_what_is_no_model_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a", encoding="utf-8")
    assert "holds no model: give the folder that `ricorda train" in refusal(tmp_path)
    for path in (tmp_path / "none", tmp_path / "file", tmp_path / ("a" * 300)):
        assert "is no folder: give the folder that `ricorda train" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("\xff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("1" * 10_000, "no JSON"),
        ("[]", "has no format_version"),
        ("null", "has no format_version"),
        ("{}", "has no format_version"),
        ('{"format_version": true}', "has no format_version"),
        ('{"format_version": "1"}', "has no format_version"),
        ('{"format_version": 0}', "has no format_version"),
        (
            '{"format_version": 2, "ricorda_version": "7.0\\n"}',
            "has format 2, written by ricorda '7.0\\n', and this .* up",
        ),
        ('{"format_version": 1}', "lacks the files' sha256"),
        ('{"format_version": 1, "sha256": []}', "lacks the files' sha256"),
        ('{"format_version": 1, "sha256": {"config.json": 1}}', "lacks the files' sha256"),
    ],
)
def test_a_config_that_is_none_is_told(model: Path, content: str, words: str) -> None:
    (model / CONFIG).write_text(content, encoding="latin1")
    refusal(model)
    with pytest.raises(ModelFolderError, match=words.replace("\\n", r"\\n")):
        read_model(model)


def keys(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from keys(inner, (*path, key))


def at(config: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path[:-1]:
        config = config[key]
    return config


def needed(saved: Path) -> list[tuple[str, ...]]:
    """The keys of a config that must be there, which is most of them."""
    config = json.loads((saved / CONFIG).read_text(encoding="utf-8"))
    epoch = [("summary", "best", key) for key in ("epoch", "loss")]
    paths = [
        path
        for path in keys(config)
        if path[0] != "sha256" and path[:2] not in {("summary", "best"), ("program", "names"), ("program", "candidate")}
    ]
    return [*paths, *epoch, ("summary", "best"), ("program", "names")]


def test_each_key_of_the_config_is_needed(saved: Path, model: Path) -> None:
    assert len(needed(saved)) > 40
    for path in needed(saved):
        rewrite(model, lambda config, path=path: at(config, path).pop(path[-1]))
        refusal(model)
        shutil.copy(saved / CONFIG, model)


FREE = {"max_length", "patience", "random_state", "class_weight", "device", "forget_gate", "name", "ricorda_version"}
"""Keys whose values may be of other types or be any text."""


@pytest.mark.parametrize("value", [[1], {"a": 1}, "no", -1], ids=str)
def test_each_value_of_the_config_has_its_type(saved: Path, model: Path, value: Any) -> None:
    for path in needed(saved):
        rewrite(model, lambda config, path=path: at(config, path).update({path[-1]: value}))
        if path[-1] in FREE or (path[0] == "summary" and value == -1):
            outcome(model)
        else:
            refusal(model)
        shutil.copy(saved / CONFIG, model)


def outcome(folder: Path) -> bool:
    """Whether a folder opens, and its model works; if not it must be a sentence that says so."""
    try:
        model = ricorda.load(folder)
    except ModelFolderError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some open, some do not
        return False
    assert model.predict_proba(TEXTS[:1]).shape == (1, len(model.classes_))
    return True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_config_with_anything_anywhere_opens_or_is_refused(saved: Path, model: Path, data: st.DataObject) -> None:
    shutil.copy(saved / CONFIG, model)
    paths = [path for path in keys(json.loads((saved / CONFIG).read_text(encoding="utf-8"))) if path[0] != "sha256"]
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2)):
        value = data.draw(JSON)
        rewrite(model, lambda config, path=path, value=value: at(config, path).update({path[-1]: value}))
        outcome(model)
        shutil.copy(saved / CONFIG, model)


@pytest.mark.parametrize("size", [5_000, 10**9, 10**18, 10**30])
@pytest.mark.parametrize(
    "path",
    [
        ("parameters", "hidden_size"),
        ("parameters", "num_layers"),
        ("parameters", "embedding_size"),
        ("input", "features"),
    ],
    ids=lambda path: path[-1],
)
def test_absurd_sizes_take_no_memory(model: Path, path: tuple[str, ...], size: int) -> None:
    import resource

    rewrite(model, lambda config: at(config, path).update({path[-1]: size}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (WEIGHTS, b"no tensors", "does not write"),
        (WEIGHTS, (10**9).to_bytes(8, "little") + b"{}", "does not write"),
        (WEIGHTS, safetensors.torch.save({}), "weights are not those"),
        (WEIGHTS, safetensors.torch.save({"head.weight": torch.zeros(2, 4)}), "does not hold together"),
        (WEIGHTS, safetensors.torch.save({"head.weight": torch.zeros(2, 4).half()}), "weights are not those"),
        (WEIGHTS, safetensors.torch.save({"head.weight": torch.full((99, 4), torch.nan)}), "holds NaN or infinity"),
        (WEIGHTS, safetensors.torch.save({"head.weight": torch.full((99, 4), -torch.inf)}), "holds NaN or infinity"),
        (TOKENIZER, b"{}", "does not hold together"),
        (TOKENIZER, b"\xff", "does not write"),
        (HISTORY, b"", "holds no epoch"),
        (HISTORY, b"[1]\n", "has \\[1\\] as 'line 1'"),
        (HISTORY, b'{"epoch": 1}\n', "lacks 'line 1.loss'"),
        (HISTORY, b'{"epoch": 1, "loss": 2}\n{"epoch": 2, "loss": "a"}\n', "has 'a' as 'line 2.loss'"),
        (HISTORY, b"no\n", "does not write"),
        (HISTORY, b"[" * 100_000, "does not write"),
    ],
)
def test_files_that_have_their_hash_and_not_their_content_are_refused(
    model: Path, name: str, content: bytes, words: str
) -> None:
    import hashlib

    (model / name).write_bytes(content)
    rewrite(model, lambda config: config["sha256"].update({name: hashlib.sha256(content).hexdigest()}))
    refusal(model)
    with pytest.raises(ModelFolderError, match=words):
        ricorda.load(model)


@pytest.mark.parametrize("change", ["a gap", "no unknown", "no word for the unknown", "marks elsewhere", "a panic"])
def test_a_tokenizer_is_held_before_anything_runs(model: Path, change: str) -> None:
    import hashlib

    content = json.loads((model / TOKENIZER).read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    last = max(vocabulary, key=vocabulary.__getitem__)
    if change == "a gap":
        vocabulary[last] += 1_000
    elif change == "no unknown":
        del vocabulary["<unk>"]
    elif change == "no word for the unknown":
        content["model"] = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "none"}
    elif change == "marks elsewhere":
        vocabulary["<pad>"], vocabulary[last] = vocabulary[last], 0
    else:
        content["model"] |= {"type": "BPE", "continuing_subword_prefix": "x" * 8, "merges": [["a", "b"]]}
    data = json.dumps(content).encode()
    (model / TOKENIZER).write_bytes(data)
    rewrite(model, lambda config: config["sha256"].update({TOKENIZER: hashlib.sha256(data).hexdigest()}))
    assert "the tokenizer" in refusal(model)


def test_layers_are_counted_before_they_are_built(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many small tensors asks for as many layers: each takes more memory than its tensor."""
    import hashlib

    data = safetensors.torch.save({f"w{number}": torch.zeros(1) for number in range(1_000)})
    (model / WEIGHTS).write_bytes(data)
    monkeypatch.setattr(SequenceClassifier, "_network", lambda *_: pytest.fail("it was built"))

    def change(config: dict[str, Any]) -> None:
        config["sha256"][WEIGHTS] = hashlib.sha256(data).hexdigest()
        config["parameters"] |= {"num_layers": 999, "hidden_size": 2}

    rewrite(model, change)
    assert "its weights are not those of 999 layers of 2 units" in refusal(model)


def test_a_program_whose_weights_reach_nothing_is_refused(model: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        program = config["program"]
        old = [value["op"] for value in program["values"]].index("state")
        program["outputs"] = [old] * len(program["outputs"])
        program["names"] |= {value["name"]: old for value in program["values"] if value["op"] == "state"}

    rewrite(model, change)
    assert "reaches no new state" in refusal(model)


def test_a_task_of_another_time_is_refused(model: Path) -> None:
    rewrite(model, lambda config: config.update(task="translate\n"))
    assert r"holds a model for the task 'translate\n', which this ricorda" in refusal(model)
