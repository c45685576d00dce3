"""What layers do beyond torch.nn's, what modules do in torch, and what they refuse."""

import copy
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from oracles.classic import CLASSIC
from torch.func import functional_call, grad, vmap
from torch.nn.utils.rnn import pack_padded_sequence

from ricorda import ArgumentError, affine, cell, tanh
from ricorda.nn import GRU, LSTM, RNN, Recurrent

MGU = """
from ricorda import affine, cell, sigmoid, tanh

@cell
def mgu(x, h):
    f = sigmoid(affine("f", h, x))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate
"""


def test_a_layer_takes_a_cell_its_name_its_program_a_function_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "mycells.py").write_text(MGU, encoding="utf-8")

    def plain(x, h):
        return tanh(affine("h", h, x))

    for given in (CLASSIC["gru"], "gru", CLASSIC["gru"].program, plain, f"{tmp_path}/mycells.py:mgu"):
        output, state = Recurrent(given, 3, 4)(torch.randn(5, 2, 3))
        assert output.shape == (5, 2, 4)
        assert state.shape == (1, 2, 4)


def test_a_saved_layer_opens_where_its_cell_s_file_is_not(tmp_path: Path) -> None:
    file = tmp_path / "mycells.py"
    file.write_text(MGU, encoding="utf-8")
    layer = Recurrent(f"{file}:mgu", 3, 4, bidirectional=True)
    x = torch.randn(5, 2, 3)
    torch.save((layer, x, layer(x)[0]), tmp_path / "layer.pt")
    file.unlink()
    check = "import torch; layer, x, y = torch.load('layer.pt', weights_only=False); assert torch.equal(layer(x)[0], y)"
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True, timeout=60)


@pytest.mark.parametrize("name", CLASSIC)
def test_copies_are_equal_and_independent(name: str) -> None:
    layer = Recurrent(name, 3, 4, num_layers=2)
    x = torch.randn(5, 2, 3)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    for twin in (copy.deepcopy(layer), torch.load(buffer, weights_only=False)):
        assert torch.equal(twin(x)[0], layer(x)[0])
        torch.nn.init.zeros_(twin.weight_ih_l0)
        assert not torch.equal(twin(x)[0], layer(x)[0])


@pytest.mark.parametrize("name", CLASSIC)
def test_autocast_rounds_the_products_alone(name: str) -> None:
    layer = Recurrent(name, 8, 16)
    x = torch.randn(6, 4, 8)
    exact, _ = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = layer(x)
    states = state if isinstance(state, tuple) else (state,)
    assert {each.dtype for each in (output, *states)} == {torch.float32}
    # each of 6 steps rounds its operands and the pre-activations, whose sums stay below 4, to bfloat16's 8 bits
    torch.testing.assert_close(output, exact, atol=6 * 4 * torch.finfo(torch.bfloat16).eps, rtol=0.0)
    assert not torch.equal(output, exact)
    output.sum().backward()
    for weight in layer.parameters():
        assert weight.grad is not None
        assert weight.grad.dtype == torch.float32
        assert weight.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", CLASSIC)
def test_a_layer_keeps_its_dtype(name: str, dtype: torch.dtype) -> None:
    layer = Recurrent(name, 3, 4, dtype=dtype)
    output, _, records = layer(
        torch.randn(5, 2, 3, dtype=dtype), lengths=[5, 2], record=("h",) if name != "gru" else ("a",)
    )
    assert {output.dtype, *(value.dtype for value in records.values())} == {dtype}


def test_a_layer_can_be_made_without_memory() -> None:
    layer = LSTM(3, 4, device="meta")
    assert layer.weight_ih_l0.is_meta
    output, _ = layer(torch.randn(5, 2, 3, device="meta"))
    assert output.shape == (5, 2, 4)


