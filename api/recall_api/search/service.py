"""Searching a user's memories: one index per user, kept exact while several pods write.

An index knows the version (the number of the user's last change) that it is at. A write made by this pod is applied
at once. Whether other pods wrote is asked at most every `FRESH_SECONDS`; the changes since then are read and applied.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from recall_api.errors import ProblemError
from recall_api.memories.model import Action
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.index import Hit, UserIndex
from recall_api.search.worker import EmbeddingWorker, Job
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from recall_api.identifiers import UserId
    from recall_api.memories.model import Change, Memory
    from recall_api.memories.repository import MemoryRepository
    from recall_api.search.embedder import Embedder
    from recall_api.search.repository import StoredVector, VectorRepository
    from recall_api.telemetry import Metrics

FRESH_SECONDS: Final = 1.0
"""How long an index counts as up to date with what other pods wrote."""
QUERY_VECTOR_SECONDS: Final = 3.0
"""How long a query waits for its vector; then it is answered by words alone."""
VECTORS_ASKED: Final = 100
"""Missing vectors, which another pod may have made, that are asked for at once."""

VECTOR_OVERDUE: Final = timedelta(seconds=15)
"""Age at which a memory without a vector is taken to be nobody's work any more: the pod that wrote it is gone."""


@dataclass
class _Entry:
    """A user's index and what it is exact for."""

    index: UserIndex | None = None
    version: int = 0
    checked_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Found:
    """Hits, and whether meaning could be searched too."""

    hits: list[Hit]
    by_meaning: bool


class SearchService:
    """Searches the memories of one user at a time."""

    def __init__(
        self,
        memories: MemoryRepository,
        vectors: VectorRepository,
        embedder: Embedder,
        metrics: Metrics,
        *,
        max_indexes: int,
    ) -> None:
        self._memories = memories
        self._vectors = vectors
        self._embedder = embedder
        self._metrics = metrics
        self._max_indexes = max_indexes
        self._entries: OrderedDict[UserId, _Entry] = OrderedDict()
        self.worker = EmbeddingWorker(embedder, vectors, self._vector_stored, metrics)

    async def search(
        self, user_id: UserId, query: str, *, limit: int, accepts: Callable[[Memory], bool] | None = None
    ) -> Found:
        """Return the user's memories that fit `query` best, among those that `accepts` takes."""
        with self._metrics.recall_seconds.time():
            index, vector = await asyncio.gather(self._fresh_index(user_id), self._query_vector(query))
            hits = index.search(query, vector, limit=limit, accepts=accepts)
            return Found(hits, vector is not None)

    async def changed(self, user_id: UserId, change: Change, memory: Memory) -> None:
        """Take over a change that this pod made, so that its next search sees it."""
        if change.action is not Action.DELETED:
            self._want_vector(user_id, memory)
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
            elif change.version > entry.version:
                entry.checked_at = 0.0  # another pod's change came between: read both before the next search

    async def _query_vector(self, query: str) -> NDArray[np.float32] | None:
        try:
            async with asyncio.timeout(QUERY_VECTOR_SECONDS):
                return await self._embedder.embed(query)
        except (ProblemError, EmbeddingRefusedError, TimeoutError) as error:
            log.warning("searching by words alone", error=type(error).__name__)
            return None

    async def _fresh_index(self, user_id: UserId) -> UserIndex:
        entry = self._entries.get(user_id)
        if entry is None:
            entry = self._entries[user_id] = _Entry()
            while len(self._entries) > self._max_indexes:
                self._entries.popitem(last=False)
            self._metrics.indexes.set(len(self._entries))
        self._entries.move_to_end(user_id)
        async with entry.lock:
            if entry.index is None or time.monotonic() - entry.checked_at >= FRESH_SECONDS:
                asked_at = time.monotonic()
                await self._bring_up_to_date(user_id, entry)
                entry.checked_at = asked_at
            assert entry.index is not None  # noqa: S101 - it was just loaded
            return entry.index

    async def _bring_up_to_date(self, user_id: UserId, entry: _Entry) -> None:
        state = await self._memories.state(user_id)
        if entry.index is None or not await self._replay(user_id, entry, entry.index, state.version):
            # The version is read before the memories: what changes meanwhile is replayed next time.
            entry.index = await self._load(user_id)
            entry.version = state.version
        await self._find_vectors(user_id, entry.index)

    async def _replay(self, user_id: UserId, entry: _Entry, index: UserIndex, version: int) -> bool:
        """Apply what changed up to `version`; say whether that was possible."""
        if version == entry.version:
            return True
        changes = await self._memories.changes_after(user_id, entry.version)
        expected = range(entry.version + 1, entry.version + 1 + len(changes))
        if not changes or changes[-1].version < version or [change.version for change in changes] != list(expected):
            return False
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
        for memory in index.without_vector():
            self._want_vector(user_id, memory)
        return index

    async def _find_vectors(self, user_id: UserId, index: UserIndex) -> None:
        """Look for vectors that another pod has made meanwhile; ask for those that nobody made."""
        missing = list(index.without_vector())[:VECTORS_ASKED]
        if missing:
            found = await self._vectors.get_many(user_id, [memory.id for memory in missing])
            for stored in found:
                index.put_vector(stored.memory_id, stored.content_hash, stored.vector)
            overdue = datetime.now(UTC) - VECTOR_OVERDUE
            for memory in list(index.without_vector())[:VECTORS_ASKED]:
                if memory.updated_at < overdue:
                    self._want_vector(user_id, memory)

    def _want_vector(self, user_id: UserId, memory: Memory) -> None:
        self.worker.submit(Job(user_id, memory.id, memory.content.content_hash, memory.content.text))

    def _vector_stored(self, user_id: UserId, stored: StoredVector) -> None:
        entry = self._entries.get(user_id)
        if entry is not None and entry.index is not None:
            entry.index.put_vector(stored.memory_id, stored.content_hash, stored.vector)
