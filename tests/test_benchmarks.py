"""The benchmark's arithmetic, its order of runs, and that every contender computes the same. No claim about time."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cells_compared
import cells_speed
import numpy as np
import pytest
import torch
from bench import arguments
from cases import GATES, Case, grid
from compiled import Loop
from custom import CELLS, TORCHRECURRENT, check_outputs, copy_weights, with_equal_weights
from measure import Plan, interleave, interleave_steps, percentile, quartiles
from options import OPTIONS, PLAIN, knows
from peak import Peak
from peers import contenders, torch_nn
from pictures import draw
from problem import JAX, ONNX, OURS, TORCH, Problem, Runs, WrongResultError, check, module_runs, our_layer
from report import Run, as_json, markdown, page, write_json
from rows import Row, Settings, duration
from summary import best_peer, geometric_mean, gflops, means, ratio, targets
from tables import Table

import ricorda

SMALL = [Case(cell, B=2, H=8, T=4) for cell in GATES]
ODD = [
    Case("LSTM", B=3, H=5, T=4, input_size=2, layers=2, directions=2),
    Case("GRU reset-before", B=3, H=5, T=4, input_size=2, directions=2),
]


class Clock:
    """Time that passes only when a contender says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def contender(self, name: str, *seconds: float) -> Callable[[], None]:
        """Takes these seconds in turn, the last one ever after."""
        left = list(seconds)

        def call() -> None:
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def row(section: str, case: Case, mode: str = "training", **seconds: float) -> Row:
    names = {"ours": OURS, "torch": TORCH, "jax": JAX, "onnx": ONNX}
    times = {names[name]: value for name, value in seconds.items()}
    return Row(section, case.label, times, {"flops": case.flops(mode), "case": asdict(case), "absent": {}})


def test_the_products_of_a_case_are_counted() -> None:
    assert Case("RNN", B=1, H=1, T=1).forward_flops == 2 * 2
    assert Case("LSTM", B=64, H=512, T=100).forward_flops == 2 * 100 * 64 * 2048 * 1024
    assert Case("GRU", B=3, H=10, T=5).flops("training") == 3 * 2 * 5 * 3 * 30 * 20
    assert Case("GRU", B=3, H=10, T=5).flops("inference") == 2 * 5 * 3 * 30 * 20


def test_layers_above_the_first_read_both_directions() -> None:
    case = Case("RNN", B=7, H=100, T=33, input_size=37, layers=2, directions=2)
    assert case.forward_flops == 2 * (2 * 33 * 7 * 100 * (37 + 100)) + 2 * (2 * 33 * 7 * 100 * (200 + 100))


def test_every_case_of_the_grid_has_its_own_label() -> None:
    labels = [case.label for case in grid(quick=False)]
    assert len(set(labels)) == len(labels) == 4 * 7


def test_the_geometric_mean_of_made_up_ratios() -> None:
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert math.isnan(geometric_mean([]))


def test_a_ratio_is_the_fastest_peer_s_time_over_ours() -> None:
    found = row("inference", SMALL[0], ours=2.0, torch=8.0, jax=6.0, onnx=4.0)
    assert best_peer(found, (TORCH, JAX)) == (JAX, 6.0)
    assert ratio(found, (TORCH, JAX)) == 3.0
    assert ratio(found, (TORCH, JAX, ONNX)) == 2.0
    assert ratio(row("inference", SMALL[0], ours=2.0), (TORCH, JAX)) is None
    assert ratio(row("inference", SMALL[0], torch=2.0), (TORCH, JAX)) is None


def test_means_take_each_mode_s_own_peers() -> None:
    rows = [
        row("training", SMALL[0], ours=1.0, torch=4.0, jax=2.0, onnx=0.1),  # ONNX Runtime does not train
        row("training", SMALL[1], ours=1.0, torch=8.0, jax=16.0),
        row("inference", SMALL[0], "inference", ours=1.0, torch=4.0, jax=9.0, onnx=3.0),
        row("sweep", SMALL[0], ours=1.0, torch=0.01, jax=0.01),
    ]
    assert list(means(rows).values()) == pytest.approx([4.0, math.sqrt(32.0), 3.0])


def test_speed_is_products_over_time() -> None:
    case = Case("LSTM", B=64, H=512)
    found = row("training", case, ours=0.5)
    assert gflops(found) == pytest.approx(case.flops("training") / 0.5e9)
    assert gflops(found, TORCH) is None


