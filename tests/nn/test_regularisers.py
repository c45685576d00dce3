"""Each regulariser on each cell against the paper's equations with the same masks, bit by bit from their definition."""

import copy
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mask_bits import bit
from oracles.classic import CLASSIC, ROWS, W, gate, weights_of
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

from ricorda import ArgumentError, CellError, affine, cell, equations, parameter, sigmoid, tanh
from ricorda.nn import GRU, LSTM, RNN, Recurrent
from ricorda.program.ir import Program
from ricorda.program.regularise import layer_norm, recurrent_dropout, state_dropout, zoneout

CLOSE = {"atol": 1e-12, "rtol": 1e-12}
D = torch.float64
I, H, T, B = 3, 4, 6, 5
LENGTHS = [4, 6, 0, 1, 6]
DROP = 0.4


@cell(candidate="new")
def mgu(x, h):
    """The minimal gated unit (Zhou et al. 2016)."""
    f = sigmoid(affine("f", h, x))
    new = tanh(affine("n", f * h, x))
    return (1 - f) * h + f * new


ROWS_HERE = {**ROWS, "mgu": ("f n", "f n")}
NAMES = [*CLASSIC, "mgu"]


def of(name: str) -> Any:
    return mgu if name == "mgu" else CLASSIC[name]


@dataclass
class Acts:
    """Where a regulariser acts in a cell's equations; by default nowhere."""

    operand: Callable[[int, Tensor], Tensor] = lambda place, value: value
    candidate: Callable[[Tensor], Tensor] = lambda value: value
    norm: Callable[[str, Tensor], Tensor] = lambda name, value: value


def step(name: str, w: W, x: Tensor, states: tuple[Tensor, ...], acts: Acts) -> list[Tensor]:
    """A cell's equations, with what a regulariser does to its products' operands, candidate and pre-activations."""

    def z(each: str, operand: Tensor) -> Tensor:
        return acts.norm(each, gate(w, each, x, operand))

    h = states[0]
    entering = acts.operand(0, h)
    match name:
        case "rnn":
            return [torch.tanh(z("h", entering))]
        case "rnn_relu":
            return [torch.relu(z("h", entering))]
        case "gru" | "mgu":
            first, second, product = ("r", "u", "a") if name == "gru" else ("f", "f", "n")
            r, u = (torch.sigmoid(z(each, entering)) for each in (first, second))
            return [(1 - u) * h + u * acts.candidate(torch.tanh(z(product, acts.operand(1, r * h))))]
        case "gru_reset_after":
            r, keep = (torch.sigmoid(z(each, entering)) for each in "rz")
            of_state = acts.norm("nh", entering @ w["Unh"].T + w["bnh"])
            n = acts.candidate(torch.tanh(acts.norm("n", x @ w["Wn"].T + w["bn"]) + r * of_state))
            return [(1 - keep) * n + keep * h]
    c = states[1]
    peep = {each: w.get(f"p_{each}", torch.zeros(H, dtype=D)) for each in "ifo"}
    f = torch.sigmoid(z("f", entering) + peep["f"] * c)
    i = 1 - f if name == "lstm_coupled" else torch.sigmoid(z("i", entering) + peep["i"] * c)
    c = f * c + i * acts.candidate(torch.tanh(z("g", entering)))
    shown = acts.norm("state_c", c)
    o = torch.sigmoid(z("o", entering) + peep["o"] * shown)
    return [o * torch.tanh(shown), c]


def bits(seed: int, stream: int, s: int, row: int, probability: float) -> Tensor:
    return torch.tensor([bit(seed, stream, s, row, unit, probability) for unit in range(H)], dtype=D)


