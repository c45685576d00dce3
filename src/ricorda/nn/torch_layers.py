"""`RNN`, `LSTM` and `GRU`: the layers of torch.nn by name, argument and default, on `Recurrent`."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ricorda import cells
from ricorda.errors import ArgumentError
from ricorda.nn.recurrent import Recurrent


class RNN(Recurrent):
    """The vanilla recurrent layer, in the place of torch.nn.RNN; for the parameters see `Recurrent`.

    Parameters
    ----------
    nonlinearity : {"tanh", "relu"}
        What squashes the state.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        weight_drop: float = 0.0,
        layer_norm: bool = False,
        engine: str = "auto",
        checkpoint: str | int | None = None,
        precision: str = "float32",
    ) -> None:
        known = {"tanh": cells.rnn, "relu": cells.rnn_relu}
        if nonlinearity not in known:
            raise ArgumentError(f"nonlinearity is {nonlinearity!r}: give 'tanh' or 'relu'")
        self.nonlinearity = nonlinearity
        super().__init__(
            known[nonlinearity],
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            zoneout=zoneout,
            input_dropout=input_dropout,
            state_dropout=state_dropout,
            weight_drop=weight_drop,
            layer_norm=layer_norm,
            engine=engine,
            checkpoint=checkpoint,
            precision=precision,
            device=device,
            dtype=dtype,
        )


class LSTM(Recurrent):
    """The LSTM layer, in the place of torch.nn.LSTM; for the parameters see `Recurrent`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        forget_bias: float | None = None,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        layer_norm: bool = False,
        engine: str = "auto",
        checkpoint: str | int | None = None,
        precision: str = "float32",
    ) -> None:
        super().__init__(
            cells.lstm,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            forget_bias=forget_bias,
            zoneout=zoneout,
            input_dropout=input_dropout,
            state_dropout=state_dropout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            layer_norm=layer_norm,
            engine=engine,
            checkpoint=checkpoint,
            precision=precision,
            device=device,
            dtype=dtype,
        )


class GRU(Recurrent):
    """The GRU layer, in the place of torch.nn.GRU; for the parameters see `Recurrent`.

    Parameters
    ----------
    reset_after : bool
        Whether the reset gate acts after the recurrent product, as in torch and cuDNN (gates r z n, z keeps the old),
        or before it, as in Cho et al. 2014 and the course (gates r u a, u lets the new in).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        layer_norm: bool = False,
        engine: str = "auto",
        checkpoint: str | int | None = None,
        precision: str = "float32",
    ) -> None:
        self.reset_after = reset_after
        super().__init__(
            cells.gru_reset_after if reset_after else cells.gru,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            zoneout=zoneout,
            input_dropout=input_dropout,
            state_dropout=state_dropout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            layer_norm=layer_norm,
            engine=engine,
            checkpoint=checkpoint,
            precision=precision,
            device=device,
            dtype=dtype,
        )

    def extra_repr(self) -> str:
        """The arguments, as torch.nn prints them."""
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")