def test_figures_are_the_worst_of_their_rows() -> None:
    big = Case("LSTM", B=64, H=512)
    peak = 4 * big.flops("training") / 1e9
    streaming = row("streaming", Case("GRU", B=1, H=64, T=1), ours=2e-6)
    streaming.facts["p99"] = {OURS: 8e-6}
    rows = [
        row("training", big, ours=0.5, torch=2.0, jax=1.0),
        row("training", SMALL[0], ours=1.0, torch=0.9, jax=2.0),
        row("inference", big, "inference", ours=1.0, torch=0.96, jax=2.0),
        streaming,
        Row("own cells", "MGU", {OURS: 1.0, TORCHRECURRENT: 6.0}),
        Row("own cells", "LSTM rewritten", {OURS: 1.2, "built-in": 1.0}),
        Row("options", "LSTM", {PLAIN: 1.0, "layer norm": 1.08, "record": 3.0, "gradient norms": 1.02}),
        Row("options", "GRU forms", {"GRU": 1.0, "GRU reset-before": 1.3}),
        Row("precision", "LSTM", {"float32": 3.0, "bf16": 2.0}),
        Row("int8", "LSTM", {OURS: 1.0, "float32": 3.0, TORCH: 2.0, ONNX: 1.1}),
        Row("memory", "LSTM", facts={"bytes": {OURS: 3e8, TORCH: 2e8}}),
        Row("memory", "long", {OURS: 9.0}, {"bytes": {OURS: 299e6}, "long": True}),
    ]
    found = {target.claim: (target.found, target.reached) for target in targets(rows, peak)}
    assert list(found.values()) == [
        (pytest.approx(0.9), False),
        (pytest.approx(math.sqrt(2.0 * 0.9)), False),
        (pytest.approx(math.sqrt(4.0 * 0.9)), False),
        (pytest.approx(0.96), True),
        (pytest.approx(0.96), False),
        (pytest.approx(0.5), False),
        (pytest.approx(1.5), True),
        (pytest.approx(3.0), True),
        (pytest.approx(1.1), False),
        (pytest.approx(2.0), True),
        (pytest.approx(4.0), False),
        (None, None),
        (None, None),
        (pytest.approx(6.0), True),
        (None, None),
        (pytest.approx(1.2), False),
        (pytest.approx(1.08), True),
        (pytest.approx(1.02), True),
        (pytest.approx(1.3), False),
        (pytest.approx(1.5), False),
        (pytest.approx(299.0), True),
    ]


def test_every_contender_runs_in_every_round_and_the_first_changes() -> None:
    clock = Clock()
    calls = {name: clock.contender(name, 1.0) for name in "abc"}
    plan = Plan(min_rounds=4, max_rounds=4, budget=0.0, rest=0.0, settle=0.0, block=0.0)
    times = interleave(calls, plan, clock)
    assert times == {name: [1.0] * 4 for name in "abc"}
    warm, timed = clock.log[:9], clock.log[9:]
    assert warm == list("aaabbbccc")
    assert ["".join(timed[k : k + 3]) for k in range(0, 12, 3)] == ["abc", "bca", "cab", "abc"]


def test_warm_up_is_not_timed() -> None:
    clock = Clock()
    plan = Plan(min_rounds=3, max_rounds=3, rest=0.0, settle=0.0, block=0.0)
    assert interleave({"a": clock.contender("a", 100.0, 50.0, 2.0)}, plan, clock) == {"a": [2.0] * 3}


@pytest.mark.parametrize(("budget", "rounds"), [(0.0, 7), (30.0, 10), (1e9, 12)])
def test_rounds_go_on_within_the_budget(budget: float, rounds: int) -> None:
    clock = Clock()
    calls = {"a": clock.contender("a", 1.0), "b": clock.contender("b", 2.0)}
    plan = Plan(min_rounds=7, max_rounds=12, budget=budget, rest=0.0, settle=0.0, block=0.0)
    assert [len(times) for times in interleave(calls, plan, clock).values()] == [rounds] * 2


def test_short_contenders_settle_and_repeat_and_give_a_median() -> None:
    clock = Clock()
    spikes = [1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0]  # three to warm up, two to settle, three timed
    plan = Plan(min_rounds=1, max_rounds=1, rest=0.0, settle=2.0, block=3.0)
    assert interleave({"a": clock.contender("a", *spikes, 1.0)}, plan, clock) == {"a": [1.0]}
    assert len(clock.log) == len(spikes)


def test_long_contenders_settle_by_one_call() -> None:
    clock = Clock()
    interleave(
        {"a": clock.contender("a", 10.0)}, Plan(min_rounds=2, max_rounds=2, rest=0.0, settle=2.0, block=3.0), clock
    )
    assert len(clock.log) == 3 + 2 * (1 + 1)


