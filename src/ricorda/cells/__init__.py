"""The cells of the literature, as their equations; a file for each family.

A cell is a function of the input `x` and its states; it returns the new states, the first of which is the layer's
output. `affine("i", h, x)` is `W_i [h, x] + b_i`; the order of the affines is the order of the rows in the weights.
A cell is traced when it is first used.
"""

from ricorda.cells.gru import gru, gru_reset_after
from ricorda.cells.lstm import lstm, lstm_coupled, lstm_peephole
from ricorda.cells.vanilla import rnn, rnn_relu

__all__ = ["gru", "gru_reset_after", "lstm", "lstm_coupled", "lstm_peephole", "rnn", "rnn_relu"]