def test_gradients_of_each_example_by_vmap() -> None:
    layer = LSTM(3, 4, dtype=torch.float64)
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    weights = dict(layer.named_parameters())

    def loss(weights: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        output, _ = functional_call(layer, weights, (row,))
        return output.square().sum()

    each = vmap(grad(loss), in_dims=(None, 1))(weights, x)
    for row in range(6):
        alone = grad(loss)(weights, x[:, row])
        for name in weights:
            torch.testing.assert_close(each[name][row], alone[name], atol=1e-12, rtol=0.0)


def test_the_gradient_s_own_gradient_exists() -> None:
    layer = GRU(3, 4)
    x = torch.randn(5, 2, 3, requires_grad=True)
    (first,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    first.square().sum().backward()
    assert layer.weight_hh_l0.grad is not None
    assert layer.weight_hh_l0.grad.abs().sum() > 0


def test_flatten_parameters_changes_nothing() -> None:
    layer = LSTM(3, 4)
    before = copy.deepcopy(layer.state_dict())
    layer.flatten_parameters()
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_no_rows_give_no_rows() -> None:
    for layer in (LSTM(3, 4, bidirectional=True), GRU(3, 4, reset_after=False), RNN(3, 4)):
        output, _ = layer(torch.randn(5, 0, 3))
        assert output.shape == (5, 0, 8 if layer.bidirectional else 4)
        output, _ = layer(torch.randn(5, 0, 3), lengths=[])
        assert output.shape[1] == 0


def test_rows_without_steps_keep_their_initial_states() -> None:
    layer = LSTM(3, 4, num_layers=2, bidirectional=True)
    h, c = torch.randn(4, 2, 4), torch.randn(4, 2, 4)
    output, (h_n, c_n) = layer(torch.full((5, 2, 3), torch.nan), (h, c), lengths=[0, 0])
    assert not output.any()
    assert torch.equal(h_n, h)
    assert torch.equal(c_n, c)


# records


def test_records_follow_the_form_of_the_input() -> None:
    x = torch.randn(5, 3, 2)
    layer = LSTM(2, 4, num_layers=2, bidirectional=True)
    _, _, expected = layer(x, lengths=[5, 2, 3], record=("f", "z_o", "c"))

    layer.batch_first = True
    _, _, first = layer(x.transpose(0, 1), lengths=[5, 2, 3], record=("f", "z_o", "c"))
    layer.batch_first = False
    packed = pack_padded_sequence(x, torch.tensor([5, 2, 3]), enforce_sorted=False)
    _, _, of_packed = layer(packed, record=("f", "z_o", "c"))
    _, _, alone = layer(x[:, 0], record=("f", "z_o", "c"))
    for name, values in expected.items():
        torch.testing.assert_close(first[name], values.transpose(2, 3))
        torch.testing.assert_close(of_packed[name], values)
        torch.testing.assert_close(alone[name], values[:, :, :, 0])
        assert not values[:, :, 2:, 1].any()
        assert values[:, :, :2, 1].all()


def test_recording_changes_nothing_and_one_name_will_do() -> None:
    layer = GRU(3, 4)
    x = torch.randn(5, 2, 3)
    output, state, records = layer(x, record="z")
    assert torch.equal(output, layer(x)[0])
    assert torch.equal(state, layer(x)[1])
    assert list(records) == ["z"]


# forget bias


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole", "lstm_coupled"])
def test_the_forget_bias_is_what_was_asked_and_nothing_else_changes(name: str) -> None:
    torch.manual_seed(3)
    plain = Recurrent(name, 3, 4, num_layers=2, bidirectional=True)
    torch.manual_seed(3)
    biased = Recurrent(name, 3, 4, num_layers=2, bidirectional=True, forget_bias=1.5)
    row = [plain.program.values[index].name for index in plain.program.affines].index("f")
    rows = slice(4 * row, 4 * row + 4)
    for key, value in biased.named_parameters():
        expected = dict(plain.named_parameters())[key].detach().clone()
        if key.startswith("bias"):
            expected[rows] = value[rows]
        assert torch.equal(value, expected)
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        total = getattr(biased, "bias_ih" + suffix)[rows] + getattr(biased, "bias_hh" + suffix)[rows]
        assert torch.equal(total, torch.full((4,), 1.5))


# what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(0, 4), "input_size is 0: give a whole number of at least 1"),
        (lambda: LSTM(3, -4), "hidden_size is -4"),
        (lambda: LSTM(3, 4.0), "hidden_size is 4.0"),
        (lambda: LSTM(3, 4, num_layers=0), "num_layers is 0"),
        (lambda: LSTM(3, 4, dropout=1.5, num_layers=2), "dropout is 1.5: give a probability"),
        (lambda: LSTM(3, 4, proj_size=4), r"proj_size is 4: give a whole number below hidden_size \(4\)"),
        (lambda: RNN(3, 4, nonlinearity="sine"), "nonlinearity is 'sine': give 'tanh' or 'relu'"),
        (lambda: Recurrent("lstn", 3, 4), "no cell 'lstn': did you mean 'lstm'"),
        (lambda: Recurrent("gru", 3, 4, forget_bias=1.0), "cell gru has no forget gate: leave it out"),
        (lambda: LSTM(3, 4, bias=False, forget_bias=1.0), "forget_bias=1.0 was given, but bias=False"),
    ],
)
def test_arguments_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


