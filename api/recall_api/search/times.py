"""Times that a query names, such as "last spring" or "two weeks ago", as spans of the user's calendar.

Rules: weeks begin on Monday; a month, season, weekday or feast without a year is the latest one that has begun;
"last" before one is the latest that is over; "N weeks ago" reaches half a unit to both sides, because people round.
Seasons are the meteorological ones, of the hemisphere in which the time zone lies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), 1
    )
    for name in names.split()
}  # fmt: skip
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""First month, north of the equator."""
_SOUTHERN: Final = ("Australia/", "Antarctica/", "Pacific/Auckland", "America/Argentina/", "America/Sao_Paulo",
                    "America/Santiago", "America/Montevideo", "America/Asuncion", "Africa/Johannesburg",
                    "Africa/Maputo", "Africa/Harare", "Africa/Windhoek", "Indian/Antananarivo")  # fmt: skip
_FEASTS: Final = {
    "christmas": (12, 23, 5), "xmas": (12, 23, 5), "new year's eve": (12, 31, 1), "new year": (12, 31, 3),
    "halloween": (10, 31, 1), "valentine's day": (2, 14, 1),
}  # fmt: skip
"""Month and day on which it begins, and days that it lasts."""
_NUMBERS: Final = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), 1  # noqa: SIM905 - as it is read
    )
} | {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4}  # fmt: skip
_UNIT_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}
_FIRST, _LAST = date(1, 1, 1), date(9999, 12, 31)

_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_COUNT = rf"(?P<count>\d{{1,3}}|(?:a\s+)?(?:{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}))(?:\s+of)?"
_UNIT = r"(?P<unit>day|week|month|year)"
_WHICH = r"(?P<which>last|previous|this|past)"


@dataclass(frozen=True)
class Time:
    """A span of time that a query names: from `start` on, and before `end`."""

    words: str
    """What the query says."""
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Say whether `moment` lies in it."""
        return self.start <= moment < self.end


@dataclass(frozen=True)
class _Context:
    today: date
    southern: bool


_Days = tuple[date, date]
"""First day, and the one after the last."""


def _month(year: int, month: int, months: int = 1) -> _Days:
    after = year * 12 + month - 1 + months
    return date(year, month, 1), date(after // 12, after % 12 + 1, 1)


def _day(first: date, days: int = 1) -> _Days:
    return first, first + timedelta(days=days)


def _latest(make: Callable[[int], _Days], context: _Context, *, over: bool = False) -> _Days:
    """Return the latest year's that has begun, or that is over."""
    for year in (context.today.year, context.today.year - 1):
        days = make(year)
        if (days[1] if over else days[0]) <= context.today:
            return days
    return make(context.today.year - 2)


def _chosen(make: Callable[[int], _Days], found: re.Match[str], context: _Context) -> _Days:
    """Return that of the named year; else of "this" year, or the latest."""
    groups = found.groupdict()
    if groups.get("year"):
        return make(int(groups["year"]))
    which = (groups.get("which") or "").lower()
    return make(context.today.year) if which == "this" else _latest(make, context, over=which in {"last", "previous"})


def _iso_day(found: re.Match[str], _context: _Context) -> _Days:
    return _day(date(int(found["year"]), int(found["number"]), int(found["day"])))


def _iso_month(found: re.Match[str], _context: _Context) -> _Days:
    return _month(int(found["year"]), int(found["number"]))


def _day_of_month(found: re.Match[str], context: _Context) -> _Days:
    return _chosen(lambda year: _day(date(year, _MONTHS[found["month"].lower()], int(found["day"]))), found, context)


def _months(found: re.Match[str], _context: _Context) -> _Days:
    year, last = int(found["year"]), _MONTHS[found["month"].lower()]
    first = _MONTHS[found["first"].lower()]
    return _month(year if first <= last else year - 1, first)[0], _month(year, last)[1]


def _named_month(found: re.Match[str], context: _Context) -> _Days:
    return _chosen(lambda year: _month(year, _MONTHS[found["month"].lower()]), found, context)