def test_every_step_is_kept() -> None:
    clock = Clock()
    steps = [1.0] * 3 + [7.0] * 2 + [2.0, 3.0, 4.0] + [7.0] * 2 + [5.0, 6.0, 1.0]
    found = interleave_steps({"a": clock.contender("a", *steps, 0.0)}, rounds=2, steps=3, settle=2, clock=clock)
    assert found == {"a": [2.0, 3.0, 4.0, 5.0, 6.0, 1.0]}


def test_percentiles_and_quartiles() -> None:
    assert percentile([float(k) for k in range(1000, 0, -1)], 0.99) == 990.0
    assert percentile([3.0], 0.99) == 3.0
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)


@pytest.mark.parametrize(("seconds", "text"), [(1.234, "1.23 s"), (0.05, "50 ms"), (3.21e-6, "3.21 us")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("case", [*SMALL[:2], *ODD], ids=lambda case: case.label)
def test_every_contender_computes_what_torch_does(case: Case) -> None:
    runs, absent = contenders(Problem(case), threads=1)  # it checks them
    assert {*runs, *absent} == {OURS, TORCH, JAX, ONNX}
    assert {OURS, TORCH} <= set(runs)


def test_a_wrong_output_or_gradient_is_refused() -> None:
    case = SMALL[0]
    right = torch_nn(Problem(case))
    with pytest.raises(WrongResultError, match="output is off"):
        check("it", case, Runs(lambda: right.infer() * 1.01), right)
    with pytest.raises(WrongResultError, match="instead of"):
        check("it", case, Runs(lambda: right.infer()[1:]), right)
    with pytest.raises(WrongResultError, match="output is off by nan"):
        check("it", case, Runs(lambda: right.infer() * math.nan), right)

    def wrong() -> dict[str, Any]:
        assert right.train is not None
        found = right.train()
        return found | {"bias_hh_l0": found["bias_hh_l0"] * 2}

    with pytest.raises(WrongResultError, match="gradient of bias_hh_l0"):
        check("it", case, Runs(right.infer, wrong), right)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "GRU reset-before", "LSTM"])
