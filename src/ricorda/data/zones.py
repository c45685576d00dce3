"""Time zones: the one that a series' times are written in, by its name or its offset from UTC."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})(?::(\d{2}))?")
_AT_MOST = 500
"""Times of a series by which its zone is found, besides those where the offset changes."""

_LEAST, _HOURS, _NEARLY_A_DAY = 3, 4, timedelta(hours=22)
"""Of moments in UTC that may be midnights of a zone: how many, their different hours, and the time between two."""

_YEARS_AHEAD = 3
"""Years after a series for which zones that fit it are compared."""


@lru_cache
def zone_named(name: str) -> tzinfo:
    """The zone of a name (Europe/Rome) or an offset (+01:00); raises ValueError or KeyError if there is none."""
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        try:
            return ZoneInfo(name)
        except OSError:
            raise ValueError(f"there is no time zone {name!r:.40}") from None
    sign, hours, minutes, seconds = offset.groups("0")
    length = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return timezone(-length if sign == "-" else length)


def zone_of(times: Sequence[datetime]) -> str | None:
    """The zone that times with offsets are written in; None for UTC.

    It is the zone that they name themselves, the offset that all of them have, or a zone of the IANA's database in
    which each of these moments has its offset. Of several such zones it is one of the largest group that agrees about
    the years to come. Where there is none, it is the last offset.
    """
    named = getattr(times[0].tzinfo, "key", None)
    if named is not None and all(moment.tzinfo is times[0].tzinfo for moment in times):
        return None if named in ("UTC", "Etc/UTC") else str(named)
    offsets = {moment.utcoffset() for moment in times}
    if offsets == {timedelta(0)}:
        return None
    fitting = _fitting(times) if len(offsets) > 1 else []
    return fitting[0] if fitting else times[-1].isoformat()[len(times[-1].replace(tzinfo=None).isoformat()) :]


def zone_of_midnights(times: Sequence[datetime], known: str | None = None) -> str | None:
    """The zone in which moments in UTC are all midnights; None if there is none, or they may be days of UTC.

    Parameters
    ----------
    times : sequence of datetime
        With their zone, UTC.
    known : str, optional
        A zone to try first. Others are asked only if the hour changes in UTC, as it does with the clocks of a zone.
    """
    hours = {moment.time() for moment in times}
    if known is not None and all(_is_midnight(moment, zone_named(known)) for moment in times):
        return known
    if len(times) < _LEAST or not 1 < len(hours) <= _HOURS or any(b - a < _NEARLY_A_DAY for a, b in pairwise(times)):
        return None
    changes = [moment for pair in pairwise(times) if pair[0].time() != pair[1].time() for moment in pair]
    likely = _likely_zones(_sample(times, changes), _is_midnight)
    return likely[0] if likely else None


def exists(moment: datetime, zone: tzinfo) -> bool:
    """Whether the clock on the wall shows a time in a zone, and does not leave it out when it is put forward."""
    return moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment


def comes_twice(moment: datetime) -> bool:
    """Whether there is a zone in which clocks are put back over a time of the day without an offset."""
    return any(
        moment.replace(tzinfo=zone, fold=0).utcoffset() > moment.replace(tzinfo=zone, fold=1).utcoffset()  # type: ignore[operator]
        for zone in map(zone_named, sorted(available_timezones()))
    )


def _fitting(times: Sequence[datetime]) -> list[str]:
    """The zones in which moments have the offsets that they are written with, the most likely first."""
    changes = [moment for pair in pairwise(times) if pair[0].utcoffset() != pair[1].utcoffset() for moment in pair]
    return _likely_zones(_sample(times, changes), _may_be_in)


def _sample(times: Sequence[datetime], changes: Sequence[datetime]) -> list[datetime]:
    return [*changes, *times[:: 1 + len(times) // _AT_MOST], times[-1]]


def _likely_zones(asked: Sequence[datetime], holds: Callable[[datetime, tzinfo], bool]) -> list[str]:
    """The zones in which something holds of all moments; those come first of which most agree about later years."""
    zones = [name for name in sorted(available_timezones()) if "/" in name]
    names = [name for name in zones if all(holds(moment, zone_named(name)) for moment in asked)]
    end = datetime(min(asked[-1].year, 9999 - _YEARS_AHEAD), 1, 1)
    weeks = [end + timedelta(days=7 * week) for week in range(_YEARS_AHEAD * 52)]
    ahead = {name: tuple(week.replace(tzinfo=zone_named(name)).utcoffset() for week in weeks) for name in names}
    groups = Counter(ahead.values())
    continents = Counter(name.split("/")[0] for name in names)
    return sorted(names, key=lambda name: (-groups[ahead[name]], -continents[name.split("/")[0]]))


def _is_midnight(moment: datetime, zone: tzinfo) -> bool:
    try:
        return moment.astimezone(zone).time() == time()
    except OverflowError:  # At the ends of the calendar.
        return False


def _may_be_in(moment: datetime, zone: tzinfo) -> bool:
    """Whether a time has its offset in a zone, be it the first or the second of that name; some leave out an hour."""
    return any(moment.replace(tzinfo=zone, fold=fold).utcoffset() == moment.utcoffset() for fold in (0, 1))
