"""The network: windows normalised, read by recurrent layers, and turned into the steps that follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ricorda.data.beside import GAP, MASK, NOTHING, Beside, elapsed
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.tasks.forecast.heads import Head

LEAST_VARIANCE = 1e-5
"""The least variance of a window, for windows in which nothing moves; the paper's value."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a `ForecastNetwork`.

    Attributes
    ----------
    variables, covariates : int
        V and K.
    targets : tuple of int
        The places of the variables that are forecast.
    context, steps : int
        Steps that the network reads, and steps that it gives at once.
    patch : int
        Steps that are read together as one; their number divides the context.
    hidden, layers : int
        Units and number of the recurrent layers.
    ahead : int
        Steps after the training's series whose covariates are kept.
    """

    variables: int
    covariates: int
    targets: tuple[int, ...]
    context: int
    steps: int
    patch: int
    hidden: int
    layers: int
    ahead: int = 0


class ForecastNetwork(nn.Module):
    """A recurrent network from a window to the steps after it.

    A window is normalised by its own mean and deviation, and the output is scaled back by them (RevIN: Kim et al.
    2022). A linear map from each variable's window to its future may be added, the same for all variables (the
    autoregression of LSTNet: Lai et al. 2018). It begins as a repetition of the last value.

    Parameters
    ----------
    program : Program
        The cell.
    sizes : Sizes
        The network's sizes.
    head : Head
        The output at each step.
    independent : bool
        Whether each variable is a row of its own, so that the network sees it without the others.
    window : bool
        Whether windows are normalised.
    affine : bool
        Whether the normalisation has a learned gain and shift for each variable.
    autoregression : bool
        Whether there is a linear map beside the recurrent layers.
    dropout : float
        Probability of dropping an output of a recurrent layer in training.

    Attributes
    ----------
    end, end_covariates : Tensor [context, V], [context + ahead, K]
        The last steps of the training, from which a forecast may go on, and the covariates of these and later steps.
    end_seen : Tensor [context, V], only with a cell that reads a mask or a gap
        1 where a value of `end` was measured.
    """

    end: Tensor
    end_covariates: Tensor
    end_seen: Tensor

    def __init__(
        self,
        program: Program,
        sizes: Sizes,
        head: Head,
        *,
        independent: bool,
        window: bool,
        affine: bool,
        autoregression: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.sizes, self.head = sizes, head
        self.independent, self.window, self.dropout = independent, window, dropout
        self.beside = Beside.of(program)
        together = 1 if independent else sizes.variables
        between = dropout if sizes.layers > 1 else 0.0
        features = sizes.patch * (together + sizes.covariates)
        self.layers = Recurrent(program, features, sizes.hidden, sizes.layers, dropout=between)
        self.output_size = head.size * (1 if independent else len(sizes.targets))
        known = sizes.covariates * sizes.steps
        self.known = nn.Linear(sizes.hidden + known, sizes.hidden) if known else None
        self.output = nn.Linear(sizes.hidden, sizes.steps * self.output_size)
        self.autoregression = nn.Linear(sizes.context, sizes.steps) if autoregression else None
        if self.autoregression is not None:
            self._begin_with_the_last_value(self.autoregression)
        self.register_buffer("end", torch.zeros(sizes.context, sizes.variables))
        self.register_buffer("end_covariates", torch.zeros(sizes.context + sizes.ahead, sizes.covariates))
        if self.beside != NOTHING:
            self.register_buffer("end_seen", torch.ones(sizes.context, sizes.variables))
        self.gain = nn.Parameter(torch.ones(sizes.variables)) if affine else None
        self.shift = nn.Parameter(torch.zeros(sizes.variables)) if affine else None

    def forward(
        self, past: Tensor, past_covariates: Tensor, future_covariates: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """The forecast of the steps after windows.

        Parameters
        ----------
        past : Tensor [B, V, context]
            The variables of the windows.
        past_covariates, future_covariates : Tensor [B, K, context], [B, K, steps]
            The covariates of the windows and of the steps after them.
        seen : Tensor [B, V, context], optional
            1 where a value of the windows was measured; by default all were. Cells that read a mask or a gap see it.

        Returns
        -------
        Tensor [B, targets, steps, head.size]
        """
        chosen = [*self.sizes.targets]
        mean, deviation = self.moments(past, seen if self.beside.mask else None)
        normal = past
        if self.window:
            normal = (past - mean) / deviation
            mean, deviation = mean[:, chosen], deviation[:, chosen]
        if self.gain is not None and self.shift is not None:
            normal = normal * self.gain[:, None] + self.shift[:, None]
            deviation = deviation / (self.gain[chosen, None] + LEAST_VARIANCE**2)  # The paper adds it too.
            mean = mean - self.shift[chosen, None] * deviation
        output = self._read(normal, past_covariates, future_covariates, seen)
        if self.autoregression is not None:
            own = self.autoregression(normal[:, chosen])[..., None]
            if self.head.kind == "gaussian":  # It moves the mean alone, but all quantiles.
                own = F.pad(own, (0, 1))
            output = output + own
        return self.head.read(output, deviation[..., None], mean[..., None])

    def moments(self, past: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and deviation by which windows [B, V, context] are normalised, [B, V, 1]; 0 and 1 if they are not.

        Of the values that were seen, where that is known; of all where a window has none.
        """
        if not self.window:
            return past.new_zeros(1, 1, 1), past.new_ones(1, 1, 1)
        if seen is not None:
            seen = torch.where(seen.any(-1, keepdim=True), seen, 1.0)
            count = seen.sum(-1, keepdim=True)
            mean = (past * seen).sum(-1, keepdim=True) / count
            return mean, (((past - mean).square() * seen).sum(-1, keepdim=True) / count + LEAST_VARIANCE).sqrt()
        mean = past.mean(-1, keepdim=True)
        return mean, (past.var(-1, keepdim=True, unbiased=False) + LEAST_VARIANCE).sqrt()

    def _begin_with_the_last_value(self, autoregression: nn.Linear) -> None:
        """Start the training from this baseline, which is hard to beat on prices and the like."""
        for weight in (self.output.weight, self.output.bias, autoregression.weight, autoregression.bias):
            nn.init.zeros_(weight)
        nn.init.ones_(autoregression.weight[:, -1])

    def _beside(self, seen: Tensor | None, normal: Tensor) -> dict[str, Tensor]:
        """The second inputs of the cell [steps, rows, ...], from what was seen of windows [B, V, context]."""
        if self.beside == NOTHING:
            return {}
        sizes = self.sizes
        known = normal.new_ones(normal.shape) if seen is None else seen
        known = known[:, [*sizes.targets]].reshape(-1, 1, sizes.context) if self.independent else known
        read = self._patches(torch.cat([known, known.new_ones(len(known), sizes.covariates, sizes.context)], 1))
        inputs = {MASK: read} if self.beside.mask else {}
        return inputs | ({GAP: elapsed(self._patches(known).any(-1))} if self.beside.gap else {})

    def _patches(self, features: Tensor) -> Tensor:
        """What the cell reads at each step, [steps, rows, patch * F], of features [rows, F, context]."""
        patches = features.unfold(-1, self.sizes.patch, self.sizes.patch)  # [rows, F, context / patch, patch]
        return patches.permute(2, 0, 1, 3).flatten(2)

    def _read(self, normal: Tensor, past_covariates: Tensor, future_covariates: Tensor, seen: Tensor | None) -> Tensor:
        """The output of the recurrent layers, [B, targets, steps, head.size]."""
        sizes = self.sizes
        inputs = self._beside(seen, normal)
        if self.independent:
            rows = normal[:, [*sizes.targets]].reshape(-1, 1, sizes.context)  # [B * targets, 1, context]
            past_covariates = past_covariates.repeat_interleave(len(sizes.targets), 0)
            future_covariates = future_covariates.repeat_interleave(len(sizes.targets), 0)
        else:
            rows = normal
        features = torch.cat([rows, past_covariates], 1) if sizes.covariates else rows
        outputs, _ = self.layers(self._patches(features), inputs=inputs)
        read = F.dropout(outputs[-1], self.dropout, self.training)
        if self.known is not None:
            read = F.gelu(self.known(torch.cat([read, future_covariates.flatten(1)], 1)))
        output: Tensor = self.output(read)
        if self.independent:
            return output.view(len(normal), len(sizes.targets), sizes.steps, self.head.size)
        return output.view(len(normal), sizes.steps, len(sizes.targets), self.head.size).transpose(1, 2)
