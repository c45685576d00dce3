"""Recurrent layers: any cell (`Recurrent`), and `RNN`, `LSTM`, `GRU`, which replace torch.nn's."""

from ricorda.nn.recurrent import Recurrent
from ricorda.nn.stream import Stream
from ricorda.nn.torch_layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "Recurrent", "Stream"]
