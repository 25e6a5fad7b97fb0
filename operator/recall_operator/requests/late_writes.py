"""When a deletion may be called done: once no write that was ever begun for the instance can still be on its way.

A request may take effect after its caller has given it up, or after the process that sent it has ended; and a look
may not show yet what a moment ago was written. For a living instance the next passes mend either. A deleted one has
no next pass: its last look must be one that no such write can follow. The same wait protects a successor of the same
name, whose new table a late `delete_table` would otherwise find.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0
"""What every request of the operator, to AWS and to Kubernetes, is given to connect and to be answered."""

LONGEST_SECONDS: Final = CONNECT_SECONDS + READ_SECONDS
"""After this long a request has been answered or given up. AWS's reads lag behind its writes by less."""


class LateWrites:
    """What this process knows of writes that may not have taken effect, or may not show, yet."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        """Begin with the doubt that a predecessor leaves: it may have written until this very moment."""
        self._longest_seconds = longest_seconds
        self._clock = clock
        self._began = clock()
        self._written: dict[str, float] = {}

    def now(self) -> float:
        """Return the time of a look that begins now."""
        return self._clock()

    def written(self, key: str) -> None:
        """Take note that something was just made or changed for `key`, or that a write for it got no answer."""
        self._written[key] = self._clock()

    def forget(self, key: str) -> None:
        """Forget an instance that is gone."""
        self._written.pop(key, None)

    def may_follow(self, key: str, looked_at: float) -> bool:
        """Whether a write for `key` may take effect, or show, only after a look that began at `looked_at`."""
        return looked_at - max(self._began, self._written.get(key, self._began)) < self._longest_seconds
