"""The charts of the tab, as ECharts wants them; numbers below the axis, and zeros, have places of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ricorda.data.synthetic.adding import LEARNED, VARIANCE
from ricorda.page.colours import colour_of
from ricorda.page.visit import Visit

FLOOR = -20
"""log10 of the smallest norm that the axis reaches."""
BELOW, ZERO = FLOOR - 2, FLOOR - 4
"""Where norms stand that are smaller, and those that are zero."""
LEAST_ERROR, MOST_ERROR = 1e-5, 10.0

_MARKS = 12
"""Arrows at most along what is below the axis."""
_POWER = "(p => '10' + String(p).replace('-', '⁻').replace(/[0-9]/g, d => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]))"  # 10⁻⁴


def gradient_chart(visit: Visit, look: dict[str, Any]) -> dict[str, Any]:
    """The norms of the gradients of all cells by distance."""
    ink, faint = _inks(visit)
    ticks = list(range(FLOOR, _top(look) + 1, 4))
    below, zero = json.dumps(visit.text("below")), json.dumps(visit.text("zero"))
    label = f"v => v === {BELOW} ? {below} : v === {ZERO} ? {zero} : {_POWER}(Math.round(v))"
    series = [
        _series(visit, cell, state, norms["log10_norm"], first=place == 0)
        for cell, about in look["cells"].items()
        for place, (state, norms) in enumerate(reversed(about["flow"]["states"].items()))
    ]
    lost: dict[str, Any] = {"data": []}
    if look["cells"]:
        lost = _line(math.log10(look["lost"]), visit.text("lost"), faint, "insideStartBottom")
    steps = max((about["flow"]["steps"] for about in look["cells"].values()), default=2)
    series.append(
        {
            "type": "line",
            "name": "",
            "data": [],
            "silent": True,
            "markLine": lost,
            "markArea": {
                "silent": True,
                "itemStyle": {"color": faint, "opacity": 0.1},
                "data": [[{"yAxis": FLOOR}, {"yAxis": ZERO - 1}]],
            },
        }
    )
    return {
        **_base(visit),
        "xAxis": {
            **_axis(visit, visit.text("distance")),
            "type": "value",
            "min": 0,
            "max": steps - 1,
            "minInterval": 1,
            "splitLine": {"show": False},
        },
        "yAxis": {
            **_axis(visit),
            "type": "value",
            "min": ZERO - 1,
            "max": _top(look),
            "interval": 4,
            "axisLabel": {
                "color": ink,
                "fontSize": 15,
                "customValues": [ZERO, BELOW, *ticks],
                ":formatter": label,
            },
            "axisTick": {"show": False},
            "splitLine": {"show": False},
        },
        "series": series,
    }


def error_chart(visit: Visit, looks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean squared error of each cell on new sequences by training step."""
    ink, faint = _inks(visit)
    cells = looks[-1]["cells"] if looks else {}
    series: list[dict[str, Any]] = [
        {
            "type": "line",
            "name": cell.upper(),
            "showSymbol": len(looks) == 1,
            "symbolSize": 8,
            "lineStyle": {"width": 3},
            "itemStyle": {"color": colour_of(cell, visit.dark)},
            "data": [
                [look["step"], min(max(error, LEAST_ERROR), MOST_ERROR), short(error)]
                for look in looks
                if (error := look["cells"][cell]["numbers"].get("mean_squared_error")) is not None
            ],
        }
        for cell in cells
    ]
    lines = _line(VARIANCE, visit.text("guess"), ink)
    lines["data"].append({"yAxis": LEARNED, "name": visit.text("learned_line")})
    series.append({"type": "line", "name": "", "data": [], "silent": True, "markLine": lines})
    most = looks[-1]["of"] if looks else 1
    done = looks[-1]["step"] if looks else 0
    return {
        **_base(visit),
        "xAxis": {
            **_axis(visit, visit.text("steps_learned")),
            "type": "value",
            "min": 0,
            "max": next((end for end in (250, 500, 1_000, 2_000) if done <= end), most),
            "minInterval": 1,
            "splitLine": {"show": False},
        },
        "yAxis": {
            **_axis(visit),
            "type": "log",
            "min": LEAST_ERROR,
            "max": MOST_ERROR,
            "axisLabel": {"color": ink, "fontSize": 15, ":formatter": f"v => {_POWER}(Math.round(Math.log10(v)))"},
            "splitLine": {"lineStyle": {"color": faint, "opacity": 0.2}},
        },
        "series": series,
    }


