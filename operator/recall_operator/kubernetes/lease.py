"""One of several replicas works, the others stand by: a Lease of coordination.k8s.io says which.

The rules are those of Kubernetes' own controllers (client-go, leaderelection): who holds the Lease renews it every
`RENEW_SECONDS`; whoever sees it unchanged for `DURATION_SECONDS` by his own clock takes it, so clocks need not agree;
a holder that could not renew for `DEADLINE_SECONDS` stops before anybody else may begin. A release lets the next one
begin at once. Two rules are our own: who stands by watches the Lease, so that he sees a release when it happens; and a
holder asks `check` before every write, so that a process which was frozen and goes on sends nothing that it decided
before. What was sent before that, `late_writes` waits for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from recall_operator.errors import ApiServerError, LeaseLostError
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.telemetry.metrics import LEADER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

_log = structlog.get_logger(__name__)

KIND: Final = "Lease"
DURATION_SECONDS: Final = 15.0
DEADLINE_SECONDS: Final = 10.0
RENEW_SECONDS: Final = 2.0


class LeaseCaller(Protocol):
    """What a lease needs of Kubernetes."""

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none."""
        ...

    def watched(self, key: ObjectKey, version: str, seconds: int) -> AsyncGenerator[dict[str, Any], None]:
        """Yield one object as it is after each change that follows `version`, for `seconds` at most."""
        ...

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make an object that must not exist yet."""
        ...

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Apply a manifest; with a resource version, only onto exactly that version."""
        ...


@dataclass(frozen=True)
class _Seen:
    """A version of the Lease and when it was first seen, by this process' clock."""

    version: str
    holder: str
    at: float


class Lease:
    """This process' claim to be the one that works."""

    def __init__(
        self,
        api: LeaseCaller,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._key = ObjectKey(KIND, namespace, name)
        self._identity = identity
        self._clock = clock
        self._sleep = sleep
        self._seen: _Seen | None = None
        self._held: dict[str, Any] | None = None
        """The Lease as this process last wrote it."""
        self._renewed = float("-inf")
        """When the request began that last renewed it: its answer may have been long on its way."""

    async def acquire(self) -> None:
        """Return when this process is the one that works."""
        LEADER.set(0)
        began = self._clock()
        while not await self._try(self._take):
            if not await self._try(self._stand_by):
                await self._sleep(RENEW_SECONDS)
            began = self._clock()
        self._renewed = began
        LEADER.set(1)
        _log.info("leading", lease=self._key.name, identity=self._identity)

    async def keep(self) -> None:
        """Renew the Lease for as long as that succeeds.

        Raises:
            LeaseLostError: somebody else has it, or it could not be renewed for `DEADLINE_SECONDS`.
        """
        while True:
            await self._sleep(RENEW_SECONDS)
            try:
                began = self._clock()
                async with asyncio.timeout(max(0.1, self._renewed + DEADLINE_SECONDS - began)):
                    if await self._try(self._renew):
                        self._renewed = began
            except TimeoutError:
                pass
            self.check()

    def check(self) -> None:
        """Pass while this process is surely the only one that may write; from any thread.

        Raises:
            LeaseLostError: somebody else has the Lease, or it could not be renewed for `DEADLINE_SECONDS`.
        """
        if self._held is None:
            raise LeaseLostError("another replica has taken the lease")
        if self._clock() - self._renewed >= DEADLINE_SECONDS:
            raise LeaseLostError(f"the lease could not be renewed for {DEADLINE_SECONDS:.0f} s")

    async def release(self) -> None:
        """Let the next replica begin at once."""
        if self._held is not None and not (await self._try(self._give_up) or await self._try(self._give_up_anew)):
            _log.warning("lease not released", lease=self._key.name)
        self._held = None
        LEADER.set(0)

    async def _give_up(self) -> bool:
        return await self._write("", self._held)

    async def _give_up_anew(self) -> bool:
        """Give the Lease up in the version that a renewal left, whose answer was not waited for."""
        self._held = await self._own()
        return self._held is None or await self._give_up()

    async def _try(self, step: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await step()
        except ApiServerError as error:
            if error.status != 409:
                _log.warning("lease request failed", error=str(error))
            return False

    async def _take(self) -> bool:
        found = await self._api.get(self._key)
        if found is None:
            # Without a holder: what a POST sets, an apply that leaves it out (`release`) would not take away again.
            found = await self._api.create(self._manifest("", None))
        return self._note(found) and await self._write(self._identity, found)

    def _note(self, found: dict[str, Any]) -> bool:
        """Take note of the Lease as it is; return whether it may be taken."""
        version, holder = found["metadata"]["resourceVersion"], found["spec"].get("holderIdentity", "")
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, holder, self._clock())
        # One's own name can only be that of the container's last process: identities are the pods' names.
        return holder in ("", self._identity) or self._left(self._seen) <= 0

    def _left(self, seen: _Seen) -> float:
        """Return the seconds until the Lease has run out, if it is not renewed."""
        return seen.at + DURATION_SECONDS - self._clock()

    async def _stand_by(self) -> bool:
        """Wait until the Lease may have become free; return False where that can't be waited for."""
        seen = self._seen
        if seen is None or seen.holder in ("", self._identity) or self._left(seen) <= 0:
            return False  # It was free, and could not be taken.
        if self._left(seen) < 1:  # A watch lasts whole seconds.
            await self._sleep(self._left(seen))
            return True
        async with aclosing(self._api.watched(self._key, seen.version, int(self._left(seen)))) as changes:
            async for found in changes:
                if self._note(found):
                    return True
        # The watch has come to its end. One that ended before its time, at once and again, must not become a hot loop.
        return self._seen is not seen or self._left(seen) < 1

    async def _renew(self) -> bool:
        try:
            return await self._write(self._identity, self._held)
        except ApiServerError as error:
            if error.status != 409:
                raise
        # Its version is not the one last seen: another's write, or one's own whose answer was lost.
        self._held = await self._own()
        return False

    async def _own(self) -> dict[str, Any] | None:
        """Return the Lease as it is now, if it is this process'."""
        found = await self._api.get(self._key)
        return found if found is not None and found["spec"].get("holderIdentity") == self._identity else None

    async def _write(self, holder: str, onto: dict[str, Any] | None) -> bool:
        written = await self._api.apply(self._manifest(holder, onto))
        self._held = written if holder else None
        return True

    def _manifest(self, holder: str, onto: dict[str, Any] | None) -> dict[str, Any]:
        spec = onto["spec"] if onto else {}
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = spec.get("holderIdentity", "") == holder
        version = {"resourceVersion": onto["metadata"]["resourceVersion"]} if onto else {}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": KIND,
            "metadata": {"namespace": self._key.namespace, "name": self._key.name, **version},
            "spec": {
                # An empty holder is refused: who applies without the field gives it up.
                **({"holderIdentity": holder} if holder else {}),
                "leaseDurationSeconds": int(DURATION_SECONDS),
                "acquireTime": spec["acquireTime"] if same and "acquireTime" in spec else now,
                "renewTime": now,
                "leaseTransitions": spec.get("leaseTransitions", 0) + (0 if same or not holder else 1),
            },
        }
