"""The time of a series' rows: dates or numbers read from a column, and the step between them found."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ricorda.data.places import Place
from ricorda.errors import DataError

Moment = datetime | int
_Parsed = TypeVar("_Parsed")
Unit = Literal["row", "number", "microsecond", "weekday", "month", "month end"]

_OF_THE_DAY = ("", " %H:%M", " %H:%M:%S")
_DAY_FIRST, _MONTH_FIRST = ("%d/%m/%Y", "%d-%m-%Y"), ("%m/%d/%Y", "%m-%d-%Y")
_OTHERS = ("%Y-%m", "%Y/%m", "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_NAMES = (("week", 7 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_NOT_REGULAR = "give the series at regular times, or leave --time out to take its rows as the steps"


@dataclass(frozen=True)
class Clock:
    """Where the steps of a series stand in time.

    Attributes
    ----------
    start : datetime or int
        The time of step 0; datetimes have no zone, those of a file with zones are UTC.
    unit : {"row", "number", "microsecond", "weekday", "month", "month end"}
        What is counted; "row" where there is no time column, "weekday" from Monday to Friday.
    count : int
        How many of them are a step.
    utc : bool
        Whether times are written with the Z of UTC.
    """

    start: Moment = 1
    unit: Unit = "row"
    count: int = 1
    utc: bool = False

    def at(self, step: int) -> Moment:
        """The time of a step; steps may lie after the last of the series or before the first."""
        if isinstance(self.start, int):
            return self.start + self.count * step
        if self.unit == "microsecond":
            return self.start + step * self.count * _MICROSECOND
        if self.unit == "weekday":
            day = np.busday_offset(np.datetime64(self.start.date()), step * self.count)
            return datetime.combine(day.astype(date), self.start.time())
        months = self.start.year * 12 + self.start.month - 1 + step * self.count
        year, month = divmod(months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return self.start.replace(year=year, month=month + 1, day=last if self.unit == "month end" else self.start.day)

    def text(self, step: int) -> str:
        """The time of a step in ISO 8601, with the time of the day only where that says something."""
        moment = self.at(step)
        if isinstance(moment, int):
            return str(moment)
        whole_days = self.unit != "microsecond" or self.count % (_DAY // _MICROSECOND) == 0
        if whole_days and moment.time() == time():
            return moment.date().isoformat()
        return moment.isoformat(sep=" ") + "Z" * self.utc

    def after(self, steps: int) -> Clock:
        """The clock of what is left of the series without its first steps."""
        return Clock(self.at(steps), self.unit, self.count, self.utc)

    @property
    def words(self) -> str:
        """The length of a step: "1 hour", "3 months"."""
        if self.unit == "microsecond":
            seconds, rest = divmod(self.count, 1_000_000)
            if rest:
                return f"{self.count / 1_000_000:g} seconds"
            name, length = next((name, length) for name, length in _NAMES if seconds % length == 0)
            return _counted(seconds // length, name)
        if self.unit == "number" and self.count == 1:
            return "1"
        return str(self.count) if self.unit == "number" else _counted(self.count, self.unit.removesuffix(" end"))

    @property
    def season(self) -> int:
        """Steps of the next longer cycle of the calendar: a day, a week, a year; 1 if there is none."""
        if self.unit == "weekday":
            return 5 if self.count == 1 else 1
        if self.unit in ("month", "month end"):
            return 12 // self.count if 12 % self.count == 0 else 1
        if self.unit == "microsecond":
            for cycle in (_DAY, 7 * _DAY):
                steps, rest = divmod(cycle // _MICROSECOND, self.count)
                if not rest and steps > 1:
                    return steps
        return 1

    def to_json(self) -> dict[str, Any]:
        """The clock as JSON has it."""
        start = self.start if isinstance(self.start, int) else self.start.isoformat()
        return {"start": start, "unit": self.unit, "count": self.count, "utc": self.utc}

    @classmethod
    def from_json(cls, value: Any) -> Clock:
        """What `to_json` wrote; raises ValueError, TypeError or KeyError if it is invalid."""
        start, unit, count = value["start"], value["unit"], value["count"]
        moment = start if isinstance(start, int) else datetime.fromisoformat(start)
        if (unit in ("row", "number")) != isinstance(moment, int) or not isinstance(count, int) or count < 1:
            raise ValueError(f"no clock has {value!r:.80}")
        clock = cls(moment, unit, count, bool(value["utc"]))
        clock.at(1)
        return clock


def read_times(values: Sequence[Any], where: Place) -> tuple[list[Moment], bool]:
    """The times that a column holds, and whether they had a zone and are now in UTC.

    They are dates in ISO 8601 or one of the common ways of writing, the same in all rows, or whole numbers. Where
    day and month could change places, the rows must say which is which: one day after the 12th is enough.

    Parameters
    ----------
    values : sequence
        Texts, or the dates and numbers of a format that has such.
    where : callable
        Says where a value stands.

    Raises
    ------
    DataError
        If one is missing or no date, or day and month cannot be told apart.
    """
    for index, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            raise DataError(f"{where(index)} has no date: fill it in or leave the row out")
    if not isinstance(values[0], str):
        return _in_utc([_moment(value, where, index) for index, value in enumerate(values)], where)
    texts = [str(value).strip() for value in values]
    iso, failed = _parsed(texts, datetime.fromisoformat)
    if iso is not None:
        return _in_utc(iso, where)
    numbers, reached = _parsed(texts, _whole_number)
    if numbers is not None:
        return [*numbers], False
    failed = max(failed, reached)
    for form in _OTHERS:
        parsed, reached = _parsed_as(texts, form)
        if parsed is not None:
            return [*parsed], False
        failed = max(failed, reached)
    ways = [[_parsed_as(texts, form) for form in forms] for forms in (_DAY_FIRST, _MONTH_FIRST)]
    fitting = [parsed for forms in ways for parsed, _ in forms if parsed is not None]
    if len(fitting) == 2 and fitting[0] != fitting[1]:
        raise DataError(
            f"{where(0)} has {texts[0]!r:.40}, where day and month could change places, as in all rows: write dates "
            "as 2024-12-31"
        )
    if fitting:
        return [*fitting[0]], False
    failed = max([failed, *(reached for forms in ways for _, reached in forms)])
    raise DataError(
        f"{where(failed)} has {texts[failed]!r:.40}, which is no date"
        f"{f' as {texts[0]!r:.40} is' if failed else ''}: write all of them as 2024-12-31 or 2024-12-31 23:59:00"
    )


def find_clock(
    times: Sequence[Moment], where: Place, *, utc: bool = False, like: Clock | None = None
) -> tuple[Clock, NDArray[np.int64]]:
    """The clock of a series, and the step at which each of its rows stands: a gap where two numbers do not follow.

    The step is the most frequent distance, the smallest of those. Days of which none is in a weekend are weekdays, and
    dates of the same day of a month, or all of its last day, are months. Where the times can be those of the clock
    `like`, they are: a few rows do not show whether weekends are missing.

    Raises
    ------
    DataError
        If a time is there twice, lies before the one of the row before, or between two steps.
    """
    for index, (before, moment) in enumerate(pairwise(times), 1):
        shown = moment if isinstance(moment, int) else moment.isoformat(sep=" ")
        if moment == before:
            raise DataError(f"{where(index)} has {shown}, as the row before: keep one of the two rows")
        if cast(int, moment) < cast(int, before):  # All moments are of one kind.
            raise DataError(f"{where(index)} has {shown}, which is before the row before: sort the rows by time")
    start = times[0]
    unit, counted = _counts(times)
    distances = np.diff(counted)
    count = _most_frequent(distances) if len(distances) else 1 if isinstance(start, int) else _DAY // _MICROSECOND
    if like is not None:
        liked = _counted_in(like.unit, times)
        if liked is not None and not np.any((liked - liked[0]) % like.count):
            unit, count, counted, distances = like.unit, like.count, liked, np.diff(liked)
    steps, rest = np.divmod(counted - counted[0], count)
    clock = Clock(start, unit, int(count), utc)
    if rest.any():
        odd = int(np.flatnonzero(rest)[0])
        raise DataError(
            f"{where(odd)} has {times[odd]}, which is between two steps of {clock.words} from {times[0]}: "
            + _NOT_REGULAR
        )
    missing = int(steps[-1]) + 1 - len(times)
    if missing > len(times):
        wide = int(distances.argmax()) + 1
        raise DataError(
            f"{where(wide)} has {times[wide]}, {distances[wide - 1] // count:,} steps of {clock.words} after the row "
            f"before, and more rows are missing than there are: correct the date, or {_NOT_REGULAR}"
        )
    return clock, steps


def _parsed(texts: Sequence[str], parse: Callable[[str], _Parsed]) -> tuple[list[_Parsed] | None, int]:
    """All of them parsed, or None and how many could be."""
    parsed: list[_Parsed] = []
    for text in texts:
        try:
            parsed.append(parse(text))
        except ValueError:
            return None, len(parsed)
    return parsed, len(parsed)


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise ValueError(text)
    return int(text)


def _parsed_as(texts: Sequence[str], form: str) -> tuple[list[datetime] | None, int]:
    """As `_parsed`, of one form, with or without the time of the day as the first one has it."""
    colons = texts[0].count(":")
    if colons > 2:
        return None, 0
    return _parsed(texts, lambda text: datetime.strptime(text, form + _OF_THE_DAY[colons]))


def _moment(value: Any, where: Place, index: int) -> Moment:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return value
    raise DataError(f"{where(index)} has {value!r:.40}, which is no date: give dates or whole numbers")


def _in_utc(times: Sequence[Moment], where: Place) -> tuple[list[Moment], bool]:
    for index, moment in enumerate(times):
        if _kind(moment) != _kind(times[0]):
            raise DataError(
                f"{where(index)} has {_kind(moment)} and {where(0)} has {_kind(times[0])}: write all of them alike"
            )
    if _kind(times[0]) != "a date with a zone":
        return [*times], False
    return [moment.astimezone(UTC).replace(tzinfo=None) for moment in times if isinstance(moment, datetime)], True


def _kind(moment: Moment) -> str:
    if isinstance(moment, int):
        return "a number"
    return f"a date {'without' if moment.tzinfo is None else 'with'} a zone"


def _counts(times: Sequence[Moment]) -> tuple[Unit, NDArray[np.int64]]:
    """What is counted, and the number of each time."""
    longer: tuple[Unit, ...] = ("month end", "month", "weekday")
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
        return np.array([(moment - dates[0]) // _MICROSECOND for moment in dates], dtype=np.int64)
    if unit in ("row", "number") or len({moment.time() for moment in dates}) > 1:
        return None
    if unit == "weekday":
        days = np.array([moment.date() for moment in dates], dtype="datetime64[D]")
        return np.busday_count(days[0], days).astype(np.int64) if np.is_busday(days).all() else None
    if unit == "month end":
        falls = all(moment.day == calendar.monthrange(moment.year, moment.month)[1] for moment in dates)
    else:
        falls = len({moment.day for moment in dates}) == 1 and dates[0].day <= 28
    return np.array([moment.year * 12 + moment.month for moment in dates], dtype=np.int64) if falls else None


def _shows_weekdays(times: Sequence[Any]) -> bool:
    """Whether there are days of more than a week, and some of them are neighbours."""
    return bool(times[-1] - times[0] >= 7 * _DAY) and any(after - before == _DAY for before, after in pairwise(times))


def _most_frequent(distances: NDArray[np.int64]) -> int:
    counts = Counter(distances.tolist())
    return int(min(counts, key=lambda distance: (-counts[distance], distance)))


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' if number > 1 else ''}"
