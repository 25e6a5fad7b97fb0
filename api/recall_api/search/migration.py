"""A new embedding model without downtime: the old one's vectors serve until the new ones are complete.

Nothing is written down about it: which spaces a user has vectors in is read from the keys of the vectors.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from recall_api.errors import ProblemError
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.vectors import VectorIndex
from recall_api.storage import TransactionRefusedError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from recall_api.identifiers import MemoryId, UserId
    from recall_api.search.embedder import Embedder
    from recall_api.search.index import UserIndex
    from recall_api.search.repository import VectorRepository

QUERY_VECTOR_SECONDS: Final = 3.0


class Migration:
    """Knows the spaces that are not the instance's any more."""

    def __init__(
        self,
        vectors: VectorRepository,
        space: str,
        repository_of: Callable[[str], VectorRepository],
        embedder_of: Callable[[str], Embedder | None],
    ) -> None:
        """`repository_of` and `embedder_of` make what serves another space; none for one that can't be understood."""
        self._vectors = vectors
        self._space = space
        self._repository_of = repository_of
        self._embedder_of = embedder_of
        self._serving: dict[UserId, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve_previous(self, user_id: UserId, index: UserIndex) -> None:
        """Let vectors of an earlier model serve, if it has more of them than the present one."""
        best = len(index) - sum(1 for _ in index.without_vector())
        self._serving.pop(user_id, None)
        for space in await self._vectors.spaces(user_id):
            embedder = None if space == self._space else self._embedder_of(space)
            if embedder is None:
                continue
            found = [stored async for page in self._repository_of(space).all(user_id) for stored in page]
            if len(found) > best:
                best = len(found)
                index.previous = VectorIndex(embedder.dimensions)
                self._serving[user_id] = space
                for stored in found:
                    index.put_vector(stored.memory_id, stored.content_hash, stored.vector, previous=True)

    async def query_vector(self, user_id: UserId, query: str) -> NDArray[np.float32] | None:
        """Return the query's vector by the model whose vectors serve; none when it does not answer."""
        space = self._serving.get(user_id)
        embedder = self._embedder_of(space) if space is not None else None
        if embedder is None:
            return None
        try:
            async with asyncio.timeout(QUERY_VECTOR_SECONDS):
                return await embedder.embed(query)
        except (ProblemError, EmbeddingRefusedError, TimeoutError) as error:
            log.warning("searching by words alone", error=type(error).__name__)
            return None

    def finish(self, user_id: UserId) -> None:
        """Remove the vectors that served, in the background, now that they don't any more."""
        space = self._serving.pop(user_id, None)
        if space is not None:
            self._start(self._remove_all(user_id, space))

    def forget(self, user_id: UserId, memory_id: MemoryId) -> None:
        """Remove a deleted memory's vectors by earlier models, in the background."""
        self._start(self._remove(user_id, memory_id))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except (ClientError, ProblemError, TransactionRefusedError) as error:
                log.warning("vectors of an earlier model not removed", error=type(error).__name__)

        task = asyncio.create_task(run(), name="earlier-vectors")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _remove_all(self, user_id: UserId, space: str) -> None:
        repository = self._repository_of(space)
        ids = [stored.memory_id async for page in repository.all(user_id) for stored in page]
        await repository.delete_many(user_id, ids)

    async def _remove(self, user_id: UserId, memory_id: MemoryId) -> None:
        for space in await self._vectors.spaces(user_id):
            if space != self._space:
                await self._repository_of(space).delete_many(user_id, [memory_id])
