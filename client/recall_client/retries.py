"""What is asked again, and when: a pure rule, the same for both clients.

Anything is asked again that certainly did nothing: no connection was made, or the API refused before it began. What may
have been done is asked again only where doing it twice is the same as doing it once. A stream is never asked again once
it has begun.
"""

from __future__ import annotations

import random
from typing import Final

import httpx

from recall_client.errors import ProblemError

ATTEMPTS: Final = 4
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 30.0
"""An API that asks to wait longer (a spent budget) is not asked again."""

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REFUSED: Final = frozenset({"urn:recall:problem:busy", "urn:recall:problem:too-many-requests"})
"""Problems of requests that were not begun."""


def wait_before(attempt: int, error: Exception, *, repeatable: bool) -> float | None:
    """Return the seconds to wait before attempt number `attempt` (2 is the second); none when there shall be none.

    Args:
        attempt: Number of the next attempt.
        error: How the last one failed: an `httpx.TransportError` or a `ProblemError`.
        repeatable: Whether doing it twice is the same as doing it once.
    """
    if attempt > ATTEMPTS:
        return None
    longest = FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
    wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
    if isinstance(error, ProblemError):
        began_nothing = error.type in _REFUSED
        passes = error.status in {429, 502, 503, 504}
        if not passes or not (began_nothing or repeatable):
            return None
        asked = error.retry_after or 0.0
        return None if asked > LONGEST_WAIT_SECONDS else max(wait, asked)
    return wait if repeatable or isinstance(error, _NEVER_SENT) else None
