"""Snapshots of large indexes: loaded instead of ten thousand items, renewed now and then, gone when a memory goes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from recall_api.errors import ProblemError
from recall_api.search.index import UserIndex
from recall_api.search.repository import StoredSnapshot
from recall_api.search.snapshot import Snapshot
from recall_api.storage import TransactionRefusedError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from recall_api.identifiers import UserId
    from recall_api.search.repository import SnapshotRepository

LEAST_MEMORIES: Final = 1_000
"""Below, an index is loaded from its memories about as fast."""
RENEWED_AFTER: Final = 8
"""A snapshot is renewed when an eighth of its memories has changed: replaying more would cost more than reading it."""
RETRY_SECONDS: Final = 30.0
"""How long to wait after a snapshot was refused because somebody wrote meanwhile."""
FORGET_SECONDS: Final = 1.0
"""How long deletions are gathered before the snapshot goes."""


class SnapshotKeeper:
    """Loads, renews and removes snapshots; failures are logged and cost speed only."""

    def __init__(self, repository: SnapshotRepository) -> None:
        self._repository = repository
        self._kept: dict[UserId, int] = {}
        """Versions of the snapshots that this pod knows of."""
        self._busy: dict[UserId, asyncio.Task[None]] = {}
        self._forgotten: set[UserId] = set()
        self._not_before: dict[UserId, float] = {}

    async def load(self, user_id: UserId, dimensions: int) -> tuple[UserIndex, int] | None:
        """Return an index and the version that it is of, if there is a snapshot."""
        stored = await self._repository.get(user_id)
        if stored is None:
            return None
        try:
            snapshot = await asyncio.to_thread(Snapshot.from_bytes, stored.packed, dimensions)
        except ValueError as error:
            log.warning("snapshot not read", reason=str(error))
            return None
        self._kept[user_id] = stored.version
        return UserIndex(dimensions, snapshot), stored.version

    def keep(self, user_id: UserId, index: UserIndex, version: int, lock: asyncio.Lock) -> None:
        """Renew the user's snapshot in the background, when it is worth it."""
        if len(index) < LEAST_MEMORIES or index.previous is not None or any(True for _ in index.without_vector()):
            return
        if user_id in self._busy or user_id in self._forgotten:
            return
        if time.monotonic() < self._not_before.get(user_id, 0.0):
            return
        kept = self._kept.get(user_id)
        if kept is not None and version - kept <= len(index) // RENEWED_AFTER:
            return
        self._start(user_id, self._renew(user_id, index, version, lock))

    def outdated(self, user_id: UserId) -> None:
        """Note that the changes since the snapshot are gone, so that it is of no use."""
        self._kept.pop(user_id, None)

    def forget(self, user_id: UserId) -> None:
        """Remove the user's snapshot soon: what a memory said must not outlive it there."""
        if user_id not in self._forgotten:
            self._forgotten.add(user_id)
            before = self._busy.get(user_id)
            self._start(user_id, self._remove(user_id, before))

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._busy.values())

    def _start(self, user_id: UserId, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except (ClientError, ProblemError, TransactionRefusedError) as error:
                log.warning("snapshot not kept", error=type(error).__name__)
            finally:
                if self._busy.get(user_id) is asyncio.current_task():
                    del self._busy[user_id]

        self._busy[user_id] = asyncio.create_task(run(), name="snapshot")

    async def _renew(self, user_id: UserId, index: UserIndex, version: int, lock: asyncio.Lock) -> None:
        async with lock:
            snapshot = index.snapshot()
        packed = await asyncio.to_thread(snapshot.to_bytes)
        # Whether the index is still of this version is the repository's condition.
        if await self._repository.put(user_id, StoredSnapshot(version, packed)):
            self._kept[user_id] = version
            self._not_before.pop(user_id, None)
        else:
            self._not_before[user_id] = time.monotonic() + RETRY_SECONDS

    async def _remove(self, user_id: UserId, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            await asyncio.sleep(FORGET_SECONDS)
        finally:
            self._forgotten.discard(user_id)
        self._kept.pop(user_id, None)
        await self._repository.delete(user_id)