def short(number: float | None, *, log: bool = False) -> str:
    """A number in two digits, such as 0.17 or 3·10⁻²¹; `log`: its log10 is given, and None is zero."""
    if number is None:
        return "0"
    exponent = math.floor(number) if log else (math.floor(math.log10(number)) if number > 0 else 0)
    digits = 10 ** (number - exponent) if log else number / 10**exponent
    if exponent >= -3 and exponent < 4:
        return f"{digits * 10**exponent:.2g}" if exponent < 2 else f"{digits * 10**exponent:.0f}"
    written = f"{digits:.1f}".removesuffix(".0")
    if written == "10":
        written, exponent = "1", exponent + 1
    return f"{written}·10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _top(look: dict[str, Any]) -> int:
    """log10 of the axis's upper end, more if a gradient grows."""
    logs = [
        log
        for about in look["cells"].values()
        for state in about["flow"]["states"].values()
        for log in state["log10_norm"]
        if log is not None
    ]
    return max(1, math.ceil(max(logs, default=0.0)))


def _series(visit: Visit, cell: str, state: str, logs: list[float | None], *, first: bool) -> dict[str, Any]:
    """The line of a state; that through which the gradient lasts is drawn thick."""
    hidden = [at for at, log in enumerate(logs) if log is None or log < FLOOR]
    marked = set(hidden[:: max(1, -(-len(hidden) // _MARKS))])
    data: list[Any] = []
    for at, log in enumerate(logs):
        y = ZERO if log is None else BELOW if log < FLOOR else log
        value = [at, y, short(log, log=True)]
        sign = "diamond" if log is None else "triangle"
        data.append(
            {"value": value, "symbol": sign, "symbolSize": 9, "symbolRotate": 180} if at in marked else {"value": value}
        )
    return {
        "type": "line",
        "name": f"{cell.upper()} {state}",
        "symbol": "none",
        "showSymbol": True,
        "showAllSymbol": True,
        "data": data,
        "lineStyle": {"width": 4 if first else 2, "type": "solid" if first else "dashed"},
        "itemStyle": {"color": colour_of(cell, visit.dark)},
        "emphasis": {"disabled": True},
    }


def _base(visit: Visit) -> dict[str, Any]:
    ink, _ = _inks(visit)
    return {
        "animation": False,
        "textStyle": {"color": ink, "fontSize": 15},
        "grid": {"left": 12, "right": 24, "top": 48, "bottom": 36, "containLabel": True},
        "legend": {"top": 0, "textStyle": {"color": ink, "fontSize": 17}, "itemWidth": 34},
        "tooltip": {
            "trigger": "axis",
            ":formatter": "rows => rows.length ? '<b>' + rows[0].value[0] + '</b><br>' + "
            "rows.map(row => row.marker + row.seriesName + ': ' + row.value[2]).join('<br>') : ''",
        },
    }


def _axis(visit: Visit, name: str = "") -> dict[str, Any]:
    ink, faint = _inks(visit)
    return {
        "name": name,
        "nameLocation": "middle",
        "nameGap": 34,
        "nameTextStyle": {"color": ink, "fontSize": 15},
        "axisLabel": {"color": ink, "fontSize": 15},
        "axisLine": {"show": True, "onZero": False, "lineStyle": {"color": faint}},
    }


def _line(height: float, text: str, colour: str, position: str = "insideEndTop") -> dict[str, Any]:
    return {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"color": colour, "type": "dashed", "width": 1.5},
        "label": {"color": colour, "fontSize": 15, "position": position, "formatter": "{b}"},
        "data": [{"yAxis": height, "name": text}],
    }


def _inks(visit: Visit) -> tuple[str, str]:
    """The colours of text, and of what stands back."""
    return ("#eceef2", "#a6adba") if visit.dark else ("#16181d", "#5b616e")
