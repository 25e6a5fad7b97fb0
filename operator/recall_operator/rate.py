"""How fast: a token bucket for requests, and the delays between tries. The delays are pure functions."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

FIRST_BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 300.0
RESYNC_SECONDS: Final = 600.0
RESYNC_SPREAD: Final = 0.2

SLOWEST: Final = 32.0
"""Throttled again and again, a service still gets this part of its rate: somebody has to notice that it is over."""
RECOVERY: Final = 0.02
"""Part of the full rate that each success wins back."""


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
    """Lets `rate` requests a second pass, and up to `burst` at once after a pause. First come, first served."""

    def __init__(self, rate: float, burst: int) -> None:
        self._full_rate = rate
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = time.monotonic()

    async def take(self) -> None:
        """Take one token, waiting for it when there is none.

        The count may fall below zero: each waiter has then reserved its place, and waits just long enough.
        """
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate) - 1.0
        self._filled_at = now
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)

    @property
    def rate(self) -> float:
        """Requests a second that pass now."""
        return self._rate

    def throttled(self) -> None:
        """Halve the rate, and take away what was saved: AWS said that it was too much, for whomever."""
        self._rate = max(self._full_rate / SLOWEST, self._rate / 2)
        self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Win back a little of the full rate: slowly up and fast down settles at what AWS takes (as TCP does)."""
        self._rate = min(self._full_rate, self._rate + self._full_rate * RECOVERY)
