"""The kinds of faults. Each is a function that answers one call in place of the outside world, or lets it through."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from recall_operator.errors import ApiServerError
from recall_operator.requests.late_writes import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.doors import Call, Site
    from tests.faults.process import Process

STALE_SECONDS = 5.0
"""How long reads lag: longer than any consistency window that was seen of IAM, Route 53 or Cognito lists."""
OUTAGE_SECONDS = 90.0
TIMEOUT_SECONDS = LONGEST_SECONDS
LATE_SECONDS = 12.0
"""How long a request that nobody waits for is still on its way: almost as long as the operator thinks."""
LEASE_SECONDS = 15.0
"""A successor waits for the end of the lease."""


class Fault(Protocol):
    """What happens to calls."""

    reached: bool
    """Whether the fault came to pass: a schedule that never happened proves nothing."""

    async def __call__(self, call: Call, process: Process) -> Any:
        """Answer one call."""
        ...


class Nothing:
    """No fault."""

    reached = True

    async def __call__(self, call: Call, process: Process) -> Any:
        del process
        return await call.act()


class _Once(ABC):
    """A fault at one call."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.reached = False

    async def __call__(self, call: Call, process: Process) -> Any:
        if self.reached or call.site != self._site:
            return await call.act()
        self.reached = True
        return await self._happen(call, process)

    @abstractmethod
    async def _happen(self, call: Call, process: Process) -> Any:
        """Let the fault happen at its call."""


class CrashBefore(_Once):
    """The process ends before the call leaves it."""

    async def _happen(self, call: Call, process: Process) -> Any:
        del call
        return await process.end()


class CrashAfter(_Once):
    """The process ends when the call has had its effect and before the answer is read."""

    async def _happen(self, call: Call, process: Process) -> Any:
        await call.act()
        return await process.end()


class LeaderKilled(_Once):
    """The process ends, and its last request takes effect only after that: perhaps when its successor works already."""

    def __init__(self, site: Site, takeover_seconds: float) -> None:
        super().__init__(site)
        self._takeover_seconds = takeover_seconds

    async def _happen(self, call: Call, process: Process) -> Any:
        process.world.keep(asyncio.create_task(_late(call)))
        return await process.end(restart_after=self._takeover_seconds)


class LateEffect(_Once):
    """The request is given up after its time, and takes effect only then: its process works on meanwhile."""

    async def _happen(self, call: Call, process: Process) -> Any:
        await asyncio.sleep(TIMEOUT_SECONDS)
        process.world.keep(asyncio.create_task(_late(call)))
        raise timeout(call.site)


async def _late(call: Call) -> None:
    await asyncio.sleep(LATE_SECONDS)
    try:
        await call.act()
    except (ClientError, ApiServerError):
        return  # another was first: nobody is left to read the refusal


class Refused(_Once):
    """The call is answered with an error and has no effect."""

    def __init__(self, site: Site, error: Callable[[Site], Exception]) -> None:
        super().__init__(site)
        self._error = error

    async def _happen(self, call: Call, process: Process) -> Any:
        del process
        raise self._error(call.site)


class LostAnswer(_Once):
    """The call takes effect, but its answer does not come."""

    async def _happen(self, call: Call, process: Process) -> Any:
        del process
        await call.act()
        raise timeout(call.site)


class Stale:
    """From one read on, all reads are answered from the past for a while."""

    def __init__(self, site: Site, lag: int) -> None:
        self._site = site
        self.lag = lag
        self._until: float | None = None
        self.reached = False

    async def __call__(self, call: Call, process: Process) -> Any:
        now = asyncio.get_running_loop().time()
        if self._until is None and call.site == self._site:
            self._until, self.reached = now + STALE_SECONDS, True
        if self._until is not None and now < self._until and not call.site.write and call.site.door == "aws":
            process.world.lag = self.lag
            return await call.act_in_the_past()
        return await call.act()


class Throttled:
    """The first and half of all other calls to AWS are refused for their rate, for a while."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._end: float | None = None
        self.reached = False

    async def __call__(self, call: Call, process: Process) -> Any:
        del process
        now = asyncio.get_running_loop().time()
        self._end = self._end or now + 2 * OUTAGE_SECONDS
        struck = self._chance.random() < 0.5 or not self.reached
        if call.site.door == "aws" and now < self._end and struck:
            self.reached = True
            raise throttled(call.site)
        return await call.act()


class ApiServerRestart:
    """From one call on, Kubernetes does not answer for a while; its watches break too."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._until: float | None = None
        self.reached = False

    async def __call__(self, call: Call, process: Process) -> Any:
        now = asyncio.get_running_loop().time()
        if self._until is None and call.site == self._site:
            self._until, self.reached = now + OUTAGE_SECONDS, True
            process.world.break_watches(OUTAGE_SECONDS)
        if self._until is not None and now < self._until and call.site.door == "kubernetes":
            raise ApiServerError(0, "NoAnswer", "the API server restarts")
        return await call.act()


class Jitter:
    """Every call takes a while of its own, so that two processes meet in ever other orders."""

    reached = True

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    async def __call__(self, call: Call, process: Process) -> Any:
        del process
        await asyncio.sleep(self._chance.random() * 0.5)
        answer = await call.act()
        await asyncio.sleep(self._chance.random() * 0.5)
        return answer


def _aws(code: str, site: Site, status: int) -> ClientError:
    described: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(described, site.operation)


def throttled(site: Site) -> Exception:
    """Return AWS's or Kubernetes' "too many requests"."""
    if site.door == "aws":
        return _aws("ThrottlingException", site, 400)
    return ApiServerError(429, "TooManyRequests", "too many requests")


def denied(site: Site) -> Exception:
    """Return AWS's or Kubernetes' "not allowed"."""
    if site.door == "aws":
        return _aws("AccessDeniedException", site, 403)
    return ApiServerError(403, "Forbidden", "forbidden")


def broken(site: Site) -> Exception:
    """Return AWS's or Kubernetes' error 500."""
    if site.door == "aws":
        return _aws("InternalServerError", site, 500)
    return ApiServerError(500, "InternalError", "etcd has no leader")


def timeout(site: Site) -> Exception:
    """Return what a caller sees who got no answer in time."""
    if site.door == "aws":
        return ReadTimeoutError(endpoint_url="https://aws.example")
    return ApiServerError(0, "NoAnswer", "read timed out")


def unreachable(site: Site) -> Exception:
    """Return what a caller sees who found nobody."""
    if site.door == "aws":
        return ConnectTimeoutError(endpoint_url="https://aws.example")
    return ApiServerError(0, "NoAnswer", "connection refused")