def acts_of(layer: Recurrent, name: str, suffix: str, drawn: Callable[[int, bool], Tensor]) -> Acts:
    """What a layer's options do, with the streams of masks in the order of the equations."""
    options, acts = layer.regularisers, Acts()
    products = 2 if name in ("gru", "mgu") else 1
    if options.state_dropout and layer.training:
        acts.operand = lambda place, value: value * drawn(place, True) / (1 - DROP)
    if options.recurrent_dropout and layer.training:
        stream = products if options.state_dropout else 0
        acts.candidate = lambda value: value * drawn(stream, False) / (1 - DROP)
    if options.layer_norm:

        def norm(each: str, value: Tensor) -> Tensor:
            gain, shift = (getattr(layer, f"{kind}_{each}{suffix}") for kind in ("gain", "shift"))
            return F.layer_norm(value, (H,), gain, shift, eps=1e-5)

        acts.norm = norm
    return acts


def direct(layer: Recurrent, name: str, x: Tensor, lengths: list[int], seed: int) -> tuple[Tensor, list[Tensor]]:
    """A layer of two levels and directions, a row and a step at a time, with the masks that the definition gives."""
    states = len(of(name).program.states)
    zones_from = len(layer.programs[True].masks) - states
    finals = torch.zeros(states, 4, len(lengths), H, dtype=D)
    outputs = torch.zeros(2, T, len(lengths), 2 * H, dtype=D)
    for level, direction, suffix in [(0, 0, "_l0"), (0, 1, "_l0_reverse"), (1, 0, "_l1"), (1, 1, "_l1_reverse")]:
        entry = 2 * level + direction
        w = weights_of(layer, name, suffix, ROWS_HERE)
        for row, length in enumerate(lengths):
            current = (torch.zeros(H, dtype=D),) * states
            for s, t in enumerate(range(length) if direction == 0 else reversed(range(length))):

                def drawn(stream: int, locked: bool, s: int = s, row: int = row, entry: int = entry) -> Tensor:
                    return bits(seed + entry, stream, 0 if locked else s, row, DROP)

                new = step(name, w, x[t, row], current, acts_of(layer, name, suffix, drawn))
                if layer.regularisers.zoneout:
                    zones = [drawn(zones_from + k, False) if layer.training else 1 - DROP for k in range(states)]
                    new = [a * z + old * (1 - z) for a, z, old in zip(new, zones, current, strict=True)]
                current = tuple(new)
                outputs[level, t, row, direction * H : direction * H + H] = current[0]
            for k in range(states):
                finals[k, entry, row] = current[k]
        x = outputs[level] if direction == 1 else x
    return x, list(finals)


