"""`ricorda train forecast`, and predict and evaluate with its model."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from command_line import Command, files

import ricorda
from ricorda import Forecaster
from ricorda.data.clock import Clock
from ricorda.data.series import read_series
from ricorda.tasks.forecast.result import Forecast
from ricorda.tasks.pictures import as_png

OPTIONS = ["--hidden-size", "4", "--epochs", "2", "--device", "cpu", "--context", "12", "--horizon", "3"]
QUANTILES = ["--head", "quantile", "--quantiles", "0.05,0.5,0.95"]


def table(first: int = 0, length: int = 120, *, future: int = 0, without: tuple[int, ...] = ()) -> str:
    """Hours from the first of January: a wave, another one, and what is known beforehand; a missing value at 7."""
    rows = ["date,a,b,holiday"]
    for hour in range(first, first + length):
        date = f"2024-01-{hour // 24 + 1:02d} {hour % 24:02d}:00"
        a, b = f"{math.sin(hour / 4) + hour % 3:.4f}", f"{-5 + math.cos(hour / 3):.4f}"
        if hour >= first + length - future:
            a = b = ""
        if hour not in without:
            rows.append(f"{date},{'' if hour == 7 else a},{b},{int(hour % 10 == 0)}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on both variables, with bands; not to be changed."""
    folder = tmp_path_factory.mktemp("forecaster")
    (folder / "data.csv").write_text(table(), encoding="utf-8")
    series = read_series(folder / "data.csv", time="date", variables=["a", "b"], targets=["a", "b"])
    sizes = {"hidden_size": 4, "epochs": 2, "context": 12, "horizon": 3, "device": "cpu", "random_state": 0}
    Forecaster(head="quantile", **sizes).fit(series).save(folder / "model")
    return folder / "model"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(table(), encoding="utf-8")
    (tmp_path / "new.csv").write_text(table(120, 60), encoding="utf-8")
    return tmp_path


def test_it_trains_says_what_was_filled_in_and_prints_the_errors_beside_the_baselines(
    ricorda_command: Command, here: Path
) -> None:
    (here / "gaps.csv").write_text(table(without=(30, 31, 50)), encoding="utf-8")
    trained = ricorda_command(
        "train", "forecast", "gaps.csv", "--time", "date", "--target", "a", "--out", "model", *OPTIONS, *QUANTILES
    )
    assert trained.code == 0, trained
    assert trained.err.splitlines()[:2] == [
        "gaps.csv: 3 rows missing at steps of 1 hour: added (at most 2 in a row, after 2024-01-02 05:00:00)",
        "gaps.csv: column 'a' lacks 4 values: filled in with the last one before",
    ]
    assert "Errors of the next 3 steps in the validation, in standard deviations of the training" in trained.out
    for words in ("MAE", "MSE", "MASE", "pinball", "in the band", "the model", "repeat the last value", "last season"):
        assert words in trained.out
    facts = ricorda.load("model").facts_
    assert (facts.names, facts.targets, facts.time, facts.season) == (("a",), ("a",), "date", 24)
    points = ricorda_command("train", "forecast", "data.csv", "--time", "date", "--out", "points", *OPTIONS)
    assert "MASE" in points.out
    assert "pinball" not in points.out
    assert ricorda.load("points").facts_.targets == ("a", "b", "holiday")


def test_it_goes_on_from_the_training_or_from_a_file(ricorda_command: Command, here: Path, model: Path) -> None:
    printed = ricorda_command("predict", model).out
    for words in ("date", "a 0.1", "b 0.9", "2024-01-06 00:00:00", "2024-01-06 02:00:00", "│ -5."):
        assert words in printed
    lines = [json.loads(line) for line in ricorda_command("predict", model, "--json").out.splitlines()]
    forecast = ricorda.load(model).forecast()
    assert [line["time"] for line in lines] == list(forecast.times)
    assert [line["variables"]["b"]["value"] for line in lines] == forecast.values[:, 1].tolist()
    for line in lines:
        quantiles = line["variables"]["a"]["quantiles"]
        assert list(quantiles) == ["0.1", "0.5", "0.9"]
        assert quantiles["0.1"] <= quantiles["0.5"] == line["variables"]["a"]["value"] <= quantiles["0.9"]
    other = ricorda_command("predict", model, "--file", "new.csv", "--horizon", "2", "--json").out.splitlines()
    assert [json.loads(line)["time"] for line in other] == ["2024-01-08 12:00:00", "2024-01-08 13:00:00"]
    shown = ricorda_command("predict", model, "--file", "data.csv", "--json")
    assert shown.err == "data.csv: column 'a' lacks 1 value: filled in with the last one before\n"
    assert [json.loads(line) for line in shown.out.splitlines()] == lines


def test_an_evaluation_is_a_back_test(ricorda_command: Command, here: Path, model: Path) -> None:
    told = json.loads(ricorda_command("evaluate", model, "new.csv", "--stride", "5", "--json").out)
    assert (told["forecasts"], told["horizon"], told["season"]) == (7, 3, 24)  # the first after a season
    series = read_series("new.csv", time="date", variables=["a", "b"])
    assert told == ricorda.load(model).backtest(series, stride=5).to_json()
    printed = ricorda_command("evaluate", model, "new.csv", "--horizon", "1").out
    for words in ("36", "Errors of a, in its own units", "Errors of b, in its own units", "repeat the last season"):
        assert words in printed


