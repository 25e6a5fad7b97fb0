"""The work queue: each key at most once, never two passes over one key at a time, and patience with failing ones."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from recall_operator.metrics import QUEUE_DEPTH, QUEUE_OLDEST_SECONDS
from recall_operator.rate import RESYNC_SECONDS, any_chance, backoff, poll_delay, resync_delay
from recall_operator.reconcile import Outcome, Rhythm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger(__name__)

WORKERS: Final = 16
PASS_SECONDS: Final = 180.0
"""A pass that takes longer is given up and tried again: a lost answer must not hold a worker for ever."""


class WorkQueue:
    """Keys that wait for a pass, and the workers that make them."""

    def __init__(
        self,
        work: Callable[[str], Awaitable[Outcome]],
        *,
        workers: int = WORKERS,
        chance: Callable[[], float] = any_chance,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._work = work
        self._resync_seconds = resync_seconds
        self._workers = workers
        self._chance = chance
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._since: dict[str, float] = {}
        """When each waiting key came; insertion order is age."""
        self._running: dict[str, float] = {}
        """When each pass under way began."""
        self._again: set[str] = set()
        """Keys that came while a pass over them was under way."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: Counter[str] = Counter()
        self._looks: Counter[str] = Counter()
        self._rhythms: dict[str, Rhythm] = {}
        QUEUE_DEPTH.set_function(lambda: len(self._since))
        QUEUE_OLDEST_SECONDS.set_function(self.oldest_seconds)

    def add(self, key: str) -> None:
        """Ask for a pass over `key` now."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = time.monotonic()
            self._waiting.put_nowait(key)

    def ensure(self, key: str) -> None:
        """Ask for a pass over `key` unless one is under way or planned: for lists that make up for lost events."""
        if key not in self._timers and key not in self._running:
            self.add(key)

    def set_rhythm(self, key: str, rhythm: Rhythm) -> None:
        """Take note of when `key` wants to be looked at again."""
        self._rhythms[key] = rhythm

    def oldest_seconds(self) -> float:
        """Return for how long the oldest key has waited for a worker; 0 when none waits."""
        # `dict` may change in another thread's sight between the two calls; the copy keeps that harmless.
        oldest = min(self._since.copy().values(), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def longest_pass_seconds(self) -> float:
        """Return for how long the longest pass has been under way; 0 when there is none."""
        oldest = min(self._running.copy().values(), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._serve())
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _serve(self) -> None:
        while True:
            key = await self._waiting.get()
            self._since.pop(key, None)
            self._running[key] = time.monotonic()
            try:
                outcome = await self._pass(key)
            finally:
                self._running.pop(key, None)
            self._plan_next(key, outcome)

    async def _pass(self, key: str) -> Outcome:
        try:
            async with asyncio.timeout(PASS_SECONDS):
                return await self._work(key)
        except Exception:
            _log.exception("pass failed", instance=key)
            return Outcome.FAILED

    def _plan_next(self, key: str, outcome: Outcome) -> None:
        delay = self._delay(key, outcome)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._wake, key)

    def _wake(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _delay(self, key: str, outcome: Outcome) -> float | None:
        """Return the wait in seconds before the next pass; None when there will be none."""
        if outcome is Outcome.GONE:
            self._rhythms.pop(key, None)
        rhythm = self._rhythms.get(key, Rhythm())
        usual = self._usual_delay(key, outcome, rhythm.poll_seconds or self._resync_seconds)
        if usual is None or rhythm.within_seconds is None:
            return usual
        return min(usual, rhythm.within_seconds)

    def _usual_delay(self, key: str, outcome: Outcome, resync_seconds: float) -> float | None:
        match outcome:
            case Outcome.FAILED:
                self._failures[key] += 1
                return backoff(self._failures[key], self._chance())
            case Outcome.MOVED | Outcome.PROGRESSING:
                if outcome is Outcome.MOVED:
                    del self._looks[key]
                del self._failures[key]
                self._looks[key] += 1
                return poll_delay(self._looks[key] - 1)
            case Outcome.SETTLED | Outcome.GONE:
                del self._failures[key], self._looks[key]
                return resync_delay(self._chance(), resync_seconds) if outcome is Outcome.SETTLED else None