def states_of(result: Any) -> list[Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


def next_seed(seed: int) -> int:
    """What a layer draws after `torch.manual_seed`."""
    torch.manual_seed(seed)
    drawn = int(torch.randint(2**62, ()))
    torch.manual_seed(seed)
    return drawn


EQUATIONS: dict[str, dict[str, Any]] = {
    "zoneout": {"zoneout": DROP},
    "state_dropout": {"state_dropout": DROP},
    "recurrent_dropout": {"recurrent_dropout": DROP},
    "layer_norm": {"layer_norm": True},
    "together": {"zoneout": DROP, "state_dropout": DROP, "recurrent_dropout": DROP, "layer_norm": True},
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", EQUATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_an_option_is_its_paper_s_equations(name: str, options: str, training: bool) -> None:
    arguments = dict(EQUATIONS[options])
    if of(name).candidate is None:
        arguments.pop("recurrent_dropout", None)
    torch.manual_seed(0)
    layer = Recurrent(of(name), I, H, 2, bidirectional=True, dtype=D, **arguments).train(training)
    for learned, weight in layer.named_parameters():
        if learned.startswith(("gain_", "shift_")):
            nn.init.normal_(weight)
    x = torch.randn(T, B, I, dtype=D)
    seed = next_seed(7)
    with torch.no_grad():
        output, final = layer(x, lengths=LENGTHS)
        expected, expected_finals = direct(layer, name, x, LENGTHS, seed)
    torch.testing.assert_close(output, expected, **CLOSE)
    for ours, theirs in zip(states_of(final), expected_finals, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


OPTIONS: dict[str, dict[str, Any]] = {
    "zoneout": {"zoneout": DROP},
    "zoneout of c": {"zoneout": {"c": DROP}},
    "input_dropout": {"input_dropout": DROP},
    "state_dropout": {"state_dropout": DROP},
    "recurrent_dropout": {"recurrent_dropout": DROP},
    "weight_drop": {"weight_drop": DROP},
    "layer_norm": {"layer_norm": True},
    "all": {
        "zoneout": {"h": 0.1, "c": 0.5},
        "input_dropout": 0.2,
        "state_dropout": 0.3,
        "recurrent_dropout": 0.25,
        "weight_drop": 0.3,
        "layer_norm": True,
    },
}


RANDOM = [option for option in OPTIONS if option != "layer_norm"]


def pair(arguments: dict[str, Any], **more: Any) -> tuple[Recurrent, Recurrent]:
    """An LSTM with some options and one without, of the same weights, which the same seed draws."""
    torch.manual_seed(1)
    ours = LSTM(I, H, 2, bidirectional=True, dtype=D, **arguments, **more)
    torch.manual_seed(1)
    plain = LSTM(I, H, 2, bidirectional=True, dtype=D, **more)
    for name, weight in plain.named_parameters():
        assert torch.equal(weight, getattr(ours, name))
    return ours, plain


def test_zoneout_of_one_state_leaves_the_other_alone() -> None:
    layer = LSTM(I, H, dtype=D, zoneout={"c": DROP})
    x = torch.randn(T, B, I, dtype=D)
    seed = next_seed(2)
    output, (_, c), records = layer(x, record=("i", "f", "g", "o", "c", "h"))
    old = torch.zeros(B, H, dtype=D)
    for t in range(T):
        i, f, g, o = (records[name][0, 0, t] for name in "ifgo")
        new = f * old + i * g
        torch.testing.assert_close(output[t], o * torch.tanh(new), **CLOSE)  # Krueger et al.: c before zoneout
        kept = torch.stack([bits(seed, 0, t, row, DROP) for row in range(B)])
        old = torch.where(kept == 1, new, old)
        torch.testing.assert_close(records["c"][0, 0, t], old, **CLOSE)
    assert torch.equal(records["h"][0, 0], output)
    torch.testing.assert_close(c[0], old, **CLOSE)


def test_input_dropout_drops_a_row_s_feature_at_every_step() -> None:
    ours, plain = pair({"input_dropout": DROP})
    x = torch.randn(T, B, I, dtype=D)
    torch.manual_seed(3)
    result, _ = ours(x)
    torch.manual_seed(3)
    first, second = (F.dropout(torch.ones(B, size, dtype=D), DROP) for size in (I, 2 * H))
    assert set(first.unique().tolist()) == {0.0, 1 / (1 - DROP)}
    between = LSTM(I, H, bidirectional=True, dtype=D)
    between.load_state_dict({key: value for key, value in plain.state_dict().items() if "_l0" in key})
    after = LSTM(2 * H, H, bidirectional=True, dtype=D)
    after.load_state_dict(
        {key.replace("_l1", "_l0"): value for key, value in plain.state_dict().items() if "_l1" in key}
    )
    torch.testing.assert_close(result, after(between(x * first)[0] * second)[0], **CLOSE)


def test_weight_drop_drops_entries_of_the_recurrent_matrices_once_a_call() -> None:
    ours, plain = pair({"weight_drop": DROP})
    x = torch.randn(T, B, I, dtype=D, requires_grad=True)
    torch.manual_seed(4)
    result, _ = ours(x)
    torch.manual_seed(4)
    dropped = dict(ours.named_parameters())
    for name in dropped:
        if name.startswith("weight_hh"):
            dropped[name] = F.dropout(dropped[name], DROP)
    expected, _ = torch.func.functional_call(plain, dropped, (x,))
    torch.testing.assert_close(result, expected, **CLOSE)
    weight = ours.weight_hh_l1
    (slope,) = torch.autograd.grad(result.sum(), weight)
    assert torch.equal(slope == 0, dropped["weight_hh_l1"] == 0)


@pytest.mark.parametrize("option", OPTIONS)
def test_training_changes_the_result_and_evaluation_only_with_some(option: str) -> None:
    ours, plain = pair(OPTIONS[option])
    x = torch.randn(T, B, I, dtype=D)
    assert not torch.allclose(ours(x)[0], plain(x)[0])
    ours.eval()
    same = torch.equal(ours(x)[0], plain(x)[0])
    assert same == (option not in ("zoneout", "zoneout of c", "layer_norm", "all"))
    assert torch.equal(ours(x)[0], ours(x)[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_probability_of_zero_is_the_plain_layer_bit_for_bit(name: str) -> None:
    names = [state.name for state in of(name).program.states]
    torch.manual_seed(0)
    zeros = {"input_dropout": 0.0, "state_dropout": 0, "recurrent_dropout": 0.0, "weight_drop": 0.0}
    ours = Recurrent(of(name), I, H, zoneout=dict.fromkeys(names, 0.0), **zeros)
    torch.manual_seed(0)
    plain = Recurrent(of(name), I, H)
    x = torch.randn(T, B, I)
    before = torch.get_rng_state()
    assert torch.equal(ours(x)[0], plain(x)[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert repr(Recurrent(of(name), I, H, **zeros)) == repr(plain)


@pytest.mark.parametrize("option", RANDOM)
def test_the_same_seed_gives_the_same_result_and_another_call_another(option: str) -> None:
    layer, _ = pair(OPTIONS[option], dropout=0.1)
    x = torch.randn(T, B, I, dtype=D)
    torch.manual_seed(11)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(11)
    assert torch.equal(layer(x)[0], first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("option", ["zoneout", "state_dropout", "recurrent_dropout"])
def test_a_row_s_masks_depend_on_its_place_alone(option: str) -> None:
    layer, _ = pair(OPTIONS[option])
    x = torch.randn(T, B, I, dtype=D)

    def run(x: Tensor, lengths: list[int]) -> Tensor:
        torch.manual_seed(5)
        output: Tensor = layer(x, lengths=lengths)[0]
        return output

    whole = run(x, LENGTHS)
    torch.testing.assert_close(run(x[:, :2], LENGTHS[:2]), whole[:, :2], **CLOSE)  # without the other rows
    other = torch.cat([torch.randn(T, 4, I, dtype=D), x[:, 4:]], dim=1)
    torch.testing.assert_close(run(other, [6, 2, 5, 6, 6])[:, 4], whole[:, 4], **CLOSE)  # beside others
    shorter = run(x, [4, 3, 0, 1, 6])
    torch.testing.assert_close(shorter[:, [0, 3, 4]], whole[:, [0, 3, 4]], **CLOSE)


@pytest.mark.parametrize("option", OPTIONS)
def test_packed_sequences_have_the_masks_of_their_rows(option: str) -> None:
    layer, _ = pair(OPTIONS[option])
    rows = [torch.randn(length, I, dtype=D) for length in (3, 6, 2, 6)]
    x = nn.utils.rnn.pad_sequence(rows)
    torch.manual_seed(6)
    expected, (h, c) = layer(x, lengths=[3, 6, 2, 6])
    for packed in (
        pack_padded_sequence(x, torch.tensor([3, 6, 2, 6]), enforce_sorted=False),
        pack_sequence(rows, enforce_sorted=False),
    ):
        torch.manual_seed(6)
        output, (packed_h, packed_c) = layer(packed)
        torch.testing.assert_close(nn.utils.rnn.pad_packed_sequence(output)[0], expected, **CLOSE)
        torch.testing.assert_close((packed_h, packed_c), (h, c), **CLOSE)


def test_layers_and_directions_have_masks_of_their_own() -> None:
    layer = LSTM(H, H, 1, bidirectional=True, dtype=D, zoneout=0.5)
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.endswith("_reverse"):
                weight.copy_(getattr(layer, name.removesuffix("_reverse")))
    output, _ = layer(torch.ones(T, B, H, dtype=D))
    forward, backward = output[..., :H], output[..., H:].flip(0)
    assert not torch.allclose(forward, backward)
    layer.eval()
    output, _ = layer(torch.ones(T, B, H, dtype=D))
    torch.testing.assert_close(output[..., :H], output[..., H:].flip(0), **CLOSE)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_finite_differences(name: str, norm: bool) -> None:
    candidate = {"recurrent_dropout": 0.3} if of(name).candidate else {}
    torch.manual_seed(0)
    everywhere = {"zoneout": 0.3, "state_dropout": 0.3, "input_dropout": 0.3, "weight_drop": 0.3, **candidate}
    layer = Recurrent(of(name), 2, 3, dtype=D, layer_norm=norm, **everywhere)
    x = torch.randn(3, 2, 2, dtype=D, requires_grad=True)
    names, weights = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *weights: Tensor) -> Any:
        torch.manual_seed(8)
        arguments = dict(zip(names, weights, strict=True))
        output, final = torch.func.functional_call(layer, arguments, (x,), {"lengths": [3, 2]})
        return output, *states_of(final)

    assert gradcheck(run, (x, *weights))
    if name in ("lstm", "gru") and not norm:
        assert gradgradcheck(run, (x, *weights), atol=1e-4)


def test_zoneout_in_evaluation_is_the_expectation_of_a_step() -> None:
    layer = RNN(I, H, dtype=D, zoneout=0.3)
    x, h = torch.randn(1, 1, I, dtype=D).expand(1, 20000, I), torch.randn(1, 1, H, dtype=D).expand(1, 20000, H)
    drawn = layer(x, h)[0].mean(dim=1)
    expected = layer.eval()(x, h)[0][:, 0]
    torch.testing.assert_close(drawn, expected, atol=0.03, rtol=0.0)


@pytest.mark.parametrize("option", ["state_dropout", "recurrent_dropout"])
def test_what_is_kept_is_scaled_up(option: str) -> None:
    @cell(candidate="g")
    def adder(x, h):
        g = affine("g", h, x)
        return 0.5 * h + g

    layer = Recurrent(adder, I, H, dtype=D, **{option: 0.3})
    x, h = torch.randn(1, 1, I, dtype=D).expand(1, 20000, I), torch.randn(1, 1, H, dtype=D).expand(1, 20000, H)
    drawn = layer(x, h)[0].mean(dim=1)
    torch.testing.assert_close(drawn, layer.eval()(x, h)[0][:, 0], atol=0.05, rtol=0.0)


def test_a_projected_state_is_zoned_and_dropped_too() -> None:
    layer = LSTM(I, H, proj_size=2, dtype=D, zoneout=0.3, state_dropout=0.3, recurrent_dropout=0.3)
    output, (h, c) = layer(torch.randn(T, B, I, dtype=D))
    assert output.shape == (T, B, 2)
    assert [mask.size for mask in map(layer.programs[True].values.__getitem__, layer.programs[True].masks)] == [
        *"PHPH",
    ]
    assert h.isfinite().all()
    assert c.isfinite().all()


@pytest.mark.parametrize("bias", [True, False])
def test_a_forget_bias_is_the_shift_of_a_normalised_gate(bias: bool) -> None:
    layer = LSTM(I, H, bias=bias, layer_norm=True, forget_bias=2.0)
    assert layer.shift_f_l0.tolist() == [2.0] * H
    assert layer.shift_i_l0.tolist() == [0.0] * H
    assert layer.gain_f_l0.tolist() == layer.gain_state_c_l0.tolist() == [1.0] * H


def test_what_is_carried_is_not_normalised() -> None:
    layer = LSTM(I, H, dtype=D, layer_norm=True)
    records = layer(torch.randn(T, B, I, dtype=D), record=("i", "f", "g", "c", "z_i"))[2]
    i, f, g, c = (records[name][0, 0] for name in "ifgc")
    before = torch.cat([torch.zeros(1, B, H, dtype=D), c[:-1]])
    torch.testing.assert_close(c, f * before + i * g, **CLOSE)
    torch.testing.assert_close(records["z_i"].mean(-1), torch.zeros(1, 1, T, B, dtype=D), **CLOSE)
    torch.testing.assert_close(i, torch.sigmoid(records["z_i"][0, 0]), **CLOSE)


def test_a_state_computed_from_another_sees_it_as_it_is_carried() -> None:
    @cell
    def chained(x, h, c, n):
        c = 0.5 * c + tanh(affine("c", h, x))
        n = n + c
        return tanh(c) + n, c, n

    layer = Recurrent(chained, I, H, dtype=D, layer_norm=True)
    records = layer(torch.randn(1, B, I, dtype=D), record=("h", "c", "n"))[2]
    h, c, n = (records[name] for name in "hcn")
    torch.testing.assert_close(n, c, **CLOSE)
    torch.testing.assert_close(h, torch.tanh(F.layer_norm(c, (H,))) + F.layer_norm(n, (H,)), **CLOSE)


def test_streams_evaluate() -> None:
    layer = GRU(I, H, dtype=D, zoneout=0.3, state_dropout=0.5, recurrent_dropout=0.2)
    x = torch.randn(T, I, dtype=D)
    stream = layer.stream()
    steps = torch.stack([stream(each) for each in x])
    torch.testing.assert_close(steps, layer.eval()(x)[0], **CLOSE)


def test_a_layer_is_copied_pickled_and_printed_with_its_options() -> None:
    layer = LSTM(I, H, zoneout={"c": 0.5}, weight_drop=0.2)
    assert repr(layer) == "LSTM(3, 4, zoneout={'c': 0.5}, weight_drop=0.2)"
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    x = torch.randn(T, B, I)
    torch.manual_seed(0)
    expected = layer(x)[0]
    for other in (copy.deepcopy(layer), torch.load(buffer, weights_only=False)):
        torch.manual_seed(0)
        assert torch.equal(other(x)[0], expected)


def test_the_caller_s_mapping_may_change_afterwards() -> None:
    given = {"c": 0.5}
    layer = LSTM(I, H, zoneout=given)
    given["c"] = 2.0
    assert repr(layer) == "LSTM(3, 4, zoneout={'c': 0.5})"


PROBABILITIES = ["zoneout", "input_dropout", "state_dropout", "recurrent_dropout", "weight_drop"]


@pytest.mark.parametrize("option", PROBABILITIES)
@pytest.mark.parametrize("wrong", [1.0, -0.1, float("nan"), True, "0.1", None])
def test_what_is_no_probability_is_refused(option: str, wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=rf"{option} is .*: give a probability, from 0 to below 1"):
        Recurrent("lstm", I, H, **{option: wrong})


def test_what_a_cell_has_not_is_told_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"zoneout\['c'\] is 1.5: give a probability"):
        LSTM(I, H, zoneout={"c": 1.5})
    with pytest.raises(ArgumentError, match="zoneout has state 'q', and cell lstm has h, c"):
        LSTM(I, H, zoneout={"h": 0.1, "q": 0.1})
    with pytest.raises(ArgumentError, match=r'cell rnn names no candidate.*@cell\(candidate="g"\)'):
        Recurrent("rnn", I, H, recurrent_dropout=0.1)
    with pytest.raises(ArgumentError, match="layer_norm is 1: give True or False"):
        LSTM(I, H, layer_norm=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="recurrent_dropout"):
        RNN(I, H, recurrent_dropout=0.1)  # type: ignore[call-arg]


def test_a_wrong_candidate_is_told_with_the_cell_s_line() -> None:
    @cell(candidate="q")
    def wrong(x, h):
        return tanh(affine("h", h, x))

    with pytest.raises(CellError, match='its candidate is "q", which none of its variables is called'):
        _ = wrong.program

    @cell(candidate="h")
    def unused(x, h):
        h = tanh(affine("h", h, x))
        return h

    with pytest.raises(CellError, match='its candidate is "h", from which nothing is computed'):
        _ = unused.program


def regularised(name: str, norm: bool = False) -> list[Program]:
    program = of(name).program
    program = layer_norm(program) if norm else program
    every = {state.name: 0.25 for state in program.states}
    dropped = state_dropout(program, 0.1)
    if program.candidate:
        dropped = recurrent_dropout(dropped, 0.3)
    return [dropped, zoneout(dropped, every, training=True), zoneout(program, every, training=False)]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_regularised_program_is_the_same_there_and_back(name: str, norm: bool) -> None:
    for program in regularised(name, norm):
        back = Program.from_json(json.loads(json.dumps(program.to_json())))
        assert back == program
        assert hash(back) == hash(program)
        assert set(dict(program.names)) >= set(dict(of(name).program.names))


@pytest.mark.parametrize("change", [{"number": 1.0}, {"number": -0.1}, {"size": "P"}, {"size": "I"}, {"args": [1]}])
def test_a_damaged_mask_is_refused(change: dict[str, Any]) -> None:
    data = regularised("lstm")[1].to_json()
    place = next(place for place, line in enumerate(data["values"]) if line["op"] == "mask")
    data["values"][place] |= change
    with pytest.raises(CellError, match="damaged"):
        Program.from_json(data)


def test_a_name_that_is_taken_is_left_to_its_owner() -> None:
    @cell
    def taken(x, h, zoneout_h):
        return tanh(affine("h", h, x)), tanh(affine("z", zoneout_h, x))

    program = zoneout(taken.program, {"h": 0.5, "zoneout_h": 0.5}, training=True)
    assert [program.values[index].name for index in program.masks] == ["zoneout_h_", "zoneout_zoneout_h"]
    assert Program.from_json(program.to_json()) == program


def test_the_equations_show_the_masks() -> None:
    program = zoneout(recurrent_dropout(state_dropout(CLASSIC["gru"].program, 0.5), 0.5), {"a": 0.1}, training=True)
    assert equations(program) == [
        "P(state_dropout_a = 0) = 0.5",
        "P(state_dropout_W_a = 0) = 0.5",
        "P(recurrent_dropout_candidate_t = 0) = 0.5",
        "P(zoneout_a_t = 0) = 0.1",
        "r_t = sigmoid(W_r [a_{t-1} * state_dropout_a * 2, x_t] + b_r)",
        "u_t = sigmoid(W_u [a_{t-1} * state_dropout_a * 2, x_t] + b_u)",
        "candidate_t = tanh(W_a [r_t * a_{t-1} * state_dropout_W_a * 2, x_t] + b_a)",
        "a_t = a_{t-1} + zoneout_a_t * ((1 - u_t) * a_{t-1} + "
        "u_t * candidate_t * recurrent_dropout_candidate_t * 2 - a_{t-1})",
    ]
    assert equations(program, "latex")[:4:3] == [
        r"P(\mathrm{state}_{dropout a} = 0) = 0.5",
        r"P(\mathrm{zoneout}_{a,t} = 0) = 0.1",
    ]


def test_the_equations_show_the_normalisation() -> None:
    assert equations(layer_norm(CLASSIC["rnn"].program)) == [
        "raw_h_t = W_h [h_{t-1}, x_t] + b_h",
        "centred_h_t = raw_h_t - mean(raw_h_t)",
        "z_h_t = gain_h * centred_h_t / sqrt(variance(raw_h_t) + 1e-05) + shift_h",
        "h_t = tanh(z_h_t)",
    ]


def test_a_learned_vector_of_the_same_name_is_refused() -> None:
    @cell
    def scaled(x, h):
        return parameter("gain_h") * tanh(affine("h", h, x))

    with pytest.raises(ArgumentError, match="layer_norm names a learned vector gain_h, and cell scaled has that name"):
        Recurrent(scaled, I, H, layer_norm=True)
