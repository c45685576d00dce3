"""Cells against torchrecurrent with the same weights, where it is installed and follows the paper.

It is no dependency. Where it leaves a paper, the cell's `differs` says so, and the oracle in NumPy is what holds.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ricorda.catalogue import CELLS
from ricorda.nn import Recurrent

D = torch.float64
T, B, I, H = 5, 3, 2, 4

SAME = {
    "atr": "ATR",
    "fastrnn": "FastRNN",
    "lightru": "LightRU",
    "ligru": "LiGRU",
    "lstm1997": "OriginalLSTM",
    "mclstm": "MCLSTM",
    "mgu": "MGU",
    "miru1": "MiRU1",
    "miru2": "MiRU2",
    "mut1": "MUT1",
    "mut2": "MUT2",
    "mut3": "MUT3",
    "nas": "NAS",
    "nbr": "NBR",
    "sgrn": "SGRN",
    "sgu": "SGU",
    "star": "STAR",
    "trnn": "TRNN",
    "ugrnn": "UGRNN",
}
"""Cells whose affines stand in the order of torchrecurrent's weights, so that these can be copied as they are."""

Theirs = dict[str, Tensor]

OF_INPUT_BEFORE: dict[str, Callable[[Theirs], Tensor]] = {
    f"weight_{gate}_2": lambda their, place=place: their["weight_hh"].chunk(3)[place]
    for place, gate in enumerate("zfo")
}
"""Weights of the input before."""

OTHER: dict[str, tuple[str, dict[str, Callable[[Theirs], Tensor]]]] = {
    "minimalrnn": ("MinimalRNN", {"weight_hh2": lambda their: their["weight_mm"]}),
    "ran": ("RAN", {"weight_ih": lambda their: their["weight_ih"].roll(-H, 0)}),
    "tgru": ("TGRU", OF_INPUT_BEFORE),
    "tlstm": ("TLSTM", OF_INPUT_BEFORE),
    "unicornn": ("UnICORNN", {"c": lambda their: their["weight_ch"], "w": lambda their: their["weight_hh"]}),
    "dsgu": ("DSGU", {"weight_hh": lambda their: torch.cat([their["weight_hh"], their["weight_ho"]])}),
    "lstm_peephole": (
        "PeepholeLSTM",
        {
            f"p_{gate}": lambda their, place=place: their["weight_ph"].chunk(3)[place]
            for place, gate in enumerate("ifo")
        },
    ),
}
"""Cells for which some weights are named or joined in another way."""


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_values_and_gradients_are_those_of_torchrecurrent(name: str) -> None:
    peers = pytest.importorskip("torchrecurrent", reason="torchrecurrent is not installed")
    of, changed = OTHER.get(name, (SAME.get(name, ""), {}))
    theirs, ours = getattr(peers, of)(I, H, dtype=D), Recurrent(name, I, H, engine="reference", dtype=D)
    weights = {key.removeprefix("cells.0."): weight for key, weight in theirs.named_parameters()}

    def as_ours(values: Theirs) -> Theirs:
        own = {key: key.removesuffix("_l0") for key, _ in ours.named_parameters()}
        return {key: changed[word](values) if word in changed else values[word] for key, word in own.items()}

    with torch.no_grad():
        for weight in weights.values():
            weight.copy_(0.6 * torch.randn_like(weight))
        ours.load_state_dict(as_ours(weights))
    x = torch.randn(T, B, I, dtype=D, requires_grad=True)
    our, their = ours(x)[0], theirs(x)[0]
    torch.testing.assert_close(our, their, atol=1e-10, rtol=1e-10)

    cotangent = torch.randn_like(our)
    gradient, *of_ours = torch.autograd.grad(our, [x, *ours.parameters()], cotangent)
    expected, *of_theirs = torch.autograd.grad(their, [x, *weights.values()], cotangent)
    bound = 1e-7 if name in ("sgu", "dsgu") else 1e-10  # The derivative of torch's hardsigmoid has 1/6 in float32.
    torch.testing.assert_close(gradient, expected, atol=bound, rtol=bound)
    joined = as_ours(dict(zip(weights, of_theirs, strict=True)))  # A gradient is cut and joined as its weights are.
    for one, other in zip(of_ours, joined.values(), strict=True):
        torch.testing.assert_close(one, other, atol=bound, rtol=bound)


def test_what_is_compared_is_in_the_catalogue() -> None:
    assert {*SAME, *OTHER} <= set(CELLS)
