"""Products of int8: whole numbers that are exact, scales that bound the error, and when they act."""

import warnings
from dataclasses import replace
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
import torch
from engine_cases import PROGRAMS
from random_cells import traced
from torch import Tensor, nn

import ricorda.nn as rn
from ricorda.engines.cpu.kernels import kernels as plans
from ricorda.engines.cpu.kernels.kernel import emit_forward
from ricorda.engines.cpu.products.library import emit_library
from ricorda.engines.cpu.products.tile import emit_tiles
from ricorda.engines.cpu.run import call
from ricorda.engines.cpu.words import target as words
from ricorda.engines.cpu.words.target import Target, host

D = torch.float64
EPS = torch.finfo(torch.float32).eps
PRODUCTS = {
    "tdpbusd": (None, "amx-int8"),
    "vpdpbusd, 512 bits": ("cascadelake", "avx512vnni"),
    "vpdpbusd, 256 bits": ("alderlake", "avxvnni"),
    "pmaddwd, 512 bits": ("skylake-avx512", "avx512bw"),
    "pmaddwd, 256 bits": ("haswell", "avx2"),
    "pmaddwd, 128 bits": ("x86-64", "sse2"),
    "any processor": (None, None),
}
"""Ways to multiply: LLVM's name of a processor of that kind, and what this one needs to run its code."""


@pytest.fixture(params=PRODUCTS)
def products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """The targets that the engine then asks for."""
    cpu, needed = PRODUCTS[request.param]
    if needed is not None and not llvm.get_host_cpu_features().get(needed):
        pytest.skip(f"this processor has no {needed}")
    asked: list[Target] = []

    def lesser(*arguments: Any, **options: Any) -> Target:
        made = host(*arguments, cpu=cpu, **options)
        if needed is None:
            made = words._only(**{**vars_of(made), "dot": ""})
        asked.append(made)
        return made

    monkeypatch.setattr(words, "host", lesser)
    return asked


def vars_of(made: Target) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Target.__dataclass_fields__}


def linear(I: int, H: int, **options: Any) -> rn.Recurrent:
    """A layer whose step is one affine: h = W x + U h + b."""
    cell = traced('def drawn(x, h):\n    return affine("a", x, h)')
    return rn.Recurrent(cell, I, H, engine="cpu", precision="int8", **options).eval()


def whole(rows: int, columns: int, seed: int) -> Tensor:
    """Whole numbers within -127 and 127, of which each row has the largest: its scale is 1."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-127, 128, (rows, columns), generator=generator)
    at = torch.randint(columns, (rows, 1), generator=generator)
    return numbers.scatter(1, at, 127 * (1 - 2 * torch.randint(2, (rows, 1), generator=generator))).float()


@pytest.mark.parametrize(("I", "H"), [(1, 1), (3, 5), (64, 64), (33, 130)])
def test_products_of_whole_numbers_are_exact(I: int, H: int, products: list[Target]) -> None:
    layer = linear(I, H)
    weights = dict(zip(layer.state_dict(), (whole(H, I, 1), whole(H, H, 2), whole(1, H, 3)[0]), strict=False))
    layer.load_state_dict({name: weights.get(name, torch.zeros(H)) for name in layer.state_dict()})
    for B in (1, 3, 17, 40):
        x, h = whole(B, I, 4), whole(B, H, 5)
        with torch.inference_mode():
            y, _ = layer(x[None], h[None])
        W, U, b = (value.numpy().astype(np.int64) for value in weights.values())
        expected = x.numpy().astype(np.int64) @ W.T + h.numpy().astype(np.int64) @ U.T + b
        assert (y[0].numpy().astype(np.int64) == expected).all()
    assert "int8" in {made.products for made in products}


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The whole numbers of rows, and their scales, by numpy in float32."""
    values = rows.numpy()
    top = np.abs(values).max(1, keepdims=True)
    return torch.from_numpy(np.rint(values * (np.float32(127) / top))), torch.from_numpy(top / np.float32(127))