def _season(found: re.Match[str], context: _Context) -> _Days:
    first = (_SEASONS[found["season"].lower()] + (6 if context.southern else 0) - 1) % 12 + 1
    return _chosen(lambda year: _month(year, first, 3), found, context)


def _feast(found: re.Match[str], context: _Context) -> _Days:
    month, day, days = _FEASTS[found["feast"].lower().replace("\u2019", "'")]
    return _chosen(lambda year: _day(date(year, month, day), days), found, context)


def _year(found: re.Match[str], _context: _Context) -> _Days:
    return _month(int(found["year"]), 1, 12)


def _ago(found: re.Match[str], context: _Context) -> _Days:
    text = found["count"].lower().split()[-1]
    count = int(text) if text.isdigit() else _NUMBERS[text]
    unit = _UNIT_DAYS[found["unit"].lower()]
    middle = context.today - timedelta(days=count * unit)
    # "three days ago" is a day, "a few days ago" is not.
    half = unit // 2 if unit > 1 else int(text in {"couple", "few", "several"})
    return middle - timedelta(days=half), middle + timedelta(days=half + 1)


def _rolling(found: re.Match[str], context: _Context) -> _Days:
    text = found["count"].lower().split()[-1]
    count = int(text) if text.isdigit() else _NUMBERS[text]
    return context.today - timedelta(days=count * _UNIT_DAYS[found["unit"].lower()]), context.today + timedelta(days=1)


