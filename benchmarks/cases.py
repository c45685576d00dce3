"""What is measured: cells, sizes and the arithmetic that each takes. Plain numbers, no library."""

from __future__ import annotations

from dataclasses import dataclass

GATES = {"RNN": 1, "GRU": 3, "GRU reset-before": 3, "LSTM": 4}
"""Blocks of rows in a cell's weights. "GRU" has the reset gate after the product, as torch.nn."""


@dataclass(frozen=True)
class Case:
    """A layer and the sequence that it reads."""

    cell: str
    B: int
    H: int
    T: int = 100
    input_size: int | None = None
    layers: int = 1
    directions: int = 1

    @property
    def I(self) -> int:  # noqa: E743, N802
        return self.H if self.input_size is None else self.input_size

    @property
    def label(self) -> str:
        parts = [self.cell, f"T{self.T}", f"B{self.B}", f"H{self.H}"]
        if self.I != self.H:
            parts.append(f"I{self.I}")
        if self.layers > 1:
            parts.append(f"{self.layers} layers")
        if self.directions > 1:
            parts.append("both directions")
        return " ".join(parts)

    @property
    def forward_flops(self) -> int:
        """Multiplications and additions of the matrix products: 2 T B G (I + H) for each layer and direction."""
        inputs = [self.I] + [self.directions * self.H] * (self.layers - 1)
        rows = GATES[self.cell] * self.H
        return sum(self.directions * 2 * self.T * self.B * rows * (size + self.H) for size in inputs)

    def flops(self, mode: str) -> int:
        """Of "training" (each product has two more in the gradient) or of "inference"."""
        return self.forward_flops * (3 if mode == "training" else 1)


SIZES = ((1, 64, 100), (32, 64, 100), (32, 128, 100), (32, 256, 100), (64, 512, 100), (64, 1024, 50))
QUICK_SIZES = SIZES[:2]


def grid(quick: bool) -> list[Case]:
    """Every cell at every size, then the odd one."""
    sizes = QUICK_SIZES if quick else SIZES
    cases = [Case(cell, B, H, T) for cell in GATES for B, H, T in sizes]
    return cases + [Case(cell, 7, 100, 33, input_size=37, layers=2, directions=2) for cell in GATES]


def sweeps(quick: bool) -> dict[str, list[Case]]:
    """One size at a time, the others held: what the picture of time against H, B and T shows."""
    H = (32, 64) if quick else (32, 64, 128, 256, 512, 1024)
    B = (1, 8) if quick else (1, 4, 16, 64, 256)
    T = (1, 10) if quick else (1, 10, 100, 1000)
    held = 32 if quick else 128
    return {
        "H": [Case("LSTM", 32, size) for size in H],
        "B": [Case("LSTM", size, held) for size in B],
        "T": [Case("LSTM", 32, held, size) for size in T],
    }
