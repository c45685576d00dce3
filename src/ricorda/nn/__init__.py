"""Recurrent layers: any cell (`Recurrent`), and `RNN`, `LSTM`, `GRU`, which replace torch.nn's."""

from ricorda.nn.onnx_import.read import from_onnx
from ricorda.nn.precision import set_precision
from ricorda.nn.recurrent import Recurrent
from ricorda.nn.stream import Stream
from ricorda.nn.torch_layers import GRU, LSTM, RNN
from ricorda.nn.watching import GradientNorms, watch_gradients

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GradientNorms",
    "Recurrent",
    "Stream",
    "from_onnx",
    "set_precision",
    "watch_gradients",
]
