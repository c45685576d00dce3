"""The options of a cell: given in Python, in words and in files; kept, printed, pickled, or refused in one sentence."""

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from sklearn.base import clone
from small_models import LABELS, TEXTS, small

import ricorda
from ricorda import ArgumentError, Cell, CellError, affine, cell, cells, tanh
from ricorda.catalogue import CELLS, as_cell, find_cell, split_names
from ricorda.insight.comparison.view import programs_of
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.show import equations
from ricorda.tasks.cells import cell_of


@cell(paper="none")
def leaky(x, h, *, rate=0.25, depth=1, kind="tanh", kept=True):
    """A cell with an option of each kind."""
    new = h
    for number in range(depth):
        new = affine(f"h{number}", new, x)
        new = tanh(new) if kind == "tanh" else new
    return (1 - rate) * h + rate * new if kept else rate * new


@cell
def outer(x, h):
    return leaky(x, leaky(rate=0.5)(x, h, depth=2, kind="linear"), depth=0, kind="linear", rate=0.75)


def constants(program: Program) -> list[float]:
    return [value.number for value in program.values if value.op == "constant"]


def test_options_have_defaults_and_others_make_another_cell() -> None:
    assert leaky.options == {"rate": 0.25, "depth": 1, "kind": "tanh", "kept": True}
    changed = leaky(rate=1, depth=np.int64(2))(kept=np.bool_(False))
    assert changed.options == {"rate": 1.0, "depth": 2, "kind": "tanh", "kept": False}
    assert [type(value) for value in changed.options.values()] == [float, int, str, bool]
    assert len(changed.program.affines) == 2
    assert constants(changed.program) == [1.0]
    assert constants(leaky.program) == [0.75, 0.25]
    assert changed.paper == "none"
    assert leaky() is leaky
    assert cells.lstm.options == {}
    assert leaky(rate=np.float32(0.5)) == leaky(rate=0.5) == leaky(rate=torch.tensor(0.5))
    assert hash(leaky(rate=0.5)) == hash(leaky(rate=0.5))


