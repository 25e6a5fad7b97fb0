"""When an instance sleeps: pure functions of the clock, the windows and the time zone, right across DST.

A window is two cron expressions: asleep from every `sleepAt` until the next `wakeAt`. Times are wall-clock times of the
time zone. As with cron(8) of Debian, which `cronsim` follows, a time that a change to summer time skips happens at
once after the gap, and one that the change back repeats happens once, at its first pass.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Window = tuple[str, str]
"""Cron expressions: when sleep begins, when it ends."""

_FIELDS: Final = 5

_LOOK_BACK_DAYS: Final = (1, 8, 40, 400, 1600)
"""How far to look for the last time that an expression came true: four years hold every 29th of February."""

_MOST_EVENTS: Final = 5_000
"""Events without a change of state after which none is expected; a window that opens every minute has 1,440 a day."""


def check_cron(expression: str) -> str:
    """Return `expression` if it is a cron expression of five fields that comes true some day.

    Raises:
        ValueError: it is not; the message names the value and the remedy.
    """
    if len(expression.split()) != _FIELDS:
        raise ValueError(f"{expression!r} is no cron expression; write five fields, such as '0 20 * * 1-5'")
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        message = f"{expression!r} is no cron expression ({error}); write five fields, such as '0 20 * * 1-5'"
        raise ValueError(message) from error
    except StopIteration as error:
        raise ValueError(f"{expression!r} never comes true; choose a day that exists") from error
    return expression


def check_zone(name: str) -> str:
    """Return `name` if it is a time zone of the IANA database.

    Raises:
        ValueError: it is not; the message names the value and the remedy.
    """
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{name!r} is no time zone; write a name of the IANA database, such as Europe/Vienna"
        ) from error
    return name


def _times(expression: str, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when the expression comes true after `after`, in UTC and in order."""
    last = after.astimezone(UTC)
    for local in CronSim(expression, after.astimezone(zone)):
        # Compared in UTC: within a fold wall-clock times do not order.
        moment = local.astimezone(UTC)
        if moment > last:
            last = moment
            yield moment


def _last_time(expression: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when the expression last came true at or before `now`; None when it did not for years.

    It only looks forwards, from ever earlier starts, so that past and future can't disagree about a clock change.
    """
    for days in _LOOK_BACK_DAYS:
        latest = None
        for moment in _times(expression, now - timedelta(days=days), zone):
            if moment > now:
                break
            latest = moment
        if latest:
            return latest
    return None


def _window_asleep(window: Window, now: datetime, zone: ZoneInfo) -> bool:
    slept, woke = (_last_time(expression, now, zone) for expression in window)
    return slept is not None and (woke is None or slept > woke)


def is_asleep(now: datetime, windows: Sequence[Window], zone_name: str) -> bool:
    """Whether any of the windows is open at `now` (an aware time). At one and the same minute, waking wins."""
    zone = ZoneInfo(zone_name)
    return any(_window_asleep(window, now, zone) for window in windows)


def next_transition(now: datetime, windows: Sequence[Window], zone_name: str) -> datetime | None:
    """Return when, after `now`, sleep next begins or ends, in UTC; None when that is not foreseeable."""
    zone = ZoneInfo(zone_name)
    states = [_window_asleep(window, now, zone) for window in windows]
    before = any(states)
    for moment, changes in islice(groupby(_events(now, windows, zone), key=_moment), _MOST_EVENTS):
        for _, wakes, index in changes:
            states[index] = not wakes
        if any(states) is not before:
            return moment
    return None


def _moment(event: tuple[datetime, bool, int]) -> datetime:
    return event[0]


def _events(now: datetime, windows: Sequence[Window], zone: ZoneInfo) -> Iterator[tuple[datetime, bool, int]]:
    """Yield in order what happens after `now`: when, whether sleep ends, and in which window; waking comes last."""

    def stream(expression: str, index: int, *, wakes: bool) -> Iterator[tuple[datetime, bool, int]]:
        return ((moment, wakes, index) for moment in _times(expression, now, zone))

    return merge(
        *(stream(sleep, index, wakes=False) for index, (sleep, _) in enumerate(windows)),
        *(stream(wake, index, wakes=True) for index, (_, wake) in enumerate(windows)),
    )
