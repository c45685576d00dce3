"""Times as people write them."""

from __future__ import annotations

import math
import re

from ricorda.errors import ArgumentError

UNITS = {"h": 3600, "m": 60, "s": 1}


def seconds_of(time_limit: float | str) -> float:
    """The seconds of a number, or of a text as "90s", "30m" or "1h30m".

    Raises
    ------
    ArgumentError
        If it is no such time, or not above zero.
    """
    parts = (
        re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", time_limit.strip()) if isinstance(time_limit, str) else None
    )
    if parts is not None:
        seconds = float(
            sum(int(number or 0) * unit for number, unit in zip(parts.groups(), UNITS.values(), strict=True))
        )
    else:
        seconds = (
            float(time_limit) if isinstance(time_limit, int | float) and not isinstance(time_limit, bool) else math.nan
        )
    if not 0 < seconds < math.inf:
        raise ArgumentError(f"time_limit is {time_limit!r:.40}: give a time above zero, as 90s, 30m or 1h30m")
    return seconds
