"""Vectors in the background: a memory is found by words at once, and by meaning when its vector is there.

The queue is in memory, and may be lost with the pod: what has no vector is found again when an index is loaded.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from recall_api.errors import ProblemError
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.repository import StoredVector
from recall_api.storage import TransactionRefusedError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_api.identifiers import MemoryId, UserId
    from recall_api.search.embedder import Embedder
    from recall_api.search.repository import VectorRepository
    from recall_api.telemetry import Metrics

WORKERS: Final = 8
"""Texts that are embedded at once; Titan takes one text a call."""
QUEUE_LENGTH: Final = 20_000
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Job:
    """A text that wants a vector."""

    user_id: UserId
    memory_id: MemoryId
    content_hash: str
    text: str

    @property
    def name(self) -> tuple[str, str, str]:
        """What makes two jobs the same."""
        return self.user_id, self.memory_id, self.content_hash


class EmbeddingWorker:
    """Embeds what is given to it, retrying until it is stored or not wanted any more."""

    def __init__(
        self,
        embedder: Embedder,
        repository: VectorRepository,
        on_stored: Callable[[UserId, StoredVector], None],
        metrics: Metrics,
    ) -> None:
        self._embedder = embedder
        self._repository = repository
        self._on_stored = on_stored
        self._metrics = metrics
        self._queue: asyncio.Queue[Job] = asyncio.Queue(QUEUE_LENGTH)
        self._known: set[tuple[str, str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._tasks = [asyncio.create_task(self._work(), name=f"embedding-{number}") for number in range(WORKERS)]

    async def stop(self) -> None:
        """Stop working; what is left is found again by the next one who loads that user's index."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def submit(self, job: Job) -> None:
        """Ask for a vector; asking again, or beyond the queue's length, does nothing."""
        if job.name in self._known or self._queue.full():
            return
        self._known.add(job.name)
        self._queue.put_nowait(job)
        self._metrics.embeddings_waiting.set(len(self._known))

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            try:
                await self._embed(job)
            except Exception:
                log.exception("embedding failed")
            finally:
                self._known.discard(job.name)
                self._metrics.embeddings_waiting.set(len(self._known))

    async def _embed(self, job: Job) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                vector = await self._embedder.embed(job.text)
                stored = StoredVector(job.memory_id, job.content_hash, vector)
                if await self._repository.put(job.user_id, stored):
                    self._on_stored(job.user_id, stored)
            except EmbeddingRefusedError as refused:
                log.warning("embedding refused", reason=str(refused))
            except (ProblemError, ClientError, TransactionRefusedError) as error:
                log.warning("embedding postponed", error=type(error).__name__, seconds=round(wait, 1))
                await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                continue
            return