def test_onnx_steps_go_on_from_their_state(cell: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    import onnx_peer

    problem = Problem(Case(cell, B=1, H=6, T=1))
    step, layer = onnx_peer.step(problem, threads=1), our_layer(problem.case)
    layer.load_state_dict(problem.weights)
    expected = layer(problem.x.repeat(3, 1, 1))[0].detach().numpy()
    for t in range(3):
        np.testing.assert_allclose(step()[0], expected[t], atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_own_cells_agree_with_torchrecurrent(name: str) -> None:
    pytest.importorskip("torchrecurrent")
    layer, peer = with_equal_weights(name, H=6)
    with torch.no_grad():
        for weight in peer.parameters():
            if weight.dim():  # janet's beta stays 1
                weight.uniform_(-1, 1)
    copy_weights(peer, layer)
    problem = Problem(Case("RNN", B=3, H=6, T=5))
    check_outputs(name, {OURS: module_runs(layer, problem), TORCHRECURRENT: module_runs(peer, problem)})


@pytest.mark.parametrize("name", CELLS)
def test_the_loops_for_torch_compile_are_the_same_cells(name: str) -> None:
    layer = ricorda.Recurrent(CELLS[name], 6, 6)
    problem = Problem(Case("RNN", B=3, H=6, T=5))
    runs = {OURS: module_runs(layer, problem), "loop": module_runs(Loop(name, layer), problem)}
    check_outputs(name, runs)


def test_options_that_the_layer_lacks_are_found_out() -> None:
    assert not knows(SMALL[0], {"no_such_option": 1})
    assert knows(SMALL[0], {"bias": False})
    assert all(isinstance(options, dict) and options for options in OPTIONS.values())


def test_the_peak_kernel_counts_every_multiply_add() -> None:
    peak = Peak()
    data = peak._buffer()
    assert data.ctypes.data % (4 * peak.lanes) == 0
    before = data[: -2 * peak.lanes].astype(float)
    peak._call(data.ctypes.data, 2)
    np.testing.assert_array_equal(data[: -2 * peak.lanes], (before * 0.5 + 1) * 0.5 + 1)
    assert peak.gflops(threads=2, steps=1000, tries=1) > 0


def test_only_chooses_rows_and_the_arguments_are_read() -> None:
    chosen = arguments(["--quick", "--only", "training: lstm", "--threads", "2"])
    assert (chosen.quick, chosen.threads, chosen.write_docs) == (True, 2, False)
    settings = Settings(1, Plan(), only=chosen.only)
    assert settings.wants("training", "LSTM T100 B1 H64")
    assert not settings.wants("training", "GRU T100 B1 H64")
    assert Settings(1, Plan()).wants("memory", "anything")


@pytest.fixture
def run() -> Run:
    sweep = row("sweep", SMALL[3], ours=1e-3, torch=2e-3)
    sweep.facts["axis"] = "H"
    streaming = row("streaming", Case("LSTM", B=1, H=64, T=1), ours=2e-6, onnx=9e-6)
    streaming.facts["p99"] = {OURS: 3e-6, ONNX: 1e-5}
    rows = [
        row("training", SMALL[0], ours=1e-3, torch=4e-3, jax=2e-3),
        row("inference", SMALL[0], "inference", ours=1e-3, torch=4e-3),
        sweep,
        streaming,
        Row("own cells", "MGU", {OURS: 1.0, TORCHRECURRENT: 6.0}),
        Row("options", "LSTM", {PLAIN: 1.0, "layer norm": 1.08}),
        Row("precision", "LSTM", {"float32": 3.0, "bf16": 2.0}, {"flops": 6_000_000_000}),
        Row("int8", "LSTM", {OURS: 1.0, "float32": 3.0, TORCH: 2.0}),
        Row("memory", "LSTM", facts={"bytes": {OURS: 3e8, TORCH: 2e8}}),
    ]
    about = {
        "processor": "a|b",
        "llvm_name": "x",
        "cores": 2,
        "threads": 2,
        "python": "3",
        "OMP_WAIT_POLICY": "not set",
    }
    return Run("2026-01-01", about, {"torch": "2"}, {1: 100.0, 2: 200.0}, rows)


def test_a_page_has_every_section(run: Run) -> None:
    text = page(run, "performance.png")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Training",
        "## Inference",
        "## LSTM training against H, B and T",
        "## One streaming step, us: median (p99)",
        "## Cells of one's own, training",
        "## What options cost, training",
        "## bf16 products under torch.autocast, training",
        "## Inference in int8",
        "## Memory of one training step",
        "## Geometric means of the ratios",
        "## Figures to reach",
    ]
    assert f"| {SMALL[0].label} | 1 ms | 4 ms | 2 ms | JAX | 2.00 | 0 | 0% |" in text
    assert "+8.0%" in text
    assert "not measured" in text


def test_markdown_keeps_bars_inside_cells() -> None:
    assert markdown(Table("t", ["a", "b"], [["x|y", "1"]])).splitlines()[-1] == r"| x\|y | 1 |"


def test_results_are_json_and_a_picture(run: Run, tmp_path: Path) -> None:
    write_json(run, tmp_path / "new" / "results.json")
    found = json.loads((tmp_path / "new" / "results.json").read_text(encoding="utf-8"))
    assert found["rows"][0]["seconds"] == {OURS: 1e-3, TORCH: 4e-3, JAX: 2e-3}
    assert len(found["targets"]) == len(as_json(run)["targets"]) > 10
    draw(run.rows, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "picture.png", "results.json"]


def test_cells_are_compared_one_by_one_and_a_stopped_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def task(cell: Any, share: float) -> dict[str, Any]:
        trained.append(cell.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        if cell.name == "gru":
            raise ricorda.ArgumentError("the loss became nan")
        return {"accuracy": 0.5, "weights": 12_345, "microseconds": 2.0, "half_life": None, "memory_length": None}

    monkeypatch.setattr(cells_compared, "TASKS", {"reviews": task})
    out = tmp_path / "new" / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt):
        cells_compared.run(out, ["reviews"], ["rnn", "gru"], 1.0)
    with out.open("a", encoding="utf-8") as file:
        file.write('{"task": "rev')  # a stop in the middle of a line
    rows = cells_compared.run(out, ["reviews"], ["rnn", "gru"], 1.0)
    assert trained == ["rnn", "gru", "gru"]
    assert cells_compared.run(out, ["reviews"], ["gru"], 1.0) == rows[1:]
    assert trained == ["rnn", "gru", "gru"]
    lines = cells_compared.page(rows, 1.0).splitlines()
    assert "| `rnn` | vanilla | 50.0% | 12,345 | 2 | none |" in lines
    assert "| `gru` | | failed: the loss became nan | | | |" in lines


def test_the_page_of_what_cells_cost() -> None:
    dear = {"products": 1.0, "times": 0.2, "a product": 1.6, "compiling": 1.51}
    cheap = {"products": 2.3, "times": 0.25, "a product": 1.3, "compiling": 0.9}
    lines = cells_speed.page({"indrnn": dear, "lmu": cheap}).splitlines()
    assert "| `indrnn` | 1.0 | 0.20 | 1.60 | 1.51 s | a product, compiling |" in lines
    assert "| `lmu` | 2.3 | 0.25 | 1.30 | 0.90 s |  |" in lines
