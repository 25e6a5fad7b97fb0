"""One of several replicas works, the others stand by: a Lease of coordination.k8s.io says which.

The rules are those of Kubernetes' own controllers (client-go, leaderelection): who holds the Lease renews it every
`RENEW_SECONDS`; whoever sees it unchanged for `DURATION_SECONDS` by his own clock takes it, so clocks need not agree;
a holder that could not renew for `DEADLINE_SECONDS` stops before anybody else may begin. A release lets the next one
begin at once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from recall_operator.errors import ApiServerError
from recall_operator.kubernetes_api import ObjectKey
from recall_operator.metrics import LEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make an object that must not exist yet."""
        ...

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Apply a manifest; with a resource version, only onto exactly that version."""
        ...


class LeaseLostError(Exception):
    """Somebody else holds the Lease, or may before long: stop at once."""


@dataclass(frozen=True)
class _Seen:
    """A version of the Lease and when it was first seen, by this process' clock."""

    version: str
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

    async def acquire(self) -> None:
        """Return when this process is the one that works."""
        LEADER.set(0)
        while not await self._try(self._take):
            await self._sleep(RENEW_SECONDS)
        LEADER.set(1)
        _log.info("leading", lease=self._key.name, identity=self._identity)

    async def keep(self) -> None:
        """Renew the Lease for as long as that succeeds.

        Raises:
            LeaseLostError: somebody else has it, or it could not be renewed for `DEADLINE_SECONDS`.
        """
        renewed = self._clock()
        while True:
            await self._sleep(RENEW_SECONDS)
            try:
                # The time counts from the beginning of a request: its answer may have been long on its way.
                began = self._clock()
                async with asyncio.timeout(max(0.1, renewed + DEADLINE_SECONDS - began)):
                    if await self._try(self._renew):
                        renewed = began
            except TimeoutError:
                pass
            if self._held is None:
                raise LeaseLostError("another replica has taken the lease")
            if self._clock() - renewed >= DEADLINE_SECONDS:
                raise LeaseLostError(f"the lease could not be renewed for {DEADLINE_SECONDS:.0f} s")

    async def release(self) -> None:
        """Let the next replica begin at once."""
        if self._held is not None:
            await self._try(lambda: self._write("", self._held))
            self._held = None
        LEADER.set(0)

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
            self._held = await self._api.create(self._manifest(self._identity, None))
            return True
        version, holder = found["metadata"]["resourceVersion"], found["spec"].get("holderIdentity")
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, self._clock())
        # One's own name can only be that of the container's last process: identities are the pods' names.
        free = not holder or holder == self._identity or self._clock() - self._seen.at >= DURATION_SECONDS
        return free and await self._write(self._identity, found)

    async def _renew(self) -> bool:
        try:
            return await self._write(self._identity, self._held)
        except ApiServerError as error:
            if error.status != 409:
                raise
        # Its version is not the one last seen: another's write, or one's own whose answer was lost.
        found = await self._api.get(self._key)
        mine = found is not None and found["spec"].get("holderIdentity") == self._identity
        self._held = found if mine else None
        return False

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