def test_only_what_differs_from_the_defaults_is_in_the_name() -> None:
    assert leaky.program.title == "leaky"
    assert leaky(rate=0.5)(rate=0.25) == leaky
    assert leaky(rate=0.25).program == leaky.program
    assert leaky(kind="linear", rate=0.5).program.title == "leaky(rate=0.5, kind='linear')"
    assert leaky(rate=0.5).program.name == "leaky"
    assert repr(leaky) == "<cell leaky>"
    assert repr(leaky(rate=0.5)) == "<cell leaky(rate=0.5)>"
    assert repr(Recurrent(leaky(rate=0.5), 2, 3)) == "Recurrent(leaky(rate=0.5), 2, 3)"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rat": 0.5}, "cell leaky has no option rat: did you mean rate? Its options are rate=0.25, depth=1"),
        ({"size": 2}, "cell leaky has no option size: its options are rate=0.25, depth=1, kind='tanh', kept=True"),
        ({"rate": "much"}, "option rate of cell leaky is 'much': give a finite number (its options are rate=0.25"),
        ({"rate": True}, "option rate of cell leaky is True: give a finite number"),
        ({"rate": math.inf}, "option rate of cell leaky is inf: give a finite number"),
        ({"rate": math.nan}, "option rate of cell leaky is nan: give a finite number"),
        ({"rate": np.float64("-inf")}, "option rate of cell leaky is -inf: give a finite number"),
        ({"rate": 10**400}, "give a finite number"),
        ({"rate": None}, "option rate of cell leaky is None: give a finite number"),
        ({"rate": [1.0]}, "option rate of cell leaky is [1.0]: give a finite number"),
        ({"depth": 1.5}, "option depth of cell leaky is 1.5: give a whole number"),
        ({"depth": "2"}, "option depth of cell leaky is '2': give a whole number"),
        ({"kind": 3}, "option kind of cell leaky is 3: give a text"),
        ({"kept": 1}, "option kept of cell leaky is 1: give True or False"),
    ],
)
def test_a_wrong_option_is_refused_with_those_there_are(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        leaky(**options)
    assert says in str(raised.value)
    with pytest.raises(ArgumentError) as raised:
        partial(leaky, **options)()
    assert says in str(raised.value)


def test_an_option_of_a_cell_without_any_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^cell lstm has no option rate: it has none, so leave it out$"):
        cells.lstm(rate=0.5)


def test_a_cell_inside_another_has_its_options() -> None:
    assert constants(outer.program) == [0.5, 0.5, 0.25, 0.75]
    assert [outer.program.values[index].name for index in outer.program.affines] == ["h0", "h1"]

    @cell
    def wrong(x, h):
        return leaky(x, h, rat=0.5)

    with pytest.raises(CellError, match=r"`leaky\(x, h, rat=0.5\)`: cell leaky has no option rat: did you mean rate"):
        _ = wrong.program


class Leaky:
    """A cell that is an object."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, x: Any, h: Any, *, depth: int = 1) -> Any:
        """The object's equations."""
        return leaky.function(x, h, rate=self.rate, depth=depth)

    def step(self, x: Any, h: Any) -> Any:
        """The object's equations, by another name."""
        return self(x, h, depth=2)


def turned(depth: int, x: Any, h: Any) -> Any:
    return leaky(x, h, depth=depth)


@pytest.mark.parametrize(
    ("given", "title", "affines"),
    [
        (partial(leaky, depth=2), "leaky(depth=2)", 2),
        (partial(leaky.function, depth=2), "leaky(depth=2)", 2),
        (partial(partial(leaky.function, depth=3), depth=2), "leaky(depth=2)", 2),
        (partial(leaky.function, depth=1), "leaky", 1),
        (partial(turned, 2), "turned", 2),
        (Leaky(0.5), "Leaky", 1),
        (Cell(Leaky(0.5))(depth=3), "Leaky(depth=3)", 3),
        (Leaky(0.5).step, "step", 2),
        (partial(Leaky(0.5), depth=2), "Leaky(depth=2)", 2),
    ],
)
def test_partials_methods_and_objects_are_cells(given: Callable[..., Any], title: str, affines: int) -> None:
    program = Recurrent(given, 2, 3).program
    assert (program.title, len(program.affines)) == (title, affines)
    assert as_cell(given).program == program
    assert as_cell(given).name == program.name
    assert clone(ricorda.SequenceClassifier(given)).cell is not None


def test_an_object_that_is_a_cell_tells_what_it_is() -> None:
    assert Cell(Leaky(0.5)).summary == "The object's equations."


def test_a_cell_is_pickled_by_its_name_with_its_options() -> None:
    for one in (leaky, leaky(rate=0.5), leaky(rate=0.5, depth=2)):
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert again.function is leaky.function
        assert again.program == one.program
    assert pickle.loads(pickle.dumps(leaky)) is leaky
    assert len(pickle.dumps(leaky(rate=0.5))) < 200


@pytest.mark.parametrize(
    "name",
    ["plain", "plain(rate=0.25)", "make", "make(depth=2)", "make(depth=2, kind='b')", "need(depth=2)"],
)
def test_a_cell_of_a_file_is_pickled_by_its_place(name: str, tmp_path: Path) -> None:
    file = tmp_path / "own cells.py"
    file.write_text(OWN, encoding="utf-8")
    one = find_cell(f"{file}:{name}")
    again = pickle.loads(pickle.dumps(one))
    assert (again.program, repr(again)) == (one.program, repr(one))
    if name.startswith("make"):
        one = one(rate=0.125)
        assert pickle.loads(pickle.dumps(one)).program == one.program
    elsewhere = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).program.title)"
    (tmp_path / "pickle").write_bytes(pickle.dumps(one))
    if name == "make(depth=2)":  # Another process has not run the file.
        done = subprocess.run([sys.executable, "-c", elsewhere, tmp_path / "pickle"], capture_output=True, text=True)
        assert done.stdout.strip() == one.program.title, done.stderr
    kept = pickle.dumps(one)
    file.unlink()
    with pytest.raises(ArgumentError, match=r"there is no file '.*own cells.py' to take a cell from"):
        pickle.loads(kept)


