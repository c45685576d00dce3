"""Dates and times as people write them: the values of a column, all of them read in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any, TypeVar

from ricorda.data.clock import Moment
from ricorda.data.places import Place, shown
from ricorda.data.zones import zone_named
from ricorda.errors import DataError

_Parsed = TypeVar("_Parsed")

_DAY_FIRST, _MONTH_FIRST = ("%d/%m/%Y", "%d-%m-%Y"), ("%m/%d/%Y", "%m-%d-%Y")
_OTHERS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y"),
    *(form.format(month) for month in ("%b", "%B") for form in ("%d {}%Y", "%d {} %Y", "%d-{}-%Y")[1:]),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y-%m", "%Y/%m", "%Ym%m", "%m/%Y", "%m-%Y"),
    *("%b %Y", "%B %Y", "%b-%Y"),
)
_TWO_DIGITS = "the year in two digits"
_SHORT_YEARS = (
    (f"with the day first and {_TWO_DIGITS}", ("%d/%m/%y", "%d-%m-%y", "%d.%m.%y")),
    (f"with the month first and {_TWO_DIGITS}", ("%m/%d/%y", "%m-%d-%y")),
    ("with the year first, in two digits", ("%y/%m/%d", "%y-%m-%d", "%y.%m.%d")),
    (f"with {_TWO_DIGITS}", ("%d-%b-%y", "%d %b %y", "%d-%B-%y", "%b %d, %y", "%b-%y", "%b %y")),
)
_LONGEST = 60
"""Characters of a date at most."""

_SPLIT = re.compile(
    r"(?P<date>.+?)(?:(?: |t|, ?)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?(?P<zone>z|utc|gmt|[+-]\d{2}(?::?\d{2})?))?)?",
    re.IGNORECASE,
)
_QUARTER = re.compile(r"(?P<year>\d{4})[-/ ]?q(?P<quarter>[1-4])|q([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
_MONTHS = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])")
_DAYS = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True)
class Reading:
    """One way to read a column.

    Attributes
    ----------
    times : sequence of datetime or int
        With a zone or without, or whole numbers.
    words : str
        How they were read, where there is another way too, or the year is short: "with the day first".
    """

    times: Sequence[Moment]
    words: str = ""


def readings(values: Sequence[Any], where: Place) -> list[Reading]:
    """The ways to read a column of dates or whole numbers, the likelier first.

    Dates are in ISO 8601 or one of the common ways of writing, the same in all rows; the time of the day may be
    missing where it is midnight. Day and month, and years of two digits, may change places where all rows allow it, and
    202401 may be a month or a number. A year of two digits is one from 1969 to 2068.

    Parameters
    ----------
    values : sequence
        Texts, or the dates and numbers of a format that has such.
    where : callable
        Says where a value stands.

    Raises
    ------
    DataError
        If one is missing or no date, or some have a zone and some have none.
    """
    for index, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            raise DataError(f"{where(index)} has no date: fill it in or leave the row out")
    if not isinstance(values[0], str):
        times = [_moment(value, where, index) for index, value in enumerate(values)]
        _check_kinds(times, where)
        return _with_months(times) if isinstance(times[0], int) else [Reading(times)]
    texts = [" ".join(str(value).split()) for value in values]
    iso, failed = _parsed(texts, _iso)
    if iso is None:
        numbers, reached = _parsed(texts, _whole_number)
        if numbers is not None:
            return _with_months(numbers)
        return _written(texts, where, max(failed, reached))
    _check_kinds(iso, where)
    return [Reading(iso)]


def is_date(value: Any) -> bool:
    """Whether a value is a date, or a text that is read as one; a whole number is none."""
    if isinstance(value, date):
        return True
    if not isinstance(value, str) or not value.strip() or re.fullmatch(r"[+-]?\d+", value.strip()):
        return False
    try:
        return bool(readings([value], lambda _: ""))
    except DataError:
        return False


def _written(texts: Sequence[str], where: Place, failed: int) -> list[Reading]:
    """Readings of texts that are not all in ISO 8601; `failed` is the first that is not."""
    split, reached = _parsed(texts, _split)
    if split is None:
        raise _no_date(texts, where, max(failed, reached))
    ways: dict[str, list[datetime]] = {}
    long_years = ("", _OTHERS), ("with the day first", _DAY_FIRST), ("with the month first", _MONTH_FIRST)
    for words, forms in (*long_years, *_SHORT_YEARS):
        for form in forms:
            parsed, reached = _parsed(split, partial(_joined, form))
            failed = max(failed, reached)
            if parsed is not None and parsed not in ways.values():
                ways.setdefault(words, parsed)
    for times in ways.values():
        _check_kinds(times, where)
    if not ways:
        raise _no_date(texts, where, failed)
    if "" in ways:
        return [Reading(ways[""])]
    said = len(ways) > 1 or "digits" in next(iter(ways))
    return [Reading(times, words if said else "") for words, times in ways.items()]


def _with_months(numbers: list[Any]) -> list[Reading]:
    """Whole numbers, which may be months as 202401 or days as 20240131."""
    texts = [str(number) for number in numbers]
    for pattern, form, words in ((_MONTHS, "%Y%m", "as months"), (_DAYS, "%Y%m%d", "as days")):
        if all(map(pattern.fullmatch, texts)):
            dates, _ = _parsed(texts, partial(_day, form=form))
            if dates is not None:
                return [Reading(dates, words), Reading(numbers, "as numbers")]
    return [Reading(numbers)]


def _no_date(texts: Sequence[str], where: Place, index: int) -> DataError:
    index = min(index, len(texts) - 1)
    like = f" as {texts[0]!r:.40} is" if index else ""
    return DataError(
        f"{where(index)} has {texts[index]!r:.40}, which is no date{like}: write all of them as 2024-12-31 or "
        "2024-12-31 23:59:00"
    )


def _parsed(texts: Sequence[Any], parse: Callable[[Any], _Parsed]) -> tuple[list[_Parsed] | None, int]:
    """All of them parsed, or None and how many could be."""
    parsed: list[_Parsed] = []
    for text in texts:
        try:
            parsed.append(parse(text))
        except (ValueError, OverflowError):
            return None, len(parsed)
    return parsed, len(parsed)


def _iso(text: str) -> datetime:
    """A date in ISO 8601; Python takes the ninth of many digits for the T."""
    if text.isdigit() and len(text) != 8:
        raise ValueError
    return datetime.fromisoformat(text)


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError
    return int(text)


def _split(text: str) -> tuple[str, timedelta, tzinfo | None]:
    """The date, the time of the day and the zone of a text."""
    parts = _SPLIT.fullmatch(text) if len(text) <= _LONGEST else None
    if parts is None:
        raise ValueError
    quarter = _QUARTER.fullmatch(parts["date"])
    day = parts["date"]
    if quarter:
        year, number = (quarter[1], quarter[2]) if quarter[1] else (quarter[4], quarter[3])
        day = f"{year}-{3 * int(number) - 2:02d}"
    if parts["hour"] is None:
        return day, timedelta(0), None
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    if parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (parts["half"] in "pP")
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and minute + second):
        raise ValueError
    microseconds = int((parts["part"] or "").ljust(6, "0")[:6])
    length = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microseconds)
    return day, length, _zone(parts["zone"])


def _zone(text: str | None) -> tzinfo | None:
    if text is None or text[0] not in "+-":
        return None if text is None else UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    return zone_named(f"{text[0]}{digits[:2]}:{digits[2:]}")


def _joined(form: str, parts: tuple[str, timedelta, tzinfo | None]) -> datetime:
    day, length, zone = parts
    moment = _day(day, form) + length
    return moment if zone is None else moment.replace(tzinfo=zone)


@lru_cache(65_536)
def _day(text: str, form: str) -> datetime:
    """A date; many rows of a day have the same."""
    return datetime.strptime(text, form)


def _moment(value: Any, where: Place, index: int) -> Moment:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return value
    raise DataError(f"{where(index)} has {shown(value)}, which is no date: give dates or whole numbers")


def _check_kinds(times: Sequence[Moment], where: Place) -> None:
    for index, moment in enumerate(times):
        if _kind(moment) != _kind(times[0]):
            raise DataError(
                f"{where(index)} has {_kind(moment)} and {where(0)} has {_kind(times[0])}: write all of them alike"
            )


def _kind(moment: Moment) -> str:
    if isinstance(moment, int):
        return "a number"
    return f"a date {'without' if moment.tzinfo is None else 'with'} a zone"
