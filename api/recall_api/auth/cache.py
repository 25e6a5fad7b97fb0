"""What is asked on every request, and may be some seconds old."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FRESH_SECONDS: Final = 3.0
"""How long an answer is taken for true: as long may a token work on other pods after it was revoked."""
MAX_ENTRIES: Final = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class BriefCache(Generic[Key, Value]):
    """Answers of `load`, each kept for `FRESH_SECONDS`; the oldest goes first when there are too many."""

    def __init__(self, load: Callable[[Key], Awaitable[Value]], clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    async def get(self, key: Key) -> Value:
        """Return the answer for `key`, at most `FRESH_SECONDS` old."""
        entry = self._entries.get(key)
        asked_at = self._clock()
        if entry is not None and asked_at - entry[0] < FRESH_SECONDS:
            return entry[1]
        value = await self._load(key)
        self._keep(key, asked_at, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Take `value` as the answer from now on."""
        self._keep(key, self._clock(), value)

    def forget(self, key: Key) -> None:
        """Ask anew next time."""
        self._entries.pop(key, None)

    def _keep(self, key: Key, asked_at: float, value: Value) -> None:
        self._entries[key] = (asked_at, value)
        self._entries.move_to_end(key)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