def test_a_program_keeps_its_options() -> None:
    program = leaky(rate=0.5, kind="linear").program
    written = json.loads(json.dumps(program.to_json()))
    assert written["options"] == {"rate": 0.5, "kind": "linear"}
    assert Program.from_json(written) == program
    assert "options" not in leaky.program.to_json()
    for damaged in ({"rate": None}, {"rate": math.inf}, {"a b": 1}, {"rate": [1]}, [1], 3):
        with pytest.raises(CellError, match="the saved program of a cell is damaged"):
            Program.from_json({**written, "options": damaged})


OWN = """from ricorda import affine, cell, tanh


def plain(x, h, *, rate=0.5):
    return rate * tanh(affine("h", h, x))


def make(depth=3, *, kind="a"):
    @cell(paper="mine")
    def deep(x, h, *, rate=0.5):
        for number in range(depth):
            h = rate * tanh(affine(f"h{number}", h, x))
        return h

    return deep


def need(depth):
    return make(depth).function


def number(depth=1):
    return depth


def fails(depth=1):
    return 1 / 0
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder (1, 2)"
    folder.mkdir()
    file = folder / "own.py"
    file.write_text(OWN, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("word", "title", "affines"),
    [
        ("plain", "plain", 1),
        ("plain( rate = -1 )", "plain(rate=-1.0)", 1),
        ("make", "deep", 3),
        ("make()", "deep", 3),
        ("make(depth=3)", "deep", 3),
        ("make(depth=2)", "deep(depth=2)", 2),
        ("make(depth=2, kind='b,(')", "deep(depth=2, kind='b,(')", 2),
        ("need(depth=1)", "deep(depth=1)", 1),
    ],
)
def test_options_in_words(own: Path, word: str, title: str, affines: int) -> None:
    program = find_cell(f"{own}:{word}").program
    assert (program.title, len(program.affines)) == (title, affines)
    assert Recurrent(f"{own}:{word}", 2, 3).program == program


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("plain(rat=1)", "cell plain has no option rat: did you mean rate? Its options are rate=0.5"),
        ("plain(rate='a')", "option rate of cell plain is 'a': give a finite number"),
        ("plain(rate=1e999)", "a value that is no finite number, no text in quotes, and not True or False: write opt"),
        ("plain(rate=a)", "gives rate a value that is no finite number"),
        ("plain(rate=__import__('os'))", "gives rate a value that is no finite number"),
        ("plain(rate=[1])", "gives rate a value that is no finite number"),
        ("plain(rate=" + "-" * 10_000 + "1)", ""),
        ("plain(rate=" + "(" * 10_000 + ")", "cannot be read: write options as"),
        ("plain(0.5)", "has values without names: write options as"),
        ("plain(rate=1)(2)", "has values without names: write options as"),
        ("plain(rate=)", "cannot be read: write options as"),
        ("plain(rate=1, rate=2)", "gives rate twice or without a name"),
        ("plain(**rate)", "gives options as ** twice or without a name"),
        ("plain(rate=1", "defines no cell 'plain(rate=1'"),
        ("make(deth=2)", "cell make has no option deth: did you mean depth? Its options are depth=3, kind='a'"),
        ("make(depth=2.5)", "option depth of cell make is 2.5: give a whole number"),
        ("need(deth=2)", "cell need has no option deth: did you mean depth?"),
        ("number(depth=2)", "gives 2, which is no cell: let it return a cell or a cell's function"),
        ("fails", "fails (ZeroDivisionError: division by zero): mend it first"),
    ],
)
def test_a_mistake_in_words_is_told_in_one_sentence(own: Path, word: str, says: str) -> None:
    with pytest.raises((ArgumentError, CellError)) as raised:
        find_cell(f"{own}:{word}")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_built_in_cells_have_no_options_yet_and_say_so() -> None:
    assert find_cell("lstm()") is cells.lstm
    with pytest.raises(ArgumentError, match="cell lstm has no option dt"):
        find_cell("lstm(dt=0.5)")
    with pytest.raises(ArgumentError, match=r"there is no cell 'lstn\(dt=0.5\)': did you mean 'lstm'\?"):
        find_cell("lstn(dt=0.5)")


def test_commas_of_options_do_not_part_names() -> None:
    assert split_names("a(dt=1, k=2),b , c.py:d(k='x')") == ["a(dt=1, k=2)", "b", "c.py:d(k='x')"]
    assert split_names("a,,b") == ["a", "", "b"]


def test_a_cell_of_the_catalogue_is_saved_as_its_name_with_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "leaky", leaky)
    program = leaky(rate=0.5).program
    assert cell_of(program) == "leaky(rate=0.5)"
    assert find_cell("leaky(rate=0.5)").program == program
    assert cell_of(leaky(rate=0.5, kind="linear").program) == "leaky(rate=0.5, kind='linear')"
    other = Program.from_json({**program.to_json(), "options": {"rate": 0.75}})
    assert cell_of(other) is other
    unknown = Program.from_json({**program.to_json(), "options": {"speed": 0.5}})
    assert cell_of(unknown) is unknown


@pytest.mark.parametrize("name", [name for name, one in CELLS.items() if one.options])
def test_every_option_of_the_catalogue_is_read_kept_and_pickled(name: str) -> None:
    for option, value in CELLS[name].options.items():
        if isinstance(value, bool | str):
            continue
        changed = CELLS[name](**{option: value + 1 if isinstance(value, int) else 0.99 * value or 0.01})
        assert changed.program.title == f"{name}({option}={changed.options[option]!r})"
        assert find_cell(changed.program.title) == changed
        assert cell_of(changed.program) == changed.program.title
        assert pickle.loads(pickle.dumps(changed)) == changed


def test_one_cell_with_several_options_is_compared() -> None:
    assert [program.title for program in programs_of([leaky, leaky(rate=0.5)])] == ["leaky", "leaky(rate=0.5)"]
    with pytest.raises(ArgumentError, match=r"cells has leaky\(rate=0.5\) twice"):
        programs_of([leaky(rate=0.5), leaky(rate=0.5)])


def test_a_model_keeps_the_options_of_its_cell(tmp_path: Path) -> None:
    model = small(cell=leaky(rate=0.5)).fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert again.program_.options == (("rate", 0.5),)
    assert np.array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert "leaky(rate=0.5)" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_commands_take_options(own: Path, ricorda_command: Command) -> None:
    shown = ricorda_command("cells", f"{own}:make(depth=2)(rate=0.25)")
    assert shown.code == 2
    shown = ricorda_command("cells", f"{own}:plain(rate=0.25)")
    assert "plain(rate=0.25)" in shown.out
    assert "rate=0.25" in shown.out
    facts = json.loads(ricorda_command("cells", f"{own}:plain(rate=0.25)", "--json").out)
    assert facts["options"] == {"rate": 0.25}
    assert facts["equations"] == equations(find_cell(f"{own}:plain(rate=0.25)").program)
    flows = ricorda_command(
        *("inspect", "gradients", "--cells", f"{own}:make(depth=1),{own}:make(depth=2, kind='b')", "--json"),
        *("--steps", 5, "--rows", 2, "--hidden-size", 4),
    )
    assert [flow["cell"] for flow in json.loads(flows.out)] == ["deep(depth=1)", "deep(depth=2, kind='b')"]
    wrong = ricorda_command("inspect", "unroll", "--cell", f"{own}:plain(rat=1)", "--inputs", "1,2")
    assert wrong.code == 2
    assert "cell plain has no option rat: did you mean rate?" in wrong.err
