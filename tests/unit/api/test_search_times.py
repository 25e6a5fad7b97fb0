"""Times that queries name, against a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_api.search.times import times

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 12, tzinfo=BERLIN)  # a Monday


def days(query: str, now: datetime = NOW, zone: ZoneInfo = BERLIN) -> list[tuple[str, str]]:
    return [(time.start.date().isoformat(), time.end.date().isoformat()) for time in times(query, now, zone)]


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("What did we plant last spring?", "2026-03-01", "2026-06-01"),
        ("last autumn", "2025-09-01", "2025-12-01"),
        ("this autumn", "2026-09-01", "2026-12-01"),
        ("in the winter of 2023", "2023-12-01", "2024-03-01"),
        ("the dentist in March 2024", "2024-03-01", "2024-04-01"),
        ("in December", "2025-12-01", "2026-01-01"),
        ("15 March 2024", "2024-03-15", "2024-03-16"),
        ("March 15th, 2024", "2024-03-15", "2024-03-16"),
        ("on 2 October", "2026-10-02", "2026-10-03"),
        ("2024-03-15", "2024-03-15", "2024-03-16"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("in 2021", "2021-01-01", "2022-01-01"),
        ("yesterday", "2026-11-22", "2026-11-23"),
        ("the day before yesterday", "2026-11-21", "2026-11-22"),
        ("today", "2026-11-23", "2026-11-24"),
        ("last night", "2026-11-22", "2026-11-24"),
        ("two weeks ago", "2026-11-06", "2026-11-13"),
        ("three days ago", "2026-11-20", "2026-11-21"),
        ("a couple of months ago", "2026-09-09", "2026-10-10"),
        ("last week", "2026-11-16", "2026-11-23"),
        ("this week", "2026-11-23", "2026-11-30"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("last weekend", "2026-11-21", "2026-11-23"),
        ("on Monday", "2026-11-16", "2026-11-17"),
        ("last Friday", "2026-11-20", "2026-11-21"),
        ("the past 10 days", "2026-11-13", "2026-11-24"),
        ("Christmas 2022", "2022-12-23", "2022-12-28"),
        ("last Christmas", "2025-12-23", "2025-12-28"),
        ("since June", "2026-06-01", "9999-12-31"),
        ("before 2020", "0001-01-01", "2020-01-01"),
        ("after last summer", "2026-09-01", "9999-12-31"),
        ("between March 2021 and May 2022", "2021-03-01", "2022-06-01"),
        ("from March to May 2022", "2022-03-01", "2022-06-01"),
        ("between November and February 2022", "2021-11-01", "2022-03-01"),
    ],
)
def test_times_are_understood(query: str, start: str, end: str) -> None:
    assert days(query) == [(start, end)]


@pytest.mark.parametrize(
    "query",
    [
        "may I bring the dog?",
        "a march through the woods",
        "fall down",
        "31 February",
        "room 2417",
        "second-hand car",
        "",
    ],
)
def test_other_words_are_no_times(query: str) -> None:
    assert days(query) == []


def test_a_day_is_the_users_day() -> None:
    late = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    assert days("today", late, ZoneInfo("America/New_York")) == [("2025-12-31", "2026-01-01")]
    assert days("today", late, ZoneInfo("Asia/Tokyo")) == [("2026-01-01", "2026-01-02")]
    (yesterday,) = times("yesterday", NOW, BERLIN)
    assert yesterday.start.astimezone(UTC) == datetime(2026, 11, 21, 23, tzinfo=UTC)


def test_seasons_are_those_of_the_hemisphere() -> None:
    assert days("last summer", NOW, ZoneInfo("Australia/Sydney")) == [("2025-12-01", "2026-03-01")]


def test_several_times_are_all_named() -> None:
    assert days("Christmas 2021 or in March 2024") == [("2021-12-23", "2021-12-28"), ("2024-03-01", "2024-04-01")]


MOMENTS = st.datetimes(datetime(1905, 1, 1), datetime(2095, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kathmandu"])


@given(MOMENTS, ZONES, st.integers(1, 300), st.sampled_from(["day", "week", "month", "year"]))
def test_so_long_ago_holds_that_day(now: datetime, zone_name: str, count: int, unit: str) -> None:
    zone = ZoneInfo(zone_name)
    length = {"day": 1, "week": 7, "month": 30, "year": 365}[unit]
    (time,) = times(f"{count} {unit}s ago", now, zone)
    that_day = now.astimezone(zone).date() - timedelta(days=count * length)
    assert time.start.date() <= that_day < time.end.date()
    assert time.end.date() - time.start.date() <= timedelta(days=length + 1)


@given(MOMENTS, ZONES, st.sampled_from(["last", "this"]), st.sampled_from(["week", "month", "year", "weekend"]))
def test_calendar_units_lie_side_by_side(now: datetime, zone_name: str, which: str, unit: str) -> None:
    zone = ZoneInfo(zone_name)
    (time,) = times(f"{which} {unit}", now, zone)
    today = now.astimezone(zone).date()
    if which == "last":
        assert time.end.date() <= today + timedelta(days=1)
    elif unit != "weekend":
        assert time.start.date() <= today < time.end.date()


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), MOMENTS, ZONES)
def test_a_written_date_is_that_day_whenever_it_is_asked(day: date, now: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    for written in (f"{day:%Y-%m-%d}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"):
        (time,) = times(f"dinner on {written}?", now, zone)
        assert (time.start.date(), time.end.date()) == (day, day + timedelta(days=1))


@given(st.text(), MOMENTS, ZONES)
def test_any_text_can_be_asked(query: str, now: datetime, zone_name: str) -> None:
    for time in times(query, now, ZoneInfo(zone_name)):
        assert time.start < time.end
        assert time.words in query
