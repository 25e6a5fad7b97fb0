"""Searching a user's memories: one index per user, kept exact while several pods write.

An index knows the version (the number of the user's last change) that it is at. A write made by this pod is applied
at once. Whether other pods wrote is asked for every search, while the query's vector is made; the changes since then
are read and applied. So a search finds what was stored before it, on whichever pod.
Large indexes are loaded from a snapshot, to which the changes since it was made are applied in the same way.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from recall_api.errors import ProblemError
from recall_api.memories.model import Action
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.filters import EVERYTHING, Filter
from recall_api.search.index import Hit, UserIndex
from recall_api.search.keeper import SnapshotKeeper
from recall_api.search.times import Time, times
from recall_api.search.worker import EmbeddingWorker, Job
from recall_api.telemetry import log
from recall_api.tracing import span

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from recall_api.identifiers import UserId
    from recall_api.memories.model import Change, Memory
    from recall_api.memories.repository import MemoryRepository
    from recall_api.search.embedder import Embedder
    from recall_api.search.migration import Migration
    from recall_api.search.repository import SnapshotRepository, StoredVector, VectorRepository
    from recall_api.telemetry import Metrics

VECTORS_SECONDS: Final = 1.0
"""Least time between two looks for vectors that other pods made."""
QUERY_VECTOR_SECONDS: Final = 3.0
"""How long a query waits for its vector; then it is answered by words alone."""
VECTORS_ASKED: Final = 100
"""Missing vectors, which another pod may have made, that are asked for at once."""
QUERIES_KEPT: Final = 2_048
"""Vectors of queries that are kept for when the same is asked again (2 MB)."""
LARGE: Final = 20_000
"""Memories from which on a search, of some 5 ms, runs beside the event loop instead of in it."""

VECTOR_OVERDUE: Final = timedelta(seconds=15)
"""Age at which a memory without a vector is taken to be nobody's work any more: the pod that wrote it is gone."""
UTC_ZONE: Final = ZoneInfo("UTC")


