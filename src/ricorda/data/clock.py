"""`Clock`: where the steps of a series stand in time, and how their times are written."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import numpy as np

from ricorda.data.zones import zone_named
from ricorda.errors import DataError

Moment = datetime | int
Unit = Literal["row", "number", "microsecond", "weekday", "month", "month end", "business month end"]
MONTHS: tuple[Unit, ...] = ("month", "month end", "business month end")

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
_NAMES = (("week", 7 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class Clock:
    """Where the steps of a series stand in time.

    Attributes
    ----------
    start : datetime or int
        The time of step 0; datetimes have no zone: they are UTC, or what the clock on the wall shows.
    unit : {"row", "number", "microsecond", "weekday", "month", "month end", "business month end"}
        What is counted; "row" where there is no time column, "weekday" from Monday to Friday; a "business month end"
        is the last of these in a month.
    count : int
        How many of them are a step.
    utc : bool
        Whether steps are counted in UTC, where a day has 24 hours, and not by the clock on the wall.
    zone : str, optional
        In which times are written, as "Europe/Rome" or "+01:00"; UTC where there is none and steps are counted in it.
    """

    start: Moment = 1
    unit: Unit = "row"
    count: int = 1
    utc: bool = False
    zone: str | None = None

    def at(self, step: int) -> Moment:
        """The time of a step; steps may lie after the last of the series or before the first.

        Raises
        ------
        DataError
            If it is before the year 1 or after the year 9999.
        """
        if isinstance(self.start, int):
            return self.start + self.count * step
        try:
            return self._date(self.start, step * self.count)
        except (OverflowError, ValueError, TypeError):  # NumPy's days outside these years are no dates.
            raise DataError(
                f"the time {step:,} steps of {self.words} from {self.start} is outside the years 1 to 9999: correct "
                "the dates, or leave --time out to take the rows as the steps"
            ) from None

    def _date(self, start: datetime, number: int) -> datetime:
        """The time so many units after a date."""
        if self.unit == "microsecond":
            return start + number * MICROSECOND
        if self.unit == "weekday":
            weekday = np.busday_offset(np.datetime64(start.date()), number)
            return datetime.combine(weekday.astype(date), start.time())
        year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
        day = {
            "month": start.day,
            "month end": calendar.monthrange(year, month + 1)[1],
            "business month end": last_weekday(year, month + 1),
        }[self.unit]
        return start.replace(year=year, month=month + 1, day=day)

    def text(self, step: int) -> str:
        """The time of a step in ISO 8601, in the zone of the series; midnight is left out where all of them are."""
        moment = self.at(step)
        if isinstance(moment, int):
            return str(moment)
        if self.utc or self.zone:
            local = self._in_zone(moment).isoformat(sep=" ")
            return local.removesuffix("+00:00") + "Z" if self.zone is None else local
        whole_days = self.unit != "microsecond" or self.count % (DAY // MICROSECOND) == 0
        if whole_days and moment.time() == time():
            return moment.date().isoformat()
        return moment.isoformat(sep=" ")

    def _in_zone(self, moment: datetime) -> datetime:
        zone = zone_named(self.zone) if self.zone else UTC
        moment = moment.replace(tzinfo=UTC if self.utc else zone)
        try:
            return moment.astimezone(UTC).astimezone(
                zone
            )  # A time that a change of clocks leaves out is the one after.
        except OverflowError:  # At the ends of the calendar another zone may have no date.
            return moment

    def after(self, steps: int) -> Clock:
        """The clock of what is left of the series without its first steps."""
        return replace(self, start=self.at(steps))

    @property
    def words(self) -> str:
        """The length of a step: "1 hour", "3 months"."""
        if self.unit == "microsecond":
            seconds, rest = divmod(self.count, 1_000_000)
            if rest:
                return f"{self.count / 1_000_000:g} seconds"
            name, length = next((name, length) for name, length in _NAMES if seconds % length == 0)
            return counted(seconds // length, name)
        if self.unit == "number" and self.count == 1:
            return "1"
        return str(self.count) if self.unit == "number" else counted(self.count, self._name)

    @property
    def _name(self) -> str:
        return "month" if self.unit in MONTHS else self.unit

    @property
    def season(self) -> int:
        """Steps of the next longer cycle of the calendar: a day, a week, a year; 1 if there is none."""
        if self.unit == "weekday":
            return 5 if self.count == 1 else 1
        if self.unit in MONTHS:
            return 12 // self.count if 12 % self.count == 0 else 1
        if self.unit == "microsecond":
            for cycle in (DAY, 7 * DAY):
                steps, rest = divmod(cycle // MICROSECOND, self.count)
                if not rest and steps > 1:
                    return steps
        return 1

    def to_json(self) -> dict[str, Any]:
        """The clock as JSON has it."""
        start = self.start if isinstance(self.start, int) else self.start.isoformat()
        zone = {} if self.zone is None else {"zone": self.zone}  # Older models have none, and are saved as they were.
        return {"start": start, "unit": self.unit, "count": self.count, "utc": self.utc, **zone}

    @classmethod
    def from_json(cls, value: Any) -> Clock:
        """What `to_json` wrote; raises ValueError, TypeError or KeyError if it is invalid."""
        start, unit, count, zone = value["start"], value["unit"], value["count"], value.get("zone")
        moment = start if isinstance(start, int) else datetime.fromisoformat(start)
        if (unit in ("row", "number")) != isinstance(moment, int) or not isinstance(count, int) or count < 1:
            raise ValueError(f"no clock has {value!r:.80}")
        clock = cls(moment, unit, count, bool(value["utc"]), zone)
        clock.text(1)
        return clock


def last_weekday(year: int, month: int) -> int:
    """The day of a month's last Monday to Friday."""
    first, length = calendar.monthrange(year, month)
    return length - max(0, (first + length - 1) % 7 - 4)


def counted(number: int, name: str) -> str:
    """A number of things: "1 row", "2 rows"."""
    return f"{number:,} {name}{'s' if number > 1 else ''}"
