"""Models as WebAssembly: they say in wasmtime, in Node and in Chromium what they say in Python."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_models import LABELS, TEXTS, series, small
from small_taggers import SENTENCES, TAGS, small_tagger

from ricorda import (
    ArgumentError,
    Forecaster,
    LanguageModel,
    ModelFolderError,
    SequenceClassifier,
    SequenceRegressor,
    affine,
    cell,
    cells,
    export,
    tanh,
)
from ricorda.export.to_wasm.module import custom, sections, signed, size_of_code, unsigned
from ricorda.export.to_wasm.program import NOTE
from ricorda.nn import LSTM, Recurrent
from ricorda.program import functions, symbols
from ricorda.program.cell import Cell

Array = NDArray[Any]


class Run:
    """A module in wasmtime, by nothing but what it tells of itself."""

    def __init__(self, path: Path) -> None:
        wasmtime = pytest.importorskip("wasmtime", reason="wasmtime is not installed")
        content = path.read_bytes()
        engine = wasmtime.Engine()
        module = wasmtime.Module(engine, content)
        assert not module.imports
        self.about = json.loads(custom(content, NOTE))
        self.store = wasmtime.Store(engine)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]

    def step(self, *given: Any) -> Array:
        for part, values in zip(self.about["inputs"], given, strict=True):
            numbers = np.asarray(values, f"<{part['type'][0]}{int(part['type'][1:]) // 8}")
            assert numbers.size == part["size"]
            self.memory.write(self.store, numbers.tobytes(), part["at"])
        self.exports["step"](self.store)
        return self.numbers(self.about["output"])

    def numbers(self, part: dict[str, Any]) -> Array:
        kind = np.dtype("<f8" if part.get("type") == "f64" else "<f4")
        content = self.memory.read(self.store, part["at"], part["at"] + kind.itemsize * part["size"])
        return np.frombuffer(content, kind)

    def reset(self) -> None:
        self.exports["reset"](self.store)

    def last(self, sequence: Sequence[Any]) -> Array:
        """What it says after the last step of a new sequence."""
        self.reset()
        for given in sequence:
            said = self.step(given)
        return said


def written(model: Any, folder: Path) -> Run:
    export.wasm(model, folder / "model.wasm")
    return Run(folder / "model.wasm")


# Layers

CELLS = sorted(name for name, value in vars(cells).items() if isinstance(value, Cell))


@cell(inputs={"gap": 1, "other": "I"}, sizes={"memory": 5}, initial={"h": 0.25})
def everything(x, gap, other, h, memory):  # type: ignore[no-untyped-def]
    """Every operation, other sizes, second inputs, and a state that begins with a number."""
    f, s = functions, symbols
    a, b = affine("a", h, x), affine("b", memory, other)
    waves = f.sin(a) * f.cos(b) + f.sign(a) * f.hard_sigmoid(b) - f.log_sigmoid(a)
    roots = f.safe_sqrt(abs(a) + 1) + f.safe_divide(a, b) * 0.01 + s.sqrt(abs(b)) + s.log(abs(a) + 1.5) + (a % 2.5)
    chosen = f.where(a > b, s.exp(s.minimum(a, 1)), s.softplus(b)) + s.maximum(a, b) + s.relu(a) + (abs(a) + 0.5) ** 1.7
    sums = f.softmax(a) + f.mean(b) * 0.1 + f.largest(a) * 0.1 + f.sum(a >= b) * 0.01
    h = tanh(waves + roots * 0.1 + chosen * 0.1 + sums + gap * 0.1)
    memory = tanh(affine("m", memory, h, size=5))
    return h, memory


def of_layer(layer: Recurrent, run: Run, T: int = 12) -> tuple[Array, Array]:
    """What a module and the layer give, [T, size]."""
    rng = np.random.default_rng(0)
    sizes = {part["name"]: part["size"] for part in run.about["inputs"]}
    given = {name: rng.uniform(0.1, 1, (T, size)).astype(np.float32) for name, size in sizes.items()}
    first, *others = given
    with torch.no_grad():
        beside = {name: torch.from_numpy(given[name])[:, None] for name in others}
        y, _ = layer(torch.from_numpy(given[first])[:, None], inputs=beside)
    ours = np.array([run.step(*(values[t] for values in given.values())) for t in range(T)])
    return ours, y[:, 0].numpy()


@pytest.fixture
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_ENGINE", "reference")  # Nothing is compiled but the module.


@pytest.mark.usefixtures("_reference")
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_computes_the_same(name: str, tmp_path: Path) -> None:
    layer = Recurrent(name, 3, 7)
    run = written(layer, tmp_path)
    ours, theirs = of_layer(layer, run)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    state = next(iter(run.about["states"]))
    assert np.array_equal(run.numbers(state), ours[-1])


@pytest.mark.usefixtures("_reference")
@pytest.mark.parametrize(
    "layer",
    [
        lambda: Recurrent(everything, 3, 6),
        lambda: Recurrent("lstm", 5, 8, num_layers=3, proj_size=3),
        lambda: Recurrent("gru", 1, 1),
        lambda: Recurrent("lstm", 2, 33, layer_norm=True),
        lambda: Recurrent("gru_reset_after", 4, 9, bias=False, zoneout=0.2).eval(),
        lambda: Recurrent("rnn", 130, 70, dtype=torch.float64),
    ],
    ids=["everything", "stacked and projected", "one unit", "layer norm", "zoneout", "float64"],
)
def test_layers_of_all_kinds(layer: Callable[[], Recurrent], tmp_path: Path) -> None:
    made = layer().eval()
    ours, theirs = of_layer(made.float(), written(made, tmp_path))
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def test_the_code_is_small_and_the_module_takes_nothing_from_outside(tmp_path: Path) -> None:
    export.wasm(LSTM(64, 64), tmp_path / "model.wasm")
    content = (tmp_path / "model.wasm").read_bytes()
    assert size_of_code(content) <= 5_000
    assert len(content) <= 5_000 + 4 * (4 * 64 * 129) + 1_000  # code, weights, and what it tells of itself
    assert 2 not in [number for number, _ in sections(content)]  # the section of imports


def test_a_state_is_kept_and_a_new_sequence_begins_anew(tmp_path: Path) -> None:
    layer = Recurrent("lstm", 3, 6)
    run, x = written(layer, tmp_path), np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    whole = [run.step(row) for row in x]
    run.reset()
    assert all(np.array_equal(run.step(row), said) for row, said in zip(x[:3], whole, strict=False))
    at, size = run.about["state"]["at"], run.about["state"]["bytes"]
    kept = run.memory.read(run.store, at, at + size)
    run.step(x[0])
    run.memory.write(run.store, kept, at)
    assert all(np.array_equal(run.step(row), said) for row, said in zip(x[3:], whole[3:], strict=True))


# Models


@pytest.mark.parametrize(("pooling", "wide"), [("last", False), ("mean", True), ("max", True)])
def test_classifiers_of_texts(pooling: str, wide: bool, tmp_path: Path) -> None:
    model = small(pooling=pooling, wide=wide, num_layers=2).fit(TEXTS, LABELS)
    assert bool(model.grams_) == wide
    texts = [*TEXTS[:10], "a word never seen before, a word never seen before", "funny"]
    run = written(model, tmp_path)
    ours = [run.last(tokens.tolist()) for tokens in model._encode(texts)]
    np.testing.assert_allclose(ours, model.predict_proba(texts), rtol=0, atol=1e-6)
    assert run.about["labels"] == ["bad", "good"]
    assert np.array_equal(run.last([10**6, -1]), run.last([1, 1]))  # What is no token is read as unknown.


@pytest.mark.parametrize("cell_name", ["lstm", "gru_d", "cfc_gap"])
def test_classifiers_of_numbers_with_missing_ones_and_elapsed_times(cell_name: str, tmp_path: Path) -> None:
    walks, rises = series(features=3)
    for walk in walks:
        walk[:, 1] = np.abs(walk[:, 1])
    model = small(cell=cell_name, gap=None if cell_name == "lstm" else 1).fit(walks, rises)
    run = written(model, tmp_path)
    tried = [walk.copy() for walk in walks[:6]]
    if cell_name == "gru_d":
        tried[0][0, 2] = tried[1][2, 0] = np.nan
    ours = [run.last(walk) for walk in tried]
    np.testing.assert_allclose(ours, model.predict_proba(tried), rtol=0, atol=1e-6)


def test_regressors(tmp_path: Path) -> None:
    walks, _ = series()
    targets = np.array([[100 + 7 * walk.sum(), walk[0, 0]] for walk in walks])
    model = SequenceRegressor(hidden_size=5, epochs=1, bidirectional=False, random_state=0, device="cpu")
    model.fit(walks, targets)
    run = written(model, tmp_path)
    np.testing.assert_allclose([run.last(walk) for walk in walks], model.predict(walks), rtol=1e-6, atol=1e-6)


def test_taggers(tmp_path: Path) -> None:
    model = small_tagger(bidirectional=False, character_hidden_size=0, crf=False).fit(SENTENCES, TAGS)
    run = written(model, tmp_path)
    known = model.reading_.vocabulary.words
    for words, said in zip(SENTENCES[:4], model.predict_proba(SENTENCES[:4]), strict=True):
        run.reset()
        ids = [known.token_to_id(word.lower()) for word in words]
        np.testing.assert_allclose([run.step(i) for i in ids], said, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_language_models(tied: bool, tmp_path: Path) -> None:
    options: dict[str, Any] = {"hidden_size": 6, "embedding_size": 5, "epochs": 1, "tie_embeddings": tied}
    model = LanguageModel(tokenizer="char", random_state=0, device="cpu", validation_fraction=0.1, **options)
    model.fit("the cat sleeps, the dog barks. " * 40)
    run, ids = written(model, tmp_path), [3, 5, 4, 7, 3]
    network = model.network_.eval()
    with torch.no_grad():
        outputs, _ = network(torch.tensor(ids)[:, None], None)
        theirs = network.output.log_probabilities(outputs[:, 0]).exp().numpy()
    np.testing.assert_allclose([run.step(i) for i in ids], theirs, rtol=0, atol=1e-6)


FORECASTERS: list[dict[str, Any]] = [
    {"head": "point"},
    {"head": "quantile", "patch": 2, "affine": True},
    {"head": "gaussian", "independent": False, "covariates": True},
    {"head": "point", "covariates": True, "num_layers": 2, "normalize": "series"},
    {"head": "quantile", "independent": False, "autoregression": False, "targets": (2, 0), "affine": True},
]


def forecaster(**parameters: Any) -> tuple[Forecaster, Array, Array | None]:
    """A forecaster whose every weight says something, a series, and covariates that go on behind it."""
    rng = np.random.default_rng(0)
    x = 1e4 + np.sin(np.arange(60)[:, None] / [2, 3, 5]) * 4 + rng.normal(size=(60, 3)) / 4
    known = rng.normal(size=(63, 2)) if parameters.pop("covariates", False) else None
    targets = parameters.pop("targets", ())
    sizes: dict[str, Any] = {"hidden_size": 5, "epochs": 1, "context": 8, "horizon": 3, "random_state": 0}
    model = Forecaster(device="cpu", **sizes, **parameters).fit(x, covariates=known, targets=targets)
    with torch.no_grad():
        for weight in model.network_.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return model, x, known


@pytest.mark.parametrize("parameters", FORECASTERS, ids=str)
def test_forecasters(parameters: dict[str, Any], tmp_path: Path) -> None:
    model, x, known = forecaster(**parameters)
    run = written(model, tmp_path)
    beside = [] if known is None else [known[-11:]]
    said = run.step(x[-8:], *beside).reshape(run.about["output"]["shape"])
    forecast = model.forecast(x, covariates=known)
    quantiles = forecast.quantiles if parameters["head"] == "quantile" else forecast.values[..., None]
    np.testing.assert_allclose(said[..., : quantiles.shape[2]], quantiles, rtol=0, atol=2e-5)
    if parameters["head"] == "gaussian":
        steps = (forecast.quantiles - forecast.values[..., None]) / said[..., 1:]
        normal = [NormalDist().inv_cdf(level) for level in model.network_.head.levels]
        np.testing.assert_allclose(steps, np.broadcast_to(normal, steps.shape), rtol=1e-4, atol=1e-6)
    assert run.about["labels"] == list(model.facts_.targets)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(2, 3, bidirectional=True), "both directions"),
        (lambda: small(bidirectional=True).fit(TEXTS, LABELS), "--one-direction"),
        (lambda: small(pooling="attention").fit(TEXTS, LABELS), "--pooling max"),
        (lambda: small_tagger(bidirectional=False, character_hidden_size=0, crf=True).fit(SENTENCES, TAGS), "--no-crf"),
        (lambda: small(), "give a ricorda.nn.Recurrent, or a trained model"),
        (lambda: torch.nn.LSTM(2, 3), "give a ricorda.nn.Recurrent, or a trained model"),
    ],
)
def test_what_has_no_steps_is_refused_with_the_way_out(make: Callable[[], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        export.wasm(make(), tmp_path / "model.wasm")
    assert not list(tmp_path.iterdir())


# Files


def test_the_command_writes_three_files(trained: Path, tmp_path: Path, ricorda_command: Any) -> None:
    done = ricorda_command("export", "wasm", trained / "model", "--out", tmp_path / "out" / "film.wasm")
    assert done.code == 0, done
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film.d.ts", "film.js", "film.wasm"]
    types = (tmp_path / "out" / "film.d.ts").read_text(encoding="utf-8")
    assert "step(token: number): Float32Array;" in types
    assert "@returns 2 numbers: probabilities, together 1" in types


def test_what_cannot_be_written_leaves_nothing_behind(trained: Path, tmp_path: Path, ricorda_command: Any) -> None:
    done = ricorda_command("export", "wasm", trained / "model", "--out", tmp_path / "film.js")
    assert "give a name that ends in .wasm" in done.sentence
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ModelFolderError, match="is a file where a folder is needed"):
        export.wasm(LSTM(2, 3), tmp_path / "file" / "model.wasm")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [0, 1, 63, 64, 127, 128, 8191, 8192, 624485, 2**31 - 1])
def test_numbers_in_leb128(number: int) -> None:
    def read(content: bytes) -> int:
        return sum((byte & 127) << 7 * place for place, byte in enumerate(content))

    assert read(unsigned(number)) == read(signed(number)) == number
    assert not signed(number)[-1] & 64  # The sign is that bit of the last byte.
    assert [byte >> 7 for byte in signed(number)] == [1] * (len(signed(number)) - 1) + [0]


# Node and browsers


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[int]], Array]:
    """A folder with a trained classifier's module, 200 texts as tokens, and their probabilities in Python."""
    folder = tmp_path_factory.mktemp("wasm")
    model = SequenceClassifier(
        hidden_size=16, embedding_size=8, epochs=2, bidirectional=False, random_state=0, device="cpu", min_frequency=1
    )
    words = sorted({word for text in TEXTS for word in text.replace(",", "").split()})
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(200)]
    model.fit(TEXTS, LABELS)
    export.wasm(model, folder / "model.wasm")
    return folder, [tokens.tolist() for tokens in model._encode(texts)], model.predict_proba(texts)


