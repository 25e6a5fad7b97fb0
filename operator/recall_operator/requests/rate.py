"""How fast: a token bucket for requests, and the delays between tries. The delays are pure functions."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 300.0
RESYNC_SECONDS: Final = 600.0
RESYNC_SPREAD: Final = 0.2

SLOWEST: Final = 32.0
"""Throttled again and again, a service still gets this part of its rate: somebody has to notice that it is over."""
RECOVERY: Final = 0.02
"""Part of the full rate that each success wins back."""

RESERVE: Final = 0.25
"""Part of the burst that the background leaves to those whom somebody waits for."""
CROWD_SECONDS: Final = 10.0
_TOLERANCE: Final = 1e-6
"""A timer may come a rounding error early."""


def backoff_ceiling(failures: int) -> float:
    """Return the longest wait in seconds before the next try after `failures` failures in a row (at least one)."""
    # 2 ** 9 s is beyond the longest wait; a larger exponent would only overflow.
    return min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 9))


def backoff(failures: int, chance: float) -> float:
    """Return the wait in seconds, with full jitter: `chance` (0 to 1) of the ceiling.

    Full jitter spreads those who failed together best (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """
    return backoff_ceiling(failures) * chance


def poll_delay(passes: int) -> float:
    """Return the wait in seconds before looking again at something that changes, after `passes` looks in a row.

    The first looks come quickly, because most changes are done at once; the tenth of a second keeps a fight with
    another controller over one field from becoming a hot loop.
    """
    return min(15.0, 0.1 * 2.0 ** min(passes, 8))


def resync_delay(chance: float, seconds: float = RESYNC_SECONDS) -> float:
    """Return the wait before a settled instance is looked at again: `seconds` ±20 %; `chance` is from 0 to 1."""
    return seconds * (1 - RESYNC_SPREAD + 2 * RESYNC_SPREAD * chance)


def any_chance() -> float:
    """Return a number from 0 to 1 for jitter."""
    return random.random()  # noqa: S311 - spreads load, keeps no secret


class TokenBucket:
    """Lets `rate` requests a second pass, and up to `burst` at once after a pause.

    Two lanes: whoever waits in the background goes after everybody else, and leaves a part of the burst to them, so
    that a wave of routine reads never stands before a change that somebody waits for.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._full_rate = rate
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = time.monotonic()
        self._lanes: tuple[deque[asyncio.Future[None]], deque[asyncio.Future[None]]] = (deque(), deque())
        """Who waits: first those whom somebody waits for, then the background."""
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, *, background: bool = False) -> None:
        """Take one token, waiting for it when there is none; first come, first served in each lane."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes[background].append(turn)
        self._serve()
        await turn

    def _serve(self) -> None:
        """Let pass whoever may, and come again when the next one may."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for lane, kept in zip(self._lanes, (0.0, self._burst * RESERVE), strict=True):
            while lane and (lane[0].done() or self._tokens >= 1.0 + kept - _TOLERANCE):
                turn = lane.popleft()
                if not turn.done():  # Whoever was cancelled takes nothing.
                    turn.set_result(None)
                    self._tokens -= 1.0
            if lane:
                wait = (1.0 + kept - self._tokens) / self._rate
                self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0), self._serve)
                return

    @property
    def rate(self) -> float:
        """Requests a second that pass now."""
        return self._rate

    def throttled(self) -> None:
        """Halve the rate, and take away what was saved: AWS said that it was too much, for all."""
        self._rate = max(self._full_rate / SLOWEST, self._rate / 2)
        self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Win back a little of the full rate: slowly up and fast down settles at what AWS takes (as TCP does)."""
        self._rate = min(self._full_rate, self._rate + self._full_rate * RECOVERY)


class Crowd:
    """Tells a service that throttles all from one that throttles one: by who was throttled and who was served of late.

    AWS limits accounts, but also single resources (a table's control operations, a zone's changes). Slowing everybody
    down because of one table would let one instance hold back a thousand.
    """

    def __init__(self, seconds: float = CROWD_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._served: dict[str, float] = {}
        self._throttled: dict[str, float] = {}

    def served(self, who: str) -> None:
        """Take note that `who` got an answer."""
        self._served.pop(who, None)
        self._served[who] = self._clock()
        self._forget()

    def throttled(self, who: str) -> bool:
        """Take note that `who` was throttled; return whether that is everybody's business.

        It is when at least two were, and they are a quarter or more of all who asked within `seconds`.
        """
        self._throttled.pop(who, None)
        self._throttled[who] = self._clock()
        self._forget()
        asked = self._served.keys() | self._throttled.keys()
        return len(self._throttled) > 1 and len(self._throttled) * 4 >= len(asked)

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        for known in (self._served, self._throttled):
            while known and next(iter(known.values())) < oldest:  # In the order of time: each note is put last.
                del known[next(iter(known))]