@pytest.mark.parametrize("sizes", [(7, 33), (64, 18)], ids=str)
def test_a_step_is_that_of_rounded_factors(sizes: tuple[int, int], products: list[Target]) -> None:
    layer = linear(*sizes)
    x, h = torch.randn(9, sizes[0]) * torch.logspace(-3, 3, 9)[:, None], torch.rand(9, sizes[1]) - 0.5
    with torch.inference_mode():
        y = layer(x[None], h[None])[0][0].to(D)
        W, U, b_ih, b_hh = (weight.detach() for weight in layer.parameters())
        expected, bound = (b_ih + b_hh).to(D), torch.zeros((), dtype=D)
        for rows, matrix in ((x, W), (h, U)):
            (q, scale), (q_w, scale_w) = rounded(rows), rounded(matrix)
            sums = q.to(D) @ q_w.to(D).T  # Exact.
            expected = expected + sums * scale.to(D) * scale_w.to(D).T
            bound = bound + sums.abs() * scale * scale_w.T
        # Three roundings of each product, and those of the sums.
        assert ((y - expected).abs() <= 8 * EPS * (bound + expected.abs() + 1)).all()
        # Half a unit of each factor, and what both do together.
        exact, error = (b_ih + b_hh).to(D), torch.zeros((), dtype=D)
        for rows, matrix in ((x.to(D), W.to(D)), (h.to(D), U.to(D))):
            of_rows, of_matrix = (each.abs().amax(1, keepdim=True) / 254 for each in (rows, matrix))
            exact = exact + rows @ matrix.T
            error = error + rows.abs().sum(1, keepdim=True) * of_matrix.T + of_rows * matrix.abs().sum(1)[None]
            error = error + rows.shape[1] * of_rows * of_matrix.T
        assert ((y - exact).abs() <= error * 1.001).all()
        assert ((y - exact).abs() > 1e-6 * error).any()  # It does round.
    assert products


@pytest.mark.parametrize("B", [1, 5])
def test_long_sums_do_not_overflow(B: int) -> None:
    layer = linear(140_000, 2, bias=False)
    with torch.inference_mode():
        for weight in layer.parameters():
            weight.fill_(1.0)
        y = layer(torch.ones(1, B, 140_000))[0]
    torch.testing.assert_close(y, torch.full_like(y, 140_000), rtol=4 * EPS, atol=0)


def twins(cell: Any, *sizes: int, **options: Any) -> tuple[rn.Recurrent, rn.Recurrent]:
    """Two layers of the same weights, in float32 and in int8, both in evaluation."""
    full = rn.Recurrent(cell, *sizes, engine="cpu", **options).eval()
    int8 = rn.Recurrent(cell, *sizes, engine="cpu", precision="int8", **options).eval()
    int8.load_state_dict(full.state_dict())
    return full, int8


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program_is_near_its_result_in_float32(name: str) -> None:
    torch.manual_seed(3)
    program = PROGRAMS[name]
    if program.masks or len(program.inputs) > 1:
        pytest.skip("drawn masks and second inputs are tested with their own layers")
    full, int8 = twins(program, 7, 33, proj_size=20 if program.projected else 0)
    x = torch.randn(6, 5, 7)
    with torch.inference_mode():
        for lengths in (None, [3, 0, 6, 1, 5]):
            y, expected = int8(x, lengths=lengths)[0], full(x, lengths=lengths)[0]
            assert y.isfinite().all()
            assert (y - expected).abs().max() <= 0.05 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "lstm_peephole"])
def test_stacks_both_directions_and_options(name: str) -> None:
    torch.manual_seed(4)
    full, int8 = twins(name, 7, 33, num_layers=2, bidirectional=True, layer_norm=True, zoneout=0.1)
    x = torch.randn(12, 4, 7)
    with torch.inference_mode():
        y, expected = int8(x, lengths=[12, 3, 0, 7])[0], full(x, lengths=[12, 3, 0, 7])[0]
    assert 0 < (y - expected).abs().max() < 0.1


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("B", [1, 9, 40])
def test_thread_counts_and_streams_give_the_same_bits(name: str, B: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "ALONE", 0)  # small cases go to the team too
    monkeypatch.setattr(call, "SHARED_UNITS", 0)
    layer, x = rn.Recurrent(name, 5, 71, engine="cpu", precision="int8").eval(), torch.randn(6, B, 5)
    results = []
    with torch.inference_mode():
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(layer(x)[0])
    stream = layer.stream(B)
    results.append(torch.stack([stream(step) for step in x]))
    assert all(torch.equal(each, results[0]) for each in results[1:])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("H", [33, 256])