def test_two_hundred_texts_in_wasmtime(classifier: Any) -> None:
    folder, sequences, said = classifier
    run = Run(folder / "model.wasm")
    np.testing.assert_allclose([run.last(tokens) for tokens in sequences], said, rtol=0, atol=1e-5)


SCRIPT = """
const model = await createModel(bytes);
const said = sequences.map((tokens) => Array.from(model.run(tokens)));
model.reset();
model.step(3);
const kept = model.state;
const first = Array.from(model.step(5));
model.step(6);
model.state = kept;
const again = Array.from(model.step(5));
const errors = [];
for (const wrong of [() => model.step(1.5), () => model.step(), () => { model.state = new Uint8Array(3); }]) {
  try { wrong(); } catch (error) { errors.push(`${error.name}: ${error.message}`); }
}
const result = { said, first, again, errors, about: model.about };
"""


def check(result: dict[str, Any], said: Array) -> None:
    np.testing.assert_allclose(result["said"], said, rtol=0, atol=1e-5)
    assert result["first"] == result["again"]
    assert result["errors"][:2] == [
        "TypeError: token is 1.5: give a whole number",
        "TypeError: a step takes token: 1 arguments, not 0",
    ]
    assert "a state of this model is a Uint8Array of" in result["errors"][2]
    assert result["about"]["labels"] == ["bad", "good"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_two_hundred_texts_in_node(classifier: Any) -> None:
    folder, sequences, said = classifier
    shutil.copy(folder / "model.js", folder / "model.mjs")  # Node before 20.19 takes no other name for a module.
    (folder / "run.mjs").write_text(
        'import { readFileSync } from "node:fs";\nimport { createModel } from "./model.mjs";\n'
        'const bytes = readFileSync("model.wasm");\nconst sequences = JSON.parse(readFileSync(0, "utf8"));\n'
        f"{SCRIPT}\nconsole.log(JSON.stringify(result));\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["node", "run.mjs"], cwd=folder, input=json.dumps(sequences), capture_output=True, text=True, check=True
    )
    check(json.loads(done.stdout), said)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "wasm.md").read_text(encoding="utf-8")
    python, script = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("python", "js"))  # type: ignore[index]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(python, names)
    shutil.copy("film.js", "film.mjs")
    Path("run.mjs").write_text(
        script.replace("film.js", "film.mjs") + "console.log(JSON.stringify([...probabilities]));\n", encoding="utf-8"
    )
    done = subprocess.run(["node", "run.mjs"], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(said, names["probabilities"], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of a browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_two_hundred_texts_in_chromium(classifier: Any, page: Any) -> None:
    folder, sequences, said = classifier
    kinds = {".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}

    def serve(route: Any) -> None:
        path = folder / route.request.url.rpartition("/")[2]
        content = b"<!doctype html>" if path.suffix == ".html" else path.read_bytes()
        route.fulfill(body=content, content_type=kinds[path.suffix])

    page.route("http://model.test/**", serve)  # Nothing leaves the machine.
    page.goto("http://model.test/index.html")
    result = page.evaluate(
        'async (sequences) => { const { createModel } = await import("http://model.test/model.js");'
        f' const bytes = fetch("http://model.test/model.wasm");\n{SCRIPT}\nreturn result; }}',
        sequences,
    )
    check(result, said)
