"""How much of a pod one address or one user may take: requests a minute, answers at once, requests under way.

Counted by each pod for itself, in memory: sharing the counts would cost a write for every request. With several pods
behind a load balancer a user can have up to that many times the limit, which still bounds what one user takes from
the others of the same pod.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from recall_api.contract import LIVENESS_PATH, READINESS_PATH
from recall_api.errors import ProblemError, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from recall_api.identifiers import UserId
    from recall_api.settings import Settings
    from recall_api.telemetry import Metrics

_PROBES: Final = frozenset({LIVENESS_PATH, READINESS_PATH})
"""Kubernetes asks these from the node's address, and must be answered however busy the pod is."""

BUSY: Final = ProblemError(
    503,
    "busy",
    "Too many requests at once",
    "This pod works on as many requests as it can; try again in a moment.",
    headers={"Retry-After": "2"},
)


def _too_many(of: str, seconds: int, detail: str) -> ProblemError:
    return ProblemError(
        429,
        "too-many-requests",
        "Too many requests",
        f"{detail} Try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
        extra={"limit": of, "retryAfter": seconds},
    )


class Window:
    """Requests of the last minute, by who sent them: two counters each, as a sliding window needs.

    Those of the minute before count by the part of it that still lies within the last 60 s.
    """

    def __init__(self, name: str, most: int, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.most = most
        self._clock = clock
        self._minute = 0
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def hit(self, who: str) -> float:
        """Count a request; return 0, or the seconds after which the next one is let through and this one is not."""
        minute, second = divmod(self._clock(), 60)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else {}
            self._now, self._minute = {}, int(minute)
        now, before = self._now.get(who, 0), self._before.get(who, 0)
        if now + before * (60 - second) / 60 + 1 <= self.most:
            self._now[who] = now + 1
            return 0
        if now >= self.most:
            # The minute has to be over, and enough of it has to lie more than 60 s back.
            return 60 - second + 60 * (now + 1 - self.most) / now
        return 60 - second - 60 * (self.most - 1 - now) / before


class Limits:
    """What one pod lets through."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._of_address = Window("address", settings.address_requests_per_minute)
        self._of_user = Window("user", settings.user_requests_per_minute)
        self._most_streams = settings.user_streams
        self._streams: Counter[UserId] = Counter()
        self._metrics = metrics

    def address(self, address: str) -> None:
        """Count a request of an `address`, whoever sends it.

        Raises:
            ProblemError: 429, it sent too many within the last minute.
        """
        self._count(self._of_address, address, "This network address")

    def user(self, user_id: UserId) -> None:
        """Count a request of a user, by whichever token.

        Raises:
            ProblemError: 429, the user sent too many within the last minute.
        """
        self._count(self._of_user, user_id, "This account")

    def check_streams(self, user_id: UserId) -> None:
        """Make sure that one more answer may be streamed to a user.

        Raises:
            ProblemError: 429, as many as allowed are being streamed.
        """
        if self._streams[user_id] >= self._most_streams:
            self._metrics.limited.labels("streams").inc()
            raise _too_many("streams", 2, f"This account may be answered {self._most_streams} times at once.")

    def stream_began(self, user_id: UserId) -> None:
        """Count an answer that is being streamed to a user; `stream_ended` must follow."""
        self._streams[user_id] += 1

    def stream_ended(self, user_id: UserId) -> None:
        """Forget an answer that `stream_began` counted."""
        self._streams[user_id] -= 1
        if not self._streams[user_id]:
            del self._streams[user_id]

    def _count(self, window: Window, who: str, name: str) -> None:
        if wait := window.hit(who):
            self._metrics.limited.labels(window.name).inc()
            raise _too_many(window.name, max(1, math.ceil(wait)), f"{name} may send {window.most} requests a minute.")


def client_address(scope: Scope, proxies: int) -> str:
    """Return the address that a request came from.

    Each of our own proxies appends the address of whom it speaks to, so with `proxies` of them the one that counts is
    that many from the end (MDN, X-Forwarded-For, "Selecting an IP address"); what lies before it anybody can write.
    """
    peer: str = scope["client"][0] if scope.get("client") else "unknown"
    if not proxies:
        return peer
    told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [hop.strip() for hop in told.decode("latin-1").split(",") if hop.strip()]
    return hops[-proxies] if len(hops) >= proxies else peer


class AddressLimit:
    """ASGI middleware: refuses requests of an address that sends too many, before anything is looked at."""

    def __init__(self, app: ASGIApp, limits: Limits, proxies: int) -> None:
        self.app = app
        self.limits = limits
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; probes, lifespan and the like pass through."""
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            try:
                self.limits.address(client_address(scope, self.proxies))
            except ProblemError as refused:
                await respond(Request(scope), refused)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class ConcurrencyLimit:
    """ASGI middleware: refuses requests beyond what one pod can work on at once."""

    def __init__(self, app: ASGIApp, most: int, count: Callable[[], None]) -> None:
        self.app = app
        self.most = most
        self.count = count
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; probes, lifespan and the like pass through."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self.app(scope, receive, send)
            return
        if self.running >= self.most:
            self.count()
            await respond(Request(scope), BUSY)(scope, receive, send)
            return
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1
