"""Write gradients.png beside this file: the gradient's way back through an RNN, an LSTM and a GRU.

The second line of panels has gates that start open for long: a forget bias of 1, and chrono initialisation.
"""

from dataclasses import replace
from pathlib import Path

import torch

from ricorda.insight import GradientFlow, draw_flows, gradient_flow
from ricorda.insight.drawing import save_figure
from ricorda.nn import Recurrent


def keeping(cell: str, **option: float) -> GradientFlow:
    """The flow of a layer whose gates start with an option of `Recurrent`."""
    torch.manual_seed(0)
    flow = gradient_flow(Recurrent(cell, 64, 64, **option))
    ((name, value),) = option.items()
    return replace(flow, cell=f"{cell}, {name}={value:g}")


if __name__ == "__main__":
    flows = [gradient_flow(cell, steps=100, hidden_size=64, seed=0) for cell in ("rnn", "lstm", "gru")]
    flows += [keeping("lstm", forget_bias=1), keeping("lstm", memory=100), keeping("gru", memory=100)]
    for flow in flows:
        for state in flow.states.values():
            print(
                f"{flow.cell} {state.name}: half-life {state.half_life}, doubling time {state.doubling_time},", end=" "
            )
            print(
                f"memory {state.memory_length}, {state.verdict}, far end 10^{state.far_end:.2f}", flow.largest_exponent
            )
    save_figure(draw_flows(flows), Path(__file__).with_suffix(".png"))