def test_a_stream_has_the_precision_that_it_is_given(precision: str, H: int) -> None:
    full = rn.LSTM(5, H, num_layers=2).eval()
    x = torch.randn(4, 5)
    streams = {name: full.stream(precision=name) for name in ("float32", precision)}
    rounds = rn.LSTM(5, H, num_layers=2, precision=precision).eval()
    rounds.load_state_dict(full.state_dict())
    with torch.inference_mode():
        expected = {"float32": full(x)[0], precision: rounds(x)[0]}
    assert not torch.equal(expected[precision], expected["float32"])
    own = rounds.stream()
    for step, *rows in zip(x, *expected.values(), strict=True):
        for stream, row in zip(streams.values(), rows, strict=True):
            torch.testing.assert_close(stream(step), row, rtol=0, atol=8 * EPS)
        torch.testing.assert_close(own(step), rows[1], rtol=0, atol=8 * EPS)
    with pytest.raises(ValueError, match=r"^precision is 'int4': give 'float32', 'bf16' or 'int8'$"):
        full.stream(precision="int4")


def test_it_acts_in_evaluation_without_gradients() -> None:
    full, int8 = twins("lstm", 5, 17)
    x = torch.randn(4, 3, 5)
    expected = full(x)[0]
    with pytest.warns(UserWarning, match="computes gradients in float32"):
        assert torch.equal(int8(x)[0], expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(int8.train()(x)[0], expected)
        with torch.no_grad():
            assert torch.equal(int8(x)[0], expected)
            assert not torch.equal(int8.eval()(x)[0], expected)
        assert not torch.equal(int8.requires_grad_(False)(x)[0], expected)


def test_what_has_no_int8_is_computed_in_full() -> None:
    full, int8 = twins("gru", 5, 17, dtype=D)
    x = torch.randn(4, 3, 5, dtype=D)
    with torch.inference_mode():
        assert torch.equal(full(x)[0], int8(x)[0])


def test_numbers_that_are_not_finite_stay_so_in_their_row() -> None:
    full, int8 = twins("lstm", 20, 17)
    x = torch.randn(3, 4, 20)
    with torch.inference_mode():
        expected = int8(x)[0]
        for bad in (torch.nan, torch.inf):
            x[1, 2, 3] = bad
            y = int8(x)[0]
            assert not y[1, 2].isfinite().any()
            assert torch.equal(y[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    x = torch.zeros(3, 4, 20)
    x[0, 1], x[0, 2] = 1e-38, 1e38
    with torch.inference_mode():
        torch.testing.assert_close(int8(x)[0], full(x)[0], rtol=0, atol=0.02)


def test_precision_of_all_layers_of_a_module() -> None:
    module = nn.Sequential(rn.LSTM(2, 3), nn.ModuleList([rn.GRU(3, 3)]))
    rn.set_precision(module, "int8")
    assert [layer.precision for layer in module.modules() if isinstance(layer, rn.Recurrent)] == ["int8"] * 2
    with pytest.raises(ValueError, match=r"^precision is 'int4'"):
        rn.set_precision(module, "int4")


@pytest.mark.parametrize(
    ("triple", "dot", "instruction"),
    [
        ("aarch64-unknown-linux-gnu", "sdot", "sdot"),
        ("aarch64-unknown-linux-gnu", "", "mla"),
        ("x86_64-unknown-linux-gnu", "pmaddwd", "pmaddwd"),
    ],
)
def test_code_for_other_processors(triple: str, dot: str, instruction: str) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    arm = triple.startswith("aarch64")
    target = replace(
        host("f32", "int8"),
        triple=triple,
        cpu="generic" if arm else "nehalem",
        features="+dotprod" if dot == "sdot" else "",
        lanes=4,
        registers=32 if arm else 16,
        has_fma=arm,
        dot=dot,
    )
    kernels = plans.kernels_for(PROGRAMS["rnn"], ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), target)
    modules = (
        emit_tiles(target),
        emit_library(target),
        emit_forward(target, kernels.forward, kernels.inputs, False).module,
    )
    assemblies = []
    for module in modules:
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        assemblies.append(target.machine().emit_assembly(parsed))
    assert f"\t{instruction}\t" in assemblies[0]