@dataclass
class _Entry:
    """A user's index and what it is exact for."""

    index: UserIndex | None = None
    version: int = 0
    checked_at: float = 0.0
    """When the version was last asked for."""
    bytes: int = 0
    """What of it is counted."""
    looked_at: float = 0.0
    """When vectors of other pods were last looked for."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Found:
    """Hits, and whether meaning could be searched too."""

    hits: list[Hit]
    by_meaning: bool
    times: tuple[Time, ...] = ()
    """Times that the query names."""


class SearchService:
    """Searches the memories of one user at a time."""

    def __init__(
        self,
        memories: MemoryRepository,
        vectors: VectorRepository,
        embedder: Embedder,
        metrics: Metrics,
        *,
        max_bytes: int,
        snapshots: SnapshotRepository | None = None,
        migration: Migration | None = None,
    ) -> None:
        """Without `snapshots` every index is loaded from memories; without `migration` one model's vectors serve."""
        self._memories = memories
        self._vectors = vectors
        self._embedder = embedder
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[UserId, _Entry] = OrderedDict()
        self._queries: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._keeper = SnapshotKeeper(snapshots) if snapshots else None
        self._migration = migration
        self.worker = EmbeddingWorker(embedder, vectors, self._vector_made, metrics)

    async def search(
        self,
        user_id: UserId,
        query: str,
        *,
        limit: int,
        wanted: Filter = EVERYTHING,
        zone: ZoneInfo = UTC_ZONE,
    ) -> Found:
        """Return the user's memories that fit `query` best, among those that the filter takes."""
        with self._metrics.recall_seconds.time(), span("search"):
            entry, vector = await asyncio.gather(self._fresh_entry(user_id), self._query_vector(query))
            named = tuple(times(query, datetime.now(UTC), zone))
            async with entry.lock:
                index = entry.index
                assert index is not None  # noqa: S101 - it was just loaded
                if index.previous is not None and self._migration is not None:
                    vector = await self._migration.query_vector(user_id, query)
                search = functools.partial(index.search, query, vector, limit=limit, wanted=wanted, times=named)
                hits = await asyncio.to_thread(search) if len(index) >= LARGE else search()
            return Found(hits, vector is not None, named)

    async def changed(self, user_id: UserId, change: Change, memory: Memory) -> None:
        """Take over a change that this pod made, so that its next search sees it."""
        if change.action is not Action.DELETED:
            self._want_vector(user_id, memory)
        else:
            if self._keeper is not None:
                self._keeper.forget(user_id)
            if self._migration is not None:
                self._migration.forget(user_id, memory.id)
        entry = self._entries.get(user_id)
        if entry is None:
            return
        async with entry.lock:
            if entry.index is not None and change.version == entry.version + 1:
                if change.action is Action.DELETED:
                    entry.index.remove(memory.id)
                else:
                    entry.index.put(memory)
                entry.version = change.version

    def forget(self, leaving: Collection[UserId]) -> None:
        """Let go of the indexes of those whose account is being deleted."""
        for user_id in leaving:
            if (entry := self._entries.pop(user_id, None)) is not None:
                self._bytes -= entry.bytes

    async def settled(self) -> None:
        """Wait until what runs in the background for snapshots is done."""
        if self._keeper is not None:
            await self._keeper.settled()

    async def _query_vector(self, query: str) -> NDArray[np.float32] | None:
        if (known := self._queries.get(query)) is not None:
            self._queries.move_to_end(query)
            return known
        try:
            async with asyncio.timeout(QUERY_VECTOR_SECONDS):
                vector = await self._embedder.embed(query)
        except (ProblemError, EmbeddingRefusedError, TimeoutError) as error:
            log.warning("searching by words alone", error=type(error).__name__)
            return None
        self._queries[query] = vector
        if len(self._queries) > QUERIES_KEPT:
            self._queries.popitem(last=False)
        return vector

    async def _fresh_entry(self, user_id: UserId) -> _Entry:
        entry = self._entries.get(user_id)
        if entry is None:
            entry = self._entries[user_id] = _Entry()
        self._entries.move_to_end(user_id)
        came_at = time.monotonic()
        async with entry.lock:
            # Searches that waited for each other share the first check that began after they came.
            if entry.index is None or entry.checked_at < came_at:
                asked_at = time.monotonic()
                await self._bring_up_to_date(user_id, entry)
                entry.checked_at = asked_at
                self._make_room(user_id, entry)
        return entry

    def _make_room(self, user_id: UserId, entry: _Entry) -> None:
        """Count what an index takes, and let go of the least recently used ones that are too much."""
        if self._entries.get(user_id) is entry and entry.index is not None:
            self._bytes += entry.index.nbytes - entry.bytes
            entry.bytes = entry.index.nbytes
        while self._bytes > self._max_bytes and next(iter(self._entries)) != user_id:
            _, gone = self._entries.popitem(last=False)
            self._bytes -= gone.bytes
        self._metrics.indexes.set(len(self._entries))
        self._metrics.index_bytes.set(self._bytes)

    async def _bring_up_to_date(self, user_id: UserId, entry: _Entry) -> None:
        if entry.index is None and self._keeper is not None:
            loaded = await self._keeper.load(user_id, self._embedder.dimensions)
            if loaded is not None:
                entry.index, entry.version = loaded
        state = await self._memories.state(user_id)
        if entry.index is None or not await self._replay(user_id, entry, entry.index, state.version):
            # The version is read before the memories: what changes meanwhile is replayed next time.
            if self._keeper is not None:
                self._keeper.outdated(user_id)
            entry.index = await self._load(user_id)
            entry.version = state.version
        if time.monotonic() - entry.looked_at >= VECTORS_SECONDS:
            entry.looked_at = time.monotonic()
            await self._find_vectors(user_id, entry.index)
        if self._keeper is not None:
            self._keeper.keep(user_id, entry.index, entry.version, entry.lock)

    async def _replay(self, user_id: UserId, entry: _Entry, index: UserIndex, version: int) -> bool:
        """Apply what changed up to `version`; say whether that was possible."""
        if version == entry.version:
            return True
        if version < entry.version:
            return False
        changes = await self._memories.changes_after(user_id, entry.version)
        expected = range(entry.version + 1, entry.version + 1 + len(changes))
        if not changes or changes[-1].version < version or [change.version for change in changes] != list(expected):
            return False
        if self._keeper is not None and any(change.action is Action.DELETED for change in changes):
            self._keeper.forget(user_id)  # the pod that deleted may have been killed before it could
        touched = {change.memory_id for change in changes}
        found = {memory.id: memory for memory in await self._memories.get_many(user_id, sorted(touched))}
        for memory_id in touched:
            if memory := found.get(memory_id):
                index.put(memory)
            else:
                index.remove(memory_id)
        entry.version = changes[-1].version
        return True

    async def _load(self, user_id: UserId) -> UserIndex:
        index = UserIndex(self._embedder.dimensions)
        async for memories in self._memories.newest(user_id):
            for memory in memories:
                index.put(memory)
            await asyncio.sleep(0)  # others get their turn between pages
        async for vectors in self._vectors.all(user_id):
            for stored in vectors:
                index.put_vector(stored.memory_id, stored.content_hash, stored.vector)
        if self._migration is not None and any(True for _ in index.without_vector()):
            await self._migration.serve_previous(user_id, index)
        for memory_id in index.without_vector():
            if known := index.memory(memory_id):
                self._want_vector(user_id, known)
        return index

    async def _find_vectors(self, user_id: UserId, index: UserIndex) -> None:
        """Look for vectors that another pod has made meanwhile; ask for those that nobody made."""
        if self._migration is not None and index.previous is None:
            self._migration.finish(user_id)
        missing = list(index.without_vector())[:VECTORS_ASKED]
        if missing:
            found = await self._vectors.get_many(user_id, missing)
            for stored in found:
                index.put_vector(stored.memory_id, stored.content_hash, stored.vector)
            overdue = datetime.now(UTC) - VECTOR_OVERDUE
            missing = list(index.without_vector())[:VECTORS_ASKED]
            for known in filter(None, map(index.memory, missing)):
                if known.updated_at < overdue:
                    self._want_vector(user_id, known)

    def _want_vector(self, user_id: UserId, memory: Memory) -> None:
        self.worker.submit(Job(user_id, memory.id, memory.content.content_hash, memory.content.text))

    def _vector_made(self, user_id: UserId, stored: StoredVector) -> None:
        entry = self._entries.get(user_id)
        if entry is not None and entry.index is not None:
            entry.index.put_vector(stored.memory_id, stored.content_hash, stored.vector)
