"""Dates of all kinds, and the step between them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ricorda.data.clock import Clock, Moment
from ricorda.data.dates import readings
from ricorda.data.times import find_times
from ricorda.errors import DataError

HOUR = 3_600_000_000


def place(index: int) -> str:
    return f"row {index}"


def read(*texts: Any) -> list[Moment]:
    return [*readings(texts, place)[0].times]


def steps(*texts: Any, like: Clock | None = None) -> tuple[Clock, list[int]]:
    timeline = find_times(texts, place, like=like)
    return timeline.clock, timeline.steps.tolist()


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
        (["1/2/2024 12:00 AM", "1/13/2024 1:30 PM"], datetime(2024, 1, 13, 13, 30)),
        (["2024-01-01 11:00:00 a.m.", "2024-01-01 12:00:00 p.m."], datetime(2024, 1, 1, 12)),
        (["2000Q1", "2000Q2"], datetime(2000, 4, 1)),
        (["Q4 1999", "Q1 2000"], datetime(2000, 1, 1)),
        (["1999-q4", "2000-q1"], datetime(2000, 1, 1)),
        (["25.01.2024 00:00:00.000", "25.01.2024 00:15:00.500"], datetime(2024, 1, 25, 0, 15, 0, 500_000)),
        (["2024-01-01  10:00", "2024-01-01  11:00"], datetime(2024, 1, 1, 11)),
        (["25.01.2024 23:00", "26.01.2024"], datetime(2024, 1, 26)),  # a midnight without its time
        (["2024-01-25 23:00:00", "2024-01-26"], datetime(2024, 1, 26)),
        (["2024-01-01 23:00", "2024-01-01 24:00"], datetime(2024, 1, 2)),
        (["2024-01-01 00:00:00 UTC", "2024-01-01 01:00:00 UTC"], datetime(2024, 1, 1, 1, tzinfo=UTC)),
        (["1/31/2024 1:00 PM +0100", "1/31/2024 2:00 PM +01"], datetime(2024, 1, 31, 13, tzinfo=UTC)),
        (["2024M01", "2024M02"], datetime(2024, 2, 1)),
        (["Jan 2024", "Feb 2024"], datetime(2024, 2, 1)),
        (["202401", "202402"], datetime(2024, 2, 1)),
        ([20240131, 20240201], datetime(2024, 2, 1)),
        (["200112", "200113"], 200113),  # the 13th is no month
        (["-3", "+7"], 7),
        ([5, 6], 6),
        ([date(2024, 3, 1), date(2024, 3, 2)], datetime(2024, 3, 2)),
        ([datetime(2024, 3, 1, 5), datetime(2024, 3, 1, 6)], datetime(2024, 3, 1, 6)),
    ],
    ids=lambda value: str(value),
)
def test_times_are_read_as_they_are_written(texts: list[Any], expected: Moment) -> None:
    assert read(*texts)[-1] == expected


def test_hours_over_a_change_of_clocks_are_counted_in_utc_and_written_in_the_file_s_zone() -> None:
    clock, found = steps("2024-03-31T00:00+01:00", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00")
    assert (found, clock.utc, clock.text(0)) == ([0, 1, 2], True, "2024-03-31 00:00:00+01:00")
    assert [clock.at(0), clock.text(3)] == [datetime(2024, 3, 30, 23), "2024-03-31 04:00:00+02:00"]
    zone = timezone(timedelta(hours=2))
    for moment in (datetime(2024, 1, 1, 2, tzinfo=zone), datetime(2024, 1, 1, tzinfo=UTC)):
        assert steps(moment)[0].text(1) == (moment + timedelta(days=1)).isoformat(sep=" ").replace("+00:00", "Z")


ZONES = ("Europe/Rome", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Africa/Cairo")


def days_of(zone: str, *, every: int = 1, hour: int = 0, count: int = 800) -> list[datetime]:
    first = datetime(2023, 1, 2, hour, tzinfo=ZoneInfo(zone))
    return [first + timedelta(days=every * number) for number in range(count)]  # by the clock on the wall


def months_of(zone: str) -> list[datetime]:
    return [datetime(2023 + number // 12, number % 12 + 1, 1, tzinfo=ZoneInfo(zone)) for number in range(30)]


def hours_of(zone: str, minutes: int) -> list[datetime]:
    first, zoned = datetime(2023, 1, 1, tzinfo=UTC), ZoneInfo(zone)
    moments = [first + timedelta(minutes=minutes * number) for number in range(330 * 24 * 60 // minutes)]
    return [moment.astimezone(zoned) for moment in moments]


def quarters_of(zone: str) -> list[datetime]:
    return [
        datetime(2023, 1, 2, 6 * quarter, tzinfo=ZoneInfo(zone)) + timedelta(days=day)
        for day in range(460)
        for quarter in range(4)
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("kind", "unit", "words"),
    [
        ("days", "microsecond", "1 day"),
        ("noons", "microsecond", "1 day"),
        ("weeks", "microsecond", "1 week"),
        ("weekdays", "weekday", "1 weekday"),
        ("months", "month", "1 month"),
        ("six hours", "microsecond", "6 hours"),
        ("hours", "microsecond", "1 hour"),
        ("half hours", "microsecond", "30 minutes"),
    ],
)
@pytest.mark.parametrize("written", ["as dates", "with offsets", "as they are on the wall"])
def test_a_series_in_a_zone_is_regular_and_goes_on_in_it(
    zone: str, kind: str, unit: str, words: str, written: str
) -> None:
    moments = {
        "days": lambda: days_of(zone),
        "noons": lambda: days_of(zone, hour=12),
        "weeks": lambda: days_of(zone, every=7, count=115),
        "weekdays": lambda: [day for day in days_of(zone) if day.weekday() < 5],
        "months": lambda: months_of(zone),
        "six hours": lambda: quarters_of(zone),
        "hours": lambda: hours_of(zone, 60),
        "half hours": lambda: hours_of(zone, 30),
    }[kind]()
    known = len(moments) - len(moments) // 4  # The rest has a change of clocks.
    there = [moment.astimezone(UTC).astimezone(moment.tzinfo) for moment in moments]  # In Cairo a midnight is left out.
    values = {
        "as dates": moments,
        "with offsets": [moment.isoformat() for moment in there],
        "as they are on the wall": [moment.isoformat() for moment in moments],
    }[written]
    timeline = find_times(values[:known], place)
    clock = timeline.clock
    assert (clock.unit, clock.words, timeline.missing) == (unit, words, 0)
    assert [clock.text(step) for step in range(len(there))] == [moment.isoformat(sep=" ") for moment in there]
    assert Clock.from_json(clock.to_json()) == clock


def test_days_of_utc_written_in_a_zone_are_counted_in_utc() -> None:
    moments = [moment for moment in hours_of("Europe/Rome", 60) if moment.astimezone(UTC).hour == 0]
    clock, found = steps(*(moment.isoformat() for moment in moments[:300]))
    assert (clock.utc, clock.words, found) == (True, "1 day", [*range(300)])
    assert clock.text(300) == moments[300].isoformat(sep=" ")


@pytest.mark.parametrize(
    ("zone", "days", "unit"),
    [
        ("Europe/Rome", [*range(0, 12)], "microsecond"),
        ("Europe/Rome", [*range(0, 84, 7)], "microsecond"),
        ("America/New_York", [*range(0, 400)], "microsecond"),
        ("Australia/Lord_Howe", [*range(0, 250)], "microsecond"),
        ("Europe/Rome", [day for day in range(0, 40) if day % 7 < 5], "weekday"),
        ("Europe/Rome", [0, 31, 61, 92, 122, 153, 184, 214, 245], "month"),
    ],
)
def test_midnights_of_a_zone_in_utc_are_read_by_its_clock(zone: str, days: list[int], unit: str) -> None:
    first = datetime(2023, 3, 1) if unit == "month" else datetime(2023, 3, 20)
    local = [(first + timedelta(days=day)).replace(tzinfo=ZoneInfo(zone)) for day in days]
    texts = [moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in local]
    timeline = find_times(texts, place)
    assert (timeline.clock.unit, timeline.clock.utc, timeline.clock.start) == (unit, False, first)
    assert timeline.missing == 0
    assert timeline.note == f"{texts[0]!r} and the dates after it are read as midnights of {timeline.clock.zone}"
    written = [datetime.fromisoformat(timeline.clock.text(step)) for step in range(len(days))]
    assert written == local
    # Rows that do not show it follow the clock of a model, and without one they are what they are: days of UTC.
    winter = [(datetime(2024, 1, day, tzinfo=ZoneInfo(zone))).astimezone(UTC).isoformat() for day in (9, 10, 11)]
    if days[1] == 1:
        assert find_times(winter, place, like=timeline.clock).clock.start == datetime(2024, 1, 9)
    assert find_times(winter, place).clock.utc


def test_hours_of_utc_and_times_that_are_no_midnights_are_left_in_utc() -> None:
    hours = [f"2024-03-30T{hour:02d}:00Z" for hour in range(24)]
    assert steps(*hours)[0].utc
    odd = [f"2024-03-{day}T{hour}Z" for day, hour in ((28, "21:00"), (29, "21:00"), (30, "22:00"), (31, "21:30"))]
    assert "between two steps" in refusal(*odd)


DAYS = [date(2024, 12, 1) + timedelta(days=day) for day in range(45)]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("%d/%m/%y", "with the day first and the year in two digits"),
        ("%d.%m.%y", "with the day first and the year in two digits"),
        ("%m/%d/%y", "with the month first and the year in two digits"),
        ("%y-%m-%d", "with the year first, in two digits"),
        ("%d-%b-%y", "with the year in two digits"),
    ],
)
def test_years_of_two_digits_are_read_where_one_reading_is_regular(form: str, words: str) -> None:
    texts = [day.strftime(form) for day in DAYS]
    timeline = find_times(texts, place)
    assert timeline.clock == Clock(datetime(2024, 12, 1), "microsecond", 24 * HOUR)
    assert timeline.note == f"{texts[0]!r} and the dates after it are read {words}"


def test_years_of_two_digits_that_may_be_days_are_refused() -> None:
    assert "day, month and year could change places" in refusal("29/12/24", "30/12/24", "31/12/24")
    assert "no date" in refusal("32/13/24", "33/13/24")


def test_offsets_of_no_zone_are_kept() -> None:
    clock, found = steps("2024-01-01T00:00+03:17", "2024-01-02T00:00+03:17", "2024-01-03T00:00+03:17")
    assert (clock.zone, clock.text(3)) == ("+03:17", "2024-01-04 00:00:00+03:17")
    clock, found = steps("2024-01-01T00:00+01:00", "2024-01-02T00:00-07:00", "2024-01-03T00:00+04:21")
    assert (found, clock.text(3)) == ([0, 1, 2], "2024-01-04 00:00:00+04:21")


def test_a_missing_row_is_named_as_the_file_has_it() -> None:
    days = [day.isoformat() for day in days_of("Europe/Rome", count=100)]
    assert find_times(days[:80] + days[82:], place).missing == 2
    assert refusal(*days[:90], "2023-04-02T05:00:00+02:00", *days[91:]).startswith(
        "row 90 has 2023-04-02T05:00:00+02:00, which is between two steps of 1 day from 2023-01-02T00:00:00+01:00:"
    )


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
        (["2024-01-01 13:00 AM"], "row 0 has '2024-01-01 13:00 AM', which is no date: write all of them as"),
        (["2024-01-01 25:00"], "row 0 has '2024-01-01 25:00', which is no date: write all of them as"),
        (["1" * 99], f"row 0 has '{'1' * 39}, which is no date: write all of them as"),
        (
            ["01/02/2024", "02/02/2024"],
            "row 0 has '01/02/2024', where day and month could change places, as in all rows: write dates as 2024",
        ),
        (
            ["2024-01-01", "2024-01-02T00:00Z"],
            "row 1 has a date with a zone and row 0 has a date without a zone: write all of them alike",
        ),
        ([date(2024, 1, 1), 5], "row 1 has a number and row 0 has a date without a zone: write all of them alike"),
        ([1, True], "row 1 has True, which is no date: give dates or whole numbers"),
        ([1, 10**30], f"row 1 has {10**30}, which is no date: give dates or whole numbers"),
        (["2024-01-02", "2024-01-02"], "row 1 has 2024-01-02, as the row before: keep one of the two rows"),
        (
            ["2024-01-02", "2024-01-01"],
            "row 1 has 2024-01-01, which is before the row before: sort the rows by time",
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


def test_the_reading_in_which_the_steps_are_regular_is_taken_and_said() -> None:
    months = [f"01/{number % 12 + 1:02d}/{2010 + number // 12}" for number in range(20)]
    timeline = find_times(months, place)
    assert (timeline.clock.unit, timeline.clock.text(20)) == ("month", "2011-09-01")
    assert timeline.note == "'01/01/2010' and the dates after it are read with the day first"
    americans = [text[3:6] + text[:3] + text[6:] for text in months]
    assert find_times(americans, place).note == "'01/01/2010' and the dates after it are read with the month first"
    assert refusal(*months[:12]).startswith("row 0 has '01/01/2010', where day and month could change places")
    monthly = Clock(datetime(2010, 1, 1), "month")
    assert steps("01/02/2012", "01/03/2012", like=monthly)[0].text(2) == "2012-04-01"


def test_whole_numbers_of_six_digits_are_months_where_they_can_be() -> None:
    months = [f"{2024 + number // 12}{number % 12 + 1:02d}" for number in range(12)]
    timeline = find_times(months, place)
    assert (timeline.clock.words, timeline.clock.text(12)) == ("1 month", "2025-01-01")
    assert timeline.note == "'202401' and the dates after it are read as months"
    assert find_times([202411, 202412, 202501], place).clock.text(3) == "2025-02-01"
    assert steps("202401", "202402", like=Clock(202301, "number"))[0].text(2) == "202403"
    assert steps("190001", "190002", "190004")[0].unit == "month"
    assert steps("200099", "200100", "200101")[0].text(3) == "200102"


def test_the_last_weekdays_of_months_are_months_though_holidays_come_before() -> None:
    days = ["2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30", "2024-05-31", "2024-06-28"]  # Good Friday
    clock, found = steps(*days)
    assert (clock.unit, clock.words, clock.season, found) == ("business month end", "1 month", 12, [*range(6)])
    assert [clock.text(step) for step in (6, 7, 8, 10)] == ["2024-07-31", "2024-08-30", "2024-09-30", "2024-11-29"]
    assert Clock.from_json(clock.to_json()) == clock
    assert steps("2024-03-29", "2024-06-28", "2024-09-30")[0].words == "3 months"


@pytest.mark.parametrize(("minutes", "zone"), [(60, "Europe/Rome"), (30, "Africa/Cairo"), (15, "Australia/Lord_Howe")])
def test_an_hour_that_comes_twice_without_offsets_is_named(minutes: int, zone: str) -> None:
    wall = [moment.replace(tzinfo=None) for moment in hours_of(zone, minutes)]
    backward = next(row for row in range(1, len(wall)) if wall[row] <= wall[row - 1])
    day = wall[backward - 90 : backward + 90]
    sentence = refusal(*(moment.strftime("%Y-%m-%d %H:%M") for moment in day))
    assert sentence.startswith(f"row 90 has {wall[backward]:%Y-%m-%d %H:%M} after {wall[backward - 1]:%Y-%m-%d %H:%M},")
    assert "comes twice where clocks are put back that day: write the times in UTC or each with its offset" in sentence
    noon = [f"2024-06-01 {hour:02d}:00" for hour in (9, 10, 11, 11, 12)]
    assert "as the row before: keep one of the two rows" in refusal(*noon)


def test_times_that_come_again_and_again_are_several_series() -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 10)]
    for values in (days * 3, sorted(days * 3)):
        assert "if there are several series in the table, give each as a file of its own" in refusal(*values)
    assert "sort the rows by time" in refusal(*reversed(days))


@pytest.mark.parametrize(
    "clock",
    [
        Clock(datetime(9999, 12, 30), "microsecond", 24 * HOUR),
        Clock(datetime(9999, 12, 30), "weekday"),
        Clock(datetime(9999, 12, 30), "month"),
        Clock(datetime(9999, 12, 31), "month end", 7_190 * 12),
        Clock(datetime(1, 1, 2), "microsecond", 24 * HOUR, True, "Europe/Rome"),
    ],
)
@pytest.mark.parametrize("step", [5, -9_999_999, 10**30])
def test_a_step_outside_the_calendar_is_one_sentence(clock: Clock, step: int) -> None:
    if clock.start != datetime(1, 1, 2) or step != 5:
        with pytest.raises(DataError, match="outside the years 1 to 9999: correct the dates"):
            clock.text(step)


@pytest.mark.parametrize(
    "texts",
    [["0001-01-01T00:00+14:00", "0001-01-02T00:00+14:00"], ["9999-12-30T20:00-12:00", "9999-12-31T20:00-12:00"]],
)
def test_dates_at_the_ends_of_the_calendar_are_read(texts: list[str]) -> None:
    assert steps(*texts)[0].text(1) == texts[1].replace("T", " ").replace(":00+", ":00:00+").replace(":00-", ":00:00-")