def test_what_is_known_of_the_future_is_kept_for_it(ricorda_command: Command, here: Path) -> None:
    (here / "data.csv").write_text(table(future=4), encoding="utf-8")
    arguments = ["train", "forecast", "data.csv", "--time", "date", "--target", "a", "--covariate", "holiday"]
    trained = ricorda_command(*arguments, *OPTIONS, "--out", "model")
    assert trained.code == 0, trained
    assert "data.csv: the last 4 rows hold covariates alone: the future\n" in trained.err
    lines = ricorda_command("predict", "model", "--json").out
    assert json.loads(lines.splitlines()[0])["time"] == "2024-01-05 20:00:00"
    assert ricorda_command("predict", "model", "--file", "data.csv", "--json").out == lines
    assert ricorda_command("predict", "model", "--file", "new.csv").sentence == (
        "new.csv has 0 steps of covariates after its end, and a forecast needs 3 of holiday: add them"
    )


def test_another_file_and_the_numbers_as_they_are(ricorda_command: Command, here: Path) -> None:
    arguments = ["train", "forecast", "data.csv", "--target", "a", "--target", "b", "--valid", "new.csv"]
    others = ["--normalize", "none", "--together", "--no-autoregression", "--json"]
    trained = ricorda_command(*arguments, *OPTIONS, *others, "--out", "model")
    told = json.loads(trained.out)
    assert told["validation_examples"] == 60 - 24 - 3 + 1  # The dates say that a season is 24 hours.
    assert set(told["validation_errors"]) == {"model", "repeat_last", "repeat_season"}
    model = ricorda.load("model")
    assert (model.normalize, model.independent, model.autoregression) == (None, False, False)
    assert model.facts_.inputs == ("a", "b", "holiday")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["train", "--target", "c"],
            "data.csv has no column 'c': choose one of 'date', 'a', 'b', 'holiday' with --target",
        ),
        (
            ["train", "--time", "day"],
            "data.csv has no column 'day': choose one of 'date', 'a', 'b', 'holiday' with --time",
        ),
        (
            ["train", "--covariate", "c"],
            "data.csv has no column 'c': choose one of 'date', 'a', 'b', 'holiday' with --cov",
        ),
        (["train", "--target", "date"], "row 2 of data.csv, column 'date', has '2024-01-01 00:00', which is no number"),
        (["train", "--time", "a"], "row 9 of data.csv, column 'a', has no date: fill it in or leave the row out"),
        (
            ["train", "--quantiles", "a,b"],
            "--quantiles is 'a,b': give numbers with commas between them, as 0.1,0.5,0.9",
        ),
        (["train", "--quantiles", "0.1"], "--quantiles is [0.1]: give rising numbers between 0 and 1, with 0.5 among"),
        (["train", "--head", "both"], "--head is 'both': give one of point, quantile, gaussian"),
        (["train", "--patch", "5"], "--context is 12: give a multiple of the patch, 5"),
        (["train", "--horizon", "200"], "data.csv has 120 steps, too few for a context of 12 and the 200 after it"),
        (["predict", "MODEL", "hello"], "'hello' is given, and a forecaster reads a table: name it by --file"),
        (["predict", "MODEL", "--file", "short.csv"], "short.csv has 9 steps, and a forecast is made from 12: give a"),
        (
            ["predict", "MODEL", "--file", "other.csv"],
            "other.csv has no column 'date': give a table that has it, or re",
        ),
        (
            ["predict", "MODEL", "--file", "days.csv"],
            "row 3 of days.csv, column 'date', has 2024-01-02, 24 st",
        ),
        (
            ["predict", "MODEL", "--horizon", "9"],
            "--horizon is 9, and the model gives 3 steps, which cannot be fed back",
        ),
        (["evaluate", "MODEL", "short.csv"], "short.csv has 9 steps, too few to read 24 and forecast 3: give more"),
        (["evaluate", "MODEL", "new.csv", "--stride", "0"], "--stride is 0: give a whole number of at least 1"),
        (
            ["predict", "MODEL", "--beam-size", "3"],
            "--beam-size is no option for a model of the task 'forecast': leave",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    ricorda_command: Command, here: Path, model: Path, arguments: list[str], sentence: str
) -> None:
    (here / "short.csv").write_text(table(20, 9), encoding="utf-8")
    (here / "other.csv").write_text("day,a,b\n1,2,3\n", encoding="utf-8")
    (here / "days.csv").write_text(
        "date,a,b\n" + "".join(f"2024-01-{day:02d},{day},1\n" for day in range(1, 30)), encoding="utf-8"
    )
    before = files(here)
    if arguments[0] == "train":
        arguments = ["train", "forecast", "data.csv", "--out", "m", *OPTIONS, *arguments[1:]]
    done = ricorda_command(*(str(model) if each == "MODEL" else each for each in arguments))
    *notes, last = done.err.splitlines()
    assert (done.code, done.out) == (2, ""), done
    assert last.startswith(f"error: {sentence}")
    assert all(note.startswith("data.csv: column '") for note in notes)
    assert files(here) == before