def _unit(found: re.Match[str], context: _Context) -> _Days:
    today, back = context.today, 0 if found["which"].lower() == "this" else 1
    match found["unit"].lower():
        case "year":
            return _month(today.year - back, 1, 12)
        case "month":
            months = today.year * 12 + today.month - 1 - back
            return _month(months // 12, months % 12 + 1)
        case "weekend":
            saturday = today - timedelta(days=today.weekday() - 5 + 7 * back)
            return _day(saturday, 2)
        case "week":
            return _day(today - timedelta(days=today.weekday() + 7 * back), 7)
        case _:  # last night, this morning
            return _day(today - timedelta(days=back), 1 + back)


def _weekday(found: re.Match[str], context: _Context) -> _Days:
    back = (context.today.weekday() - _DAYS.index(found["weekday"].lower())) % 7
    if back == 0 and (found["which"] or "").lower() != "this":
        back = 7
    return _day(context.today - timedelta(days=back))


def _near(found: re.Match[str], context: _Context) -> _Days:
    days = {"today": 0, "yesterday": 1}.get(found["near"].lower(), 2)
    return _day(context.today - timedelta(days=days))


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Context], _Days]], ...]] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), rule)
    for pattern, rule in (
        (rf"{_YEAR}-(?P<number>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])", _iso_day),
        (rf"{_YEAR}-(?P<number>0[1-9]|1[0-2])", _iso_month),
        (rf"{_DAY}(?:\s+of)?\s+{_MONTH}(?:,?\s+{_YEAR})?", _day_of_month),
        (rf"{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?", _day_of_month),
        (rf"(?:between|from)\s+(?P<first>{'|'.join(_MONTHS)})\s+(?:and|to|until)\s+{_MONTH}\s+{_YEAR}", _months),
        (rf"{_MONTH},?\s+(?:of\s+)?{_YEAR}", _named_month),
        (rf"(?:(?:in|during|since|until|before|after|of)\s+)?{_WHICH}\s+{_MONTH}", _named_month),
        (rf"(?:in|during|since|until|before|after)\s+(?:early\s+|late\s+|mid\s+)?{_MONTH}", _named_month),
        (rf"(?:{_WHICH}\s+)?(?P<season>spring|summer|autumn|fall|winter)\s+(?:of\s+|in\s+)?{_YEAR}", _season),
        (rf"{_WHICH}\s+(?P<season>spring|summer|autumn|fall|winter)", _season),
        (r"(?:in|during|since|until|before|after)\s+(?:the\s+)?(?P<season>spring|summer|autumn|fall|winter)", _season),
        (rf"(?:{_WHICH}\s+)?(?P<feast>christmas|xmas|new\s+year['\u2019]s\s+eve|new\s+year|halloween|"
         rf"valentine['\u2019]s\s+day)(?:\s+(?:day|eve))?\s+(?:of\s+|in\s+)?{_YEAR}", _feast),
        (rf"{_WHICH}\s+(?P<feast>christmas|xmas|new\s+year['\u2019]s\s+eve|new\s+year|halloween|"
         r"valentine['\u2019]s\s+day)", _feast),
        (rf"{_COUNT}\s+{_UNIT}s?\s+ago", _ago),
        (rf"(?:last|past|previous)\s+{_COUNT}\s+{_UNIT}s?", _rolling),
        (rf"{_WHICH}\s+(?P<unit>weekend|week|month|year|night|morning|afternoon|evening)", _unit),
        (rf"(?:(?:on|{_WHICH})\s+)(?P<weekday>{'|'.join(_DAYS)})", _weekday),
        (r"(?P<near>the\s+day\s+before\s+yesterday|day\s+before\s+yesterday|yesterday|today)", _near),
        (_YEAR, _year),
    )
)  # fmt: skip
_OPEN: Final = re.compile(r"\b(since|after|before|until|till)\s+(?:(?:the|early|late|mid)\s+)?$", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\s*(?:and|to|until|till|-|\u2013)\s*", re.IGNORECASE)
_BETWEEN_BEFORE: Final = re.compile(r"\b(?:between|from)\s+(?:the\s+)?$", re.IGNORECASE)


def times(query: str, now: datetime, zone: ZoneInfo) -> list[Time]:
    """Return the times that `query` names, in its order; a memory fits when it lies in one of them.

    Args:
        query: What somebody asks, in English; ISO dates are understood in any language.
        now: When it is asked (aware).
        zone: Where it is asked.
    """
    context = _Context(now.astimezone(zone).date(), zone.key.startswith(_SOUTHERN))
    found: list[tuple[int, int, _Days]] = []
    for pattern, rule in _RULES:
        for match in pattern.finditer(query):
            if any(match.start() < end and start < match.end() for start, end, _ in found):
                continue  # an earlier rule, which knows more, has taken these words
            try:
                found.append((*match.span(), rule(match, context)))
            except (ValueError, OverflowError):
                continue  # no such day: 31 June
    return [_aware(query[start:end], days, zone) for start, end, days in _joined(query, sorted(found))]


def _joined(query: str, found: list[tuple[int, int, _Days]]) -> list[tuple[int, int, _Days]]:
    """Make one span of "between A and B", and open ones of "since A" and "before A"."""
    joined: list[tuple[int, int, _Days]] = []
    for start, end, days in found:
        if joined:
            first, last, (since, _) = joined[-1]
            if _BETWEEN_BEFORE.search(query[:first]) and _BETWEEN.fullmatch(query[last:start]) and since < days[1]:
                joined[-1] = (first, end, (since, days[1]))
                continue
        joined.append((start, end, days))
    return [_opened(query, *one) for one in joined]


def _opened(query: str, start: int, end: int, days: _Days) -> tuple[int, int, _Days]:
    inside = re.match(r"(since|after|before|until|till)\b", query[start:end], re.IGNORECASE)
    ahead = inside or _OPEN.search(query[:start])
    if ahead is None:
        return start, end, days
    first = start if inside else ahead.start(1)
    match ahead[1].lower():
        case "since":
            return first, end, (days[0], _LAST)
        case "after":
            return first, end, (days[1], _LAST)
        case "before":
            return first, end, (_FIRST, days[0])
        case _:
            return first, end, (_FIRST, days[1])


def _aware(words: str, days: _Days, zone: ZoneInfo) -> Time:
    start, end = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in days)
    return Time(words, start, end)
