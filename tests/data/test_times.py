"""Dates of all kinds, and the step between them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from ricorda.data.times import Clock, Moment, find_clock, read_times
from ricorda.errors import DataError

HOUR = 3_600_000_000


def place(index: int) -> str:
    return f"row {index}"


def read(*texts: Any) -> list[Moment]:
    return read_times(texts, place)[0]


def steps(*texts: Any, like: Clock | None = None) -> tuple[Clock, list[int]]:
    times, utc = read_times(texts, place)
    clock, found = find_clock(times, place, utc=utc, like=like)
    return clock, found.tolist()


def refusal(*texts: Any) -> str:
    with pytest.raises(DataError) as caught:
        steps(*texts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-03-01", "2024-03-02"], datetime(2024, 3, 2)),
        (["2024-03-01 00:00", "2024-03-01 01:30"], datetime(2024, 3, 1, 1, 30)),
        (["2024-03-01T00:00:00", "2024-03-01T00:00:05.5"], datetime(2024, 3, 1, 0, 0, 5, 500_000)),
        ([" 2024-03 ", "2024-04"], datetime(2024, 4, 1)),
        (["2024/03/01", "2024/03/02"], datetime(2024, 3, 2)),
        (["01.03.2024", "02.03.2024"], datetime(2024, 3, 2)),
        (["01.03.2024 10:00", "01.03.2024 11:00"], datetime(2024, 3, 1, 11)),
        (["1 Mar 2024", "2 Mar 2024"], datetime(2024, 3, 2)),
        (["March 1, 2024", "March 2, 2024"], datetime(2024, 3, 2)),
        (["12/03/2024", "13/03/2024"], datetime(2024, 3, 13)),  # the 13th cannot be a month
        (["03/12/2024", "03/13/2024"], datetime(2024, 3, 13)),
        (["03/03/2024", "04/04/2024"], datetime(2024, 4, 4)),  # the same either way
        (["1998", "1999"], 1999),
        (["-3", "+7"], 7),
        ([5, 6], 6),
        ([date(2024, 3, 1), date(2024, 3, 2)], datetime(2024, 3, 2)),
        ([datetime(2024, 3, 1, 5), datetime(2024, 3, 1, 6)], datetime(2024, 3, 1, 6)),
    ],
    ids=lambda value: str(value),
)
def test_times_are_read_as_they_are_written(texts: list[Any], expected: Moment) -> None:
    assert read(*texts)[-1] == expected


def test_zones_become_utc_so_that_summer_time_is_no_gap() -> None:
    clock, found = steps("2024-03-31T00:00+01:00", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00")
    assert (found, clock.utc, clock.text(0)) == ([0, 1, 2], True, "2024-03-30 23:00:00Z")
    zone = timezone(timedelta(hours=2))
    assert read(datetime(2024, 1, 1, 2, tzinfo=zone)) == [datetime(2024, 1, 1)]
    assert read(datetime(2024, 1, 1, tzinfo=UTC)) == [datetime(2024, 1, 1)]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["2024-01-01", ""], "row 1 has no date: fill it in or leave the row out"),
        (["2024-01-01", None], "row 1 has no date: fill it in or leave the row out"),
        (
            ["2024-01-01", "soon"],
            "row 1 has 'soon', which is no date as '2024-01-01' is: write all of them as 2024-12-31 or "
            "2024-12-31 23:59:00",
        ),
        (["soon"], "row 0 has 'soon', which is no date: write all of them as 2024-12-31 or 2024-12-31 23:59:00"),
        (["1", "2", "2.5"], "row 2 has '2.5', which is no date as '1' is: write all of them as 2024-12-31 or"),
        (
            ["01/02/2024", "02/03/2024"],
            "row 0 has '01/02/2024', where day and month could change places, as in all rows: write dates as 2024",
        ),
        (
            ["2024-01-01", "2024-01-02T00:00Z"],
            "row 1 has a date with a zone and row 0 has a date without a zone: write all of them alike",
        ),
        ([date(2024, 1, 1), 5], "row 1 has a number and row 0 has a date without a zone: write all of them alike"),
        ([1, True], "row 1 has True, which is no date: give dates or whole numbers"),
        ([1, 10**30], f"row 1 has {10**30}, which is no date: give dates or whole numbers"),
        (["2024-01-02", "2024-01-02"], "row 1 has 2024-01-02 00:00:00, as the row before: keep one of the two rows"),
        (
            ["2024-01-02", "2024-01-01"],
            "row 1 has 2024-01-01 00:00:00, which is before the row before: sort the rows by time",
        ),
        (["2", "1"], "row 1 has 1, which is before the row before: sort the rows by time"),
        (
            ["1", "3", "5", "6"],
            "row 3 has 6, which is between two steps of 2 from 1: give the series at regular times, or leave --time "
            "out to take its rows as the steps",
        ),
        (
            ["1", "2", "3", "3000"],
            "row 3 has 3000, 2,997 steps of 1 after the row before, and more rows are missing than there are: correct "
            "the date, or give the series at regular times, or leave --time out to take its rows as the steps",
        ),
    ],
)
def test_a_time_that_cannot_be_is_one_sentence(texts: list[Any], sentence: str) -> None:
    assert refusal(*texts).startswith(sentence)


@pytest.mark.parametrize(
    ("texts", "unit", "count", "found", "season", "after"),
    [
        (["2024-01-01 00:00", "2024-01-01 01:00"], "microsecond", HOUR, [0, 1], 24, "2024-01-01 02:00:00"),
        (["2024-01-01 00:00", "2024-01-01 00:15"], "microsecond", HOUR // 4, [0, 1], 96, "2024-01-01 00:30:00"),
        (["2024-02-28", "2024-02-29"], "microsecond", 24 * HOUR, [0, 1], 7, "2024-03-01"),
        (["2024-01-01", "2024-01-08"], "microsecond", 168 * HOUR, [0, 1], 1, "2024-01-15"),
        (["2024-01-31", "2024-02-29"], "month end", 1, [24288, 24289], 12, "2024-03-31"),
        (["2023-11-15", "2024-02-15"], "month", 3, [24286, 24289], 4, "2024-05-15"),
        (["2022-06-01", "2023-06-01"], "month", 12, [24269, 24281], 1, "2024-06-01"),
        (["3", "5"], "number", 2, [3, 5], 1, "7"),
    ],
)
def test_the_step_and_the_season_are_found(
    texts: list[str], unit: str, count: int, found: list[int], season: int, after: str
) -> None:
    clock, places = steps(*texts)
    assert (clock.unit, clock.count, places) == (unit, count, [0, 1])
    assert (clock.season, clock.text(2)) == (season, after)
    assert Clock.from_json(clock.to_json()) == clock
    assert clock.after(2).text(-1) == clock.text(1)


def test_missing_rows_are_gaps_in_the_steps() -> None:
    assert steps("2024-01-01", "2024-01-02", "2024-01-05")[1] == [0, 1, 4]
    assert steps("2", "4", "5")[1] == [0, 2, 3]  # of two distances that are as frequent, the smaller
    assert steps("2024-01-01", "2024-02-01", "2024-04-01")[1] == [0, 1, 3]


def test_days_without_weekends_are_weekdays() -> None:
    days = [str(day) for day in np.arange("2024-01-01", "2024-01-16", dtype="datetime64[D]") if np.is_busday(day)]
    clock, found = steps(*days)
    assert (clock.unit, clock.season, found[-1]) == ("weekday", 5, 10)
    assert [clock.text(step) for step in (4, 5, -1)] == ["2024-01-05", "2024-01-08", "2023-12-29"]
    assert steps(*days[:5])[0].unit == "microsecond"  # a week's Monday to Friday says nothing of weekends
    assert steps(*days[::5])[0].count == 7 * 24 * HOUR


def test_a_model_s_clock_is_followed_where_rows_are_too_few_to_tell() -> None:
    weekdays = Clock(datetime(2024, 1, 1), "weekday")
    clock, _ = steps("2024-01-04", "2024-01-05", like=weekdays)
    assert clock.text(2) == "2024-01-08"
    hourly = Clock(datetime(2024, 1, 1), "microsecond", HOUR)
    assert steps("2024-01-04", like=hourly)[0].text(1) == "2024-01-04 01:00:00"
    assert steps("2024-01-04 00:00", "2024-01-04 02:00", "2024-01-04 03:00", like=hourly)[1] == [0, 2, 3]
    assert steps("2024-01-06", "2024-01-07", like=weekdays)[0].unit == "microsecond"  # a weekend is no weekday
    assert steps("1", "2", like=hourly)[0].unit == "number"


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (Clock(), "1 row"),
        (Clock(1, "number"), "1"),
        (Clock(1, "number", 5), "5"),
        (Clock(datetime(2024, 1, 1), "month end", 3), "3 months"),
        (Clock(datetime(2024, 1, 1), "weekday"), "1 weekday"),
        (Clock(datetime(2024, 1, 1), "microsecond", HOUR), "1 hour"),
        (Clock(datetime(2024, 1, 1), "microsecond", 48 * HOUR), "2 days"),
        (Clock(datetime(2024, 1, 1), "microsecond", 500_000), "0.5 seconds"),
    ],
)
def test_a_step_has_words(clock: Clock, words: str) -> None:
    assert clock.words == words


@pytest.mark.parametrize(
    "value",
    [
        {"start": 1, "unit": "month", "count": 1, "utc": False},
        {"start": "2024-01-01", "unit": "row", "count": 1, "utc": False},
        {"start": 1, "unit": "row", "count": 0, "utc": False},
        {"start": 1, "unit": "row", "count": "1", "utc": False},
    ],
)
def test_what_is_no_clock_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no clock"):
        Clock.from_json(value)