def test_a_model_of_several_series_goes_on_from_a_file_alone(ricorda_command: Command, here: Path) -> None:
    parts = [read_series(name, time="date", variables=["b"]) for name in ("data.csv", "new.csv")]
    Forecaster(hidden_size=4, epochs=1, context=4, random_state=0, device="cpu").fit(parts).save("model")
    assert ricorda_command("predict", "model").sentence == (
        "the model was trained on several series: name the one to go on from by --file"
    )
    assert "2024-01-08 12:00:00" in ricorda_command("predict", "model", "--file", "new.csv").out


# The picture


BLUE, ORANGE = np.array([0x00, 0x72, 0xB2]) / 255, np.array([0xD5, 0x5E, 0x00]) / 255
BAND = 1 - 0.25 * (1 - ORANGE)


def pixels(picture: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(picture))[..., :3]


def count(picture: np.ndarray, colour: np.ndarray) -> int:
    return int((np.abs(picture - colour).max(-1) < 0.02).sum())


def test_a_picture_is_written(ricorda_command: Command, here: Path, model: Path) -> None:
    assert ricorda_command("predict", model, "--picture", "pictures/forecast.png").code == 0
    written = (here / "pictures" / "forecast.png").read_bytes()
    assert written == as_png(ricorda.load(model).forecast().plot())
    picture = pixels(written)
    assert picture.shape[1] == 1200
    assert 600 < picture.shape[0] < 900  # two panels
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge == 1).all()  # nothing is cut


def drawn(steps: int, levels: tuple[float, ...] = (), *, variables: int = 1, wide: float = 4.0) -> Forecast:
    """A forecast of noughts after a wave, with bands from -wide to wide."""
    bands = np.linspace(-wide, wide, len(levels)) if levels else None
    quantiles = None if bands is None else np.broadcast_to(bands, (steps, variables, len(levels)))
    history = np.sin(np.arange(30.0))[:, None].repeat(variables, 1)
    names = tuple(f"y{number}" for number in range(variables))
    return Forecast(np.zeros((steps, variables)), quantiles, levels, names, history, Clock(31))


def test_a_picture_shows_what_came_the_forecast_and_its_band() -> None:
    wide = pixels(as_png(drawn(10, (0.1, 0.5, 0.9)).plot()))
    narrow = pixels(as_png(drawn(10, (0.1, 0.5, 0.9), wide=0.04).plot()))
    assert min(count(wide, BLUE), count(wide, ORANGE)) > 300
    panel = (wide.shape[0] - 150) * 1100  # about; the forecast is a quarter of its width, the band all of its height
    assert count(wide, BAND) > panel / 6
    assert count(narrow, BAND) < panel / 50


def test_any_forecast_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.tasks.forecast.pictures.MOST", 2)
    strange = replace(drawn(2), names=("price in $ and " + "long " * 20,), time="$t", clock=Clock(5, "number", 5))
    for forecast in (drawn(1, (0.5, 0.9)), drawn(50), drawn(2, (0.5,), variables=3), strange):
        assert pixels(as_png(forecast.plot())).shape[1] == 1200


def test_what_is_printed_says_what_it_is(ricorda_command: Command, here: Path) -> None:
    options = ["--season", "1", "--horizon", "1", "--hidden-size", "2", "--epochs", "1", "--context", "4"]
    trained = ricorda_command("train", "forecast", "data.csv", "--target", "a", "--out", "model", *options)
    assert trained.code == 0, trained
    assert "data.csv: column 'date' holds dates: they are the times of the rows" in trained.err
    errors = trained.out[trained.out.index("Errors of the next step") :]
    assert "repeat the last value" in errors
    assert "season" not in trained.out  # of one step is the last value
    assert "season" not in ricorda_command("evaluate", "model", "data.csv").out
    assert "season" not in Path("model/README.md").read_text(encoding="utf-8")
    assert "The next step, after 2024-01-05 23:00:00: the forecast\n" in ricorda_command("predict", "model").out
    told = ricorda_command("info", "model").out
    for words in ("gru", "1 hour", "before 2024-01-06 00:00:00"):
        assert words in told
    for words in ("microsecond", "scale", "utc", "units", "deviations"):
        assert words not in told
    kept = ricorda_command("inspect", "memory", "model").out
    assert "what is left of each step at the end" in kept
    assert not any(words in kept for words in ("word", "token"))
    gates = ricorda_command("inspect", "gates", "model").out
    assert "over the series" in gates
    assert not any(words in gates for words in ("word", "text", "quotation"))
    assert ricorda_command("inspect", "memory", "model", "--html", "page.html").code == 0
    page = (here / "page.html").read_text(encoding="utf-8")
    assert "Memory of a series" in page
    assert "Point at a step." in page
    assert "Point at a word" not in page
