"""The worked examples of the course, as settings of the tab: one click, and one address each."""

from __future__ import annotations

from collections.abc import Mapping

_LSTM = "2,1.65,0.62,2.7,1.63,1.62,1.41,0.94,-0.32,4.38,-0.19,0.59"
"""Of the gates i, f, g, o: the weight of the short-term memory, that of the input, the bias."""

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "days_rnn": {"cell": "rnn", "x": "1;0.5;0.25;1", "w": "0.5,1,0"},
    "company_a": {"cell": "lstm", "x": "0;0.5;0.25;1", "w": _LSTM},
    "company_b": {"cell": "lstm", "x": "1;0.5;0.25;1", "w": _LSTM},
    "days_gru": {"cell": "gru", "x": "1;0.5;0.25;1"},
}
"""By the key of their name in the tab's texts."""
