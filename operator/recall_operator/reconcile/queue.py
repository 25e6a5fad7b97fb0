"""The work queue: each key at most once, never two passes over one key at a time, and patience with failing ones.

Two lanes with workers of their own: keys that somebody waits for (a change), and the background (resyncs, tries after
failures, everything at the start). However many of the latter there are, a change finds a worker.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from recall_operator.reconcile.rhythm import Outcome, Rhythm
from recall_operator.requests.rate import RESYNC_SECONDS, any_chance, backoff, poll_delay, resync_delay
from recall_operator.telemetry.metrics import QUEUE_DEPTH, QUEUE_OLDEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger(__name__)

WORKERS: Final = 48
"""Passes at a time over instances that somebody waits for. They mostly wait for AWS, and share its lists."""
BACKGROUND_WORKERS: Final = 16
PASS_SECONDS: Final = 180.0
"""A pass that takes longer is given up and tried again: a lost answer must not hold a worker for ever."""


class WorkQueue:
    """Keys that wait for a pass, and the workers that make them."""

    def __init__(
        self,
        work: Callable[[str], Awaitable[Outcome]],
        *,
        workers: int = WORKERS,
        background_workers: int = BACKGROUND_WORKERS,
        chance: Callable[[], float] = any_chance,
        resync_seconds: float = RESYNC_SECONDS,
        measured: bool = True,
    ) -> None:
        self._work = work
        self._resync_seconds = resync_seconds
        self._chance = chance
        self._workers = {False: workers, True: background_workers}
        self._lanes: dict[bool, asyncio.Queue[str]] = {False: asyncio.Queue(), True: asyncio.Queue()}
        """Keys that wait, in the background or not; one that moved up is passed over in the background's queue."""
        self._since: dict[str, float] = {}
        """When each waiting key came; insertion order is age."""
        self._behind: set[str] = set()
        """Waiting keys that are in the background."""
        self._running: dict[str, float] = {}
        """When each pass under way began."""
        self._again: dict[str, bool] = {}
        """Keys that came while a pass over them was under way, and whether only in the background."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: Counter[str] = Counter()
        self._looks: Counter[str] = Counter()
        self._rhythms: dict[str, Rhythm] = {}
        if measured:  # The metrics are of one queue: that of instances.
            QUEUE_DEPTH.set_function(lambda: len(self._since))
            QUEUE_OLDEST_SECONDS.set_function(self.oldest_seconds)

    def add(self, key: str, *, background: bool = False) -> None:
        """Ask for a pass over `key` now, or in the background: after those that somebody waits for."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again[key] = background and self._again.get(key, True)
            return
        if key not in self._since:
            self._since[key] = time.monotonic()
        elif background or key not in self._behind:
            return
        (self._behind.add if background else self._behind.discard)(key)
        self._lanes[background].put_nowait(key)

    def ensure(self, key: str) -> None:
        """Ask for a pass over `key` unless one is under way or planned: for lists that make up for lost events."""
        if key not in self._timers and key not in self._running:
            self.add(key, background=True)

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
                for background, workers in self._workers.items():
                    for _ in range(workers):
                        group.create_task(self._serve(background=background))
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _serve(self, *, background: bool) -> None:
        while True:
            key = await self._lanes[background].get()
            if key not in self._since or (key in self._behind) is not background:
                continue  # It has moved up meanwhile.
            self._since.pop(key)
            self._behind.discard(key)
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
            self.add(key, background=self._again.pop(key))
        elif delay is not None:
            # Somebody waits for what is on its way; nobody for a resync, and a failing one must hold up no others.
            background = outcome not in (Outcome.MOVED, Outcome.PROGRESSING)
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._wake, key, background)

    def _wake(self, key: str, background: bool) -> None:
        self._timers.pop(key, None)
        self.add(key, background=background)

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
