"""The times of a series' rows: the step between them, and the step at which each row stands."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ricorda.data.clock import DAY, MICROSECOND, Clock, Moment, Unit, last_weekday
from ricorda.data.dates import Reading, readings
from ricorda.data.places import Place, shown
from ricorda.data.zones import comes_twice, exists, zone_named, zone_of, zone_of_midnights
from ricorda.errors import DataError

_HOUR = timedelta(hours=1)
_LATE = 5
"""Days that the last trading day of a month may lie before its last weekday, as holidays do."""

_NOT_REGULAR = "give the series at regular times, or leave --time out to take its rows as the steps"


class IrregularTimesError(DataError):
    """Times that do not rise in equal steps."""


class RepeatedTimesError(DataError):
    """Times that are there several times, as in a table of several series."""


@dataclass(frozen=True)
class Timeline:
    """When the rows of a series are.

    Attributes
    ----------
    clock : Clock
        The step, and the time of the first row.
    steps : array [rows]
        The step of each row: a gap where two numbers do not follow.
    note : str
        How dates were read that can be read in two ways; empty otherwise.
    """

    clock: Clock
    steps: NDArray[np.int64]
    note: str = ""

    @property
    def missing(self) -> int:
        """How many rows are missing."""
        return int(self.steps[-1]) + 1 - len(self.steps)


def find_times(values: Sequence[Any], where: Place, *, like: Clock | None = None) -> Timeline:
    """The clock of a series, from the column of its times.

    The step is the most frequent distance, the smallest of those. Days of which none is in a weekend are weekdays, and
    dates of the same day of a month, or all of its last day, are months. Times with a zone are regular in UTC, or by
    the clock on the wall, as days and months are; times in UTC that are midnights of a zone are read by its clock.
    Where day, month and year could change places, the reading is taken in which the steps are regular. Where the times
    can be those of the clock `like`, they are: a few rows do not show whether weekends are missing.

    Parameters
    ----------
    values : sequence
        As `ricorda.data.dates.readings` takes them.
    where : callable
        Says where a value stands.
    like : Clock, optional
        That of a model.

    Raises
    ------
    DataError
        If a time is missing or none, is there twice, lies before the one of the row before, or between two steps.
    """
    ways = readings(values, where)
    regular: list[Timeline] = []
    irregular: list[tuple[int, DataError]] = []
    for way in ways:
        try:
            regular.append(_timeline(way, values, where, like))
        except _IrregularError as error:
            irregular.append((error.row, error.reason))
    if not regular:
        raise max(irregular, key=lambda one: one[0])[1]
    best = regular[0]
    if len(ways) == 1:
        return best
    followed = [one for one in regular if like is not None and _same_step(one.clock, like)]
    complete = followed or [one for one in regular if not one.missing] or regular
    if len(complete) > 1 and not isinstance(complete[1].clock.start, int):
        parts = "day, month and year" if "digits" in complete[0].note else "day and month"
        raise DataError(
            f"{where(0)} has {shown(values[0])}, where {parts} could change places, as in all rows: write dates as "
            "2024-12-31"
        )
    return complete[0]


class _IrregularError(Exception):
    """Why times are not regular, and the row, from 0, that shows it."""

    def __init__(self, row: int, reason: DataError) -> None:
        super().__init__(reason)
        self.row, self.reason = row, reason


def _timeline(way: Reading, values: Sequence[Any], where: Place, like: Clock | None) -> Timeline:
    """The best of the ways in which times may be regular: in UTC, or by the clock on the wall."""
    regular: list[Timeline] = []
    irregular: list[_IrregularError] = []
    for times, utc, zone, words in _scales(way.times, like):
        try:
            clock, steps = _find_clock(times, values, where, like, utc=utc, zone=zone)
        except _IrregularError as error:
            irregular.append(error)
            continue
        read = " and ".join(filter(None, (way.words, words)))
        note = f"{shown(values[0])} and the dates after it are read {read}" if read else ""
        regular.append(Timeline(clock, steps, note))
    if not regular:
        raise max(irregular, key=lambda error: error.row)
    return min(regular, key=_unlikely)


def _unlikely(timeline: Timeline) -> tuple[int, bool]:
    """The less, the likelier it is: steps of an hour are counted in UTC; of others, the way without gaps is right."""
    clock = timeline.clock
    length = clock.count * MICROSECOND if clock.unit == "microsecond" else DAY
    return timeline.missing if length > _HOUR else 0, clock.utc == (length >= DAY)


def _scales(times: Sequence[Moment], like: Clock | None) -> list[tuple[Sequence[Moment], bool, str | None, str]]:
    """The times without a zone, whether they are in UTC, the zone that they are written in, and words on it."""
    if isinstance(times[0], int) or times[0].tzinfo is None:
        return [(times, False, None, "")]
    moments = cast(Sequence[datetime], times)
    zone = zone_of(moments)
    wall = [moment.replace(tzinfo=None) for moment in moments]
    changes = [row for row in range(1, len(wall)) if moments[row].utcoffset() != moments[row - 1].utcoffset()]
    if not changes and zone is not None and "/" not in zone:
        return [(wall, False, zone, "")]
    try:
        in_utc = [moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    except OverflowError:  # At the ends of the calendar the same moment has no date in UTC.
        return [(wall, False, zone, "")]
    if zone is None:
        local = zone_of_midnights(moments, None if like is None or like.utc else like.zone)
        if local is None:
            return [(in_utc, True, None, "")]
        days = [moment.astimezone(zone_named(local)).replace(tzinfo=None) for moment in moments]
        return [(days, False, local, f"as midnights of {local}"), (in_utc, True, None, "")]
    meant = [*wall]
    for row in changes:  # A midnight that was left out, as in Cairo, is written as the first time after it.
        before = in_utc[row] + cast(timedelta, moments[row - 1].utcoffset())
        if not exists(before, zone_named(zone)):
            meant[row] = before
    others = [] if meant == wall else [(meant, False, zone, "")]
    return [(wall, False, zone, ""), *others, (in_utc, True, zone, "")]


def _find_clock(
    times: Sequence[Moment], values: Sequence[Any], where: Place, like: Clock | None, *, utc: bool, zone: str | None
) -> tuple[Clock, NDArray[np.int64]]:
    """The clock of times that rise, and the step of each."""
    _check_order(times, values, where)
    unit, counted = _counts(times)
    distances = np.diff(counted)
    count = _most_frequent(distances) if len(distances) else 1 if isinstance(times[0], int) else DAY // MICROSECOND
    if like is not None:
        liked = _counted_in(like.unit, times)
        if liked is not None and not np.any((liked - liked[0]) % like.count):
            unit, count, counted, distances = like.unit, like.count, liked, np.diff(liked)
    steps, rest = np.divmod(counted - counted[0], count)
    clock = Clock(times[0], unit, int(count), utc, zone)
    if rest.any():
        odd = int(np.flatnonzero(rest)[0])
        raise _IrregularError(
            odd,
            IrregularTimesError(
                f"{where(odd)} has {_plain(values[odd])}, which is between two steps of {clock.words} from "
                f"{_plain(values[0])}: {_NOT_REGULAR}"
            ),
        )
    missing = int(steps[-1]) + 1 - len(times)
    if missing > len(times):
        wide = int(distances.argmax()) + 1
        raise _IrregularError(
            wide,
            IrregularTimesError(
                f"{where(wide)} has {_plain(values[wide])}, {distances[wide - 1] // count:,} steps of {clock.words} "
                "after the row before, and more rows are missing than there are: correct the date, or " + _NOT_REGULAR
            ),
        )
    return clock, steps


def _check_order(times: Sequence[Any], values: Sequence[Any], where: Place) -> None:
    """Raise _IrregularError at the first time that does not rise, with the cause of it."""
    row = next((row for row in range(1, len(times)) if times[row] <= times[row - 1]), None)
    if row is None:
        return
    at = f"{where(row)} has {_plain(values[row])}"
    if _is_put_back(times, row):
        reason: DataError = IrregularTimesError(
            f"{at} after {_plain(values[row - 1])}, in an hour that comes twice where clocks are put back that day: "
            "write the times in UTC or each with its offset, as 2024-10-27T02:00+02:00, or leave --time out to take "
            "the rows as the steps"
        )
    elif len(times) - len(set(times)) > max(1, len(times) // 4):
        reason = RepeatedTimesError(
            f"{at}, a time that is there already, as are others: if there are several series in the table, give each "
            "as a file of its own; if not, make the rows of a time one"
        )
    elif times[row] == times[row - 1]:
        reason = IrregularTimesError(f"{at}, as the row before: keep one of the two rows, or make them one")
    else:
        reason = IrregularTimesError(f"{at}, which is before the row before: sort the rows by time")
    raise _IrregularError(row, reason)


def _is_put_back(times: Sequence[Any], row: int) -> bool:
    """Whether a time comes again because clocks were put back by an hour or half of one."""
    if not isinstance(times[0], datetime):
        return False
    rising = [after - before for before, after in pairwise(times) if after > before]
    if not rising:
        return False
    (step, _), *_ = Counter(rising).most_common(1)
    back = times[row - 1] + step - times[row]
    return back in (_HOUR, _HOUR / 2) and step <= back and comes_twice(times[row])


def _plain(value: Any) -> str:
    """A time as it is written in the file, in a message."""
    return f"{str(value).strip():.40}"


def _counts(times: Sequence[Moment]) -> tuple[Unit, NDArray[np.int64]]:
    """What is counted, and the number of each time."""
    longer: tuple[Unit, ...] = ("month end", "month", "business month end", "weekday")
    if len(times) > 1:
        for unit in longer:
            counted = _counted_in(unit, times)
            if counted is not None and (unit != "weekday" or _shows_weekdays(times)):
                return unit, counted
    shortest: Unit = "number" if isinstance(times[0], int) else "microsecond"
    return shortest, cast(NDArray[np.int64], _counted_in(shortest, times))


def _counted_in(unit: Unit, times: Sequence[Moment]) -> NDArray[np.int64] | None:
    """The number of each time in a unit; None if one of them does not fall on it."""
    dates = [moment for moment in times if isinstance(moment, datetime)]
    if not dates:
        return np.array(times, dtype=np.int64) if unit == "number" else None
    if unit == "microsecond":
        return np.array([(moment - dates[0]) // MICROSECOND for moment in dates], dtype=np.int64)
    if unit in ("row", "number") or len({moment.time() for moment in dates}) > 1:
        return None
    if unit == "weekday":
        days = np.array([moment.date() for moment in dates], dtype="datetime64[D]")
        return np.busday_count(days[0], days).astype(np.int64) if np.is_busday(days).all() else None
    if unit == "month end":
        falls = all(moment.day == calendar.monthrange(moment.year, moment.month)[1] for moment in dates)
    elif unit == "month":
        falls = len({moment.day for moment in dates}) == 1 and dates[0].day <= 28
    else:
        falls = all(_is_business_month_end(moment) for moment in dates)
    months = np.array([moment.year * 12 + moment.month for moment in dates], dtype=np.int64)
    return months if falls and (np.diff(months) > 0).all() else None


def _is_business_month_end(moment: datetime) -> bool:
    """Whether a day is the last from Monday to Friday of its month, or before holidays at its end."""
    late = last_weekday(moment.year, moment.month) - moment.day
    return moment.weekday() < 5 and 0 <= late <= _LATE


def _shows_weekdays(times: Sequence[Any]) -> bool:
    """Whether there are days of more than a week, and some of them are neighbours."""
    return bool(times[-1] - times[0] >= 7 * DAY) and any(after - before == DAY for before, after in pairwise(times))


def _most_frequent(distances: NDArray[np.int64]) -> int:
    counts = Counter(distances.tolist())
    return int(min(counts, key=lambda distance: (-counts[distance], distance)))


def _same_step(one: Clock, other: Clock) -> bool:
    return (one.unit, one.count) == (other.unit, other.count)