X = torch.randn(5, 2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(X[..., :2]), r"2 features a step \(shape \(5, 2, 2\)\) but .* input_size=3"),
        (lambda layer: layer(X[:0]), "the input has no step"),
        (lambda layer: layer(X[0, 0]), "the input has 1 dimensions"),
        (lambda layer: layer(X, torch.zeros(1, 2, 4)), "hx has 1 state, and cell lstm has 2: give a tuple of h, c"),
        (lambda layer: layer(X, (torch.zeros(1, 2, 4), torch.zeros(2, 2, 4))), r"state c has shape \(2, 2, 4\)"),
        (lambda layer: layer(X, lengths=[5, 6]), r"lengths\[1\] is 6, but the input has 5 steps: give 0 to 5"),
        (lambda layer: layer(X, lengths=[5, -1]), r"lengths\[1\] is -1"),
        (lambda layer: layer(X, lengths=[5]), r"lengths= has shape \(1,\), and the batch has 2 rows"),
        (lambda layer: layer(X, lengths=[1.5, 2.0]), "lengths= must be whole numbers"),
        (lambda layer: layer(X[:, 0], lengths=[5]), "cut the sequence itself"),
        (lambda layer: layer(pack_padded_sequence(X, torch.tensor([5, 2])), lengths=[5, 2]), "leave it out"),
        (lambda layer: layer(X, record=("q",)), "record has 'q', which cell lstm does not name: it has .*z_i.*"),
    ],
)
def test_inputs_that_cannot_be_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call(LSTM(3, 4))


def test_a_cell_that_uses_its_output_outside_an_affine_has_no_projection() -> None:
    with pytest.raises(ValueError, match="cell gru cannot have proj_size"):
        Recurrent("gru", 3, 4, proj_size=2)


def test_dropout_without_a_place_is_said() -> None:
    with pytest.warns(UserWarning, match="acts between layers"):
        LSTM(3, 4, dropout=0.5)


@cell
def sums(x, h):
    return h + affine("h", x)


def test_a_cell_without_a_recurrent_product_runs() -> None:
    layer = Recurrent(sums, 3, 4)
    x = torch.randn(5, 2, 3)
    expected = torch.nn.functional.linear(x, layer.weight_ih_l0, layer.bias_ih_l0).cumsum(0)
    torch.testing.assert_close(layer(x)[0], expected)
    assert set(layer.state_dict()) == {"weight_ih_l0", "bias_ih_l0"}
