"""The cells of the literature, as their equations; a file for each family.

A cell is a function of the input `x` and its states; it returns the new states, the first of which is the layer's
output. `affine("i", h, x)` is `W_i [h, x] + b_i`; the order of the affines is the order of the rows in the weights.
A cell is traced when it is first used.
"""

from ricorda.cells.gated import atr, br, cfn, fastgrnn, janet, minimalrnn, nbr, ran, sgrn, star, ugrnn
from ricorda.cells.gru import (
    dsgu,
    gru,
    gru_reset_after,
    lightru,
    ligru,
    mgu,
    mgu1,
    mgu2,
    mgu3,
    miru1,
    miru2,
    mut1,
    mut2,
    mut3,
    sgu,
)
from ricorda.cells.linear import mingru, mingru_log, minlstm, sru, trnn
from ricorda.cells.lstm import indylstm, lstm, lstm1997, lstm_coupled, lstm_peephole, slim1, slim2, slim3
from ricorda.cells.lstm_larger import mclstm, mlstm, nas, nested_lstm, reslstm, wmclstm
from ricorda.cells.oscillators import antisymmetric, cornn, gated_antisymmetric, lem, lipschitz, unicornn
from ricorda.cells.times import cfc
from ricorda.cells.vanilla import esn, fastrnn, indrnn, irnn, jordan, mi_rnn, mrnn, rnn, rnn_relu, scrn

__all__ = [
    "antisymmetric",
    "atr",
    "br",
    "cfc",
    "cfn",
    "cornn",
    "dsgu",
    "esn",
    "fastgrnn",
    "fastrnn",
    "gated_antisymmetric",
    "gru",
    "gru_reset_after",
    "indrnn",
    "indylstm",
    "irnn",
    "janet",
    "jordan",
    "lem",
    "lightru",
    "ligru",
    "lipschitz",
    "lstm",
    "lstm1997",
    "lstm_coupled",
    "lstm_peephole",
    "mclstm",
    "mgu",
    "mgu1",
    "mgu2",
    "mgu3",
    "mi_rnn",
    "mingru",
    "mingru_log",
    "minimalrnn",
    "minlstm",
    "miru1",
    "miru2",
    "mlstm",
    "mrnn",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "nbr",
    "nested_lstm",
    "ran",
    "reslstm",
    "rnn",
    "rnn_relu",
    "scrn",
    "sgrn",
    "sgu",
    "slim1",
    "slim2",
    "slim3",
    "sru",
    "star",
    "trnn",
    "ugrnn",
    "unicornn",
    "wmclstm",
]
