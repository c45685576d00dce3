"""A process that lets torch.compile compile a Python loop of a cell, and times it beside ricorda; JSON on its output.

Run by custom.py: python compiled.py CELL THREADS
"""

from __future__ import annotations

import json
import sys
import time

import torch
from cases import Case
from custom import CELLS, COMPILED, size
from measure import Plan, interleave
from problem import OURS, Problem, module_runs
from torch import Tensor, nn

import ricorda


def mgu(z: Tensor, states: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    (h,) = states
    H = h.shape[1]
    f = torch.sigmoid(z[:, :H] + h @ W[:H].T)
    candidate = torch.tanh(z[:, H:] + (f * h) @ W[H:].T)
    return ((1 - f) * h + f * candidate,)


def janet(z: Tensor, states: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    (c,) = states
    s, candidate = (z + c @ W.T).chunk(2, 1)
    return (torch.sigmoid(s) * c + (1 - torch.sigmoid(s - 1)) * torch.tanh(candidate),)


def lem(z: Tensor, states: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    h, memory = states
    H = h.shape[1]
    slow, fast, new = (z[:, : 3 * H] + h @ W[: 3 * H].T).chunk(3, 1)
    slow, fast = torch.sigmoid(slow), torch.sigmoid(fast)
    h = (1 - slow) * h + slow * torch.tanh(z[:, 3 * H :] + memory @ W[3 * H :].T)
    return h, (1 - fast) * memory + fast * torch.tanh(new)


STEPS = {"MGU": (mgu, 1), "JANET": (janet, 1), "LEM": (lem, 2)}


class Loop(nn.Module):
    """A layer as users write it for torch.compile: the input's products at once, then a loop over the steps."""

    def __init__(self, name: str, like: ricorda.Recurrent) -> None:
        super().__init__()
        self.step, self.states = STEPS[name]
        for key, weight in like.named_parameters():
            self.register_parameter(key, nn.Parameter(weight.detach().clone()))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        z = x @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0
        states = tuple(x.new_zeros(x.shape[1], self.weight_hh_l0.shape[1]) for _ in range(self.states))
        outputs = []
        for t in range(x.shape[0]):
            states = self.step(z[t], states, self.weight_hh_l0)
            outputs.append(states[0])
        return (torch.stack(outputs),)


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    sizes = size(quick=False)
    layer = ricorda.Recurrent(CELLS[name], sizes["H"], sizes["H"])
    problem = Problem(Case("RNN", **sizes))
    ours, peer = module_runs(layer, problem), module_runs(torch.compile(Loop(name, layer)), problem)
    start = time.perf_counter()
    torch.testing.assert_close(peer.infer(), ours.infer(), rtol=1e-3, atol=1e-4)
    assert ours.train is not None
    assert peer.train is not None
    peer.train()
    seconds = time.perf_counter() - start
    times = interleave({OURS: ours.train, COMPILED: peer.train}, Plan())
    print(json.dumps({"compile_seconds": seconds, "times": times}))


if __name__ == "__main__":
    main()
