"""Vectors in the background: a memory is found by words at once, and by meaning when its vector is there.

A vector serves in this pod as soon as it is made; what was made within a moment is stored together, by user. What
waits is in memory, and may be lost with the pod: what has no vector is found again when an index is loaded.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from recall_api.encryption.keys import UnreadableError
from recall_api.errors import ProblemError
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.repository import VECTORS_AT_ONCE, StoredVector
from recall_api.storage import TransactionRefusedError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from recall_api.identifiers import MemoryId, UserId
    from recall_api.search.embedder import Embedder
    from recall_api.search.repository import VectorRepository
    from recall_api.telemetry import Metrics

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

WORKERS: Final = 8
"""Texts that are embedded at once, Titan takes one text a call; and as many transactions."""
QUEUE_LENGTH: Final = 20_000
GATHERED_SECONDS: Final = 0.25
"""How long a vector waits for others that are stored with it: other pods look for them every second."""
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
        on_made: Callable[[UserId, StoredVector], None],
        metrics: Metrics,
    ) -> None:
        self._embedder = embedder
        self._repository = repository
        self._on_made = on_made
        self._metrics = metrics
        self._queue: asyncio.Queue[Job] = asyncio.Queue(QUEUE_LENGTH)
        self._made: asyncio.Queue[tuple[Job, StoredVector]] = asyncio.Queue()
        self._gathering = asyncio.Lock()
        self._known: set[tuple[str, str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        for number in range(WORKERS):
            self._tasks.append(asyncio.create_task(self._embed_all(), name=f"embedding-{number}"))
            self._tasks.append(asyncio.create_task(self._store_all(), name=f"storing-{number}"))

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

    async def _embed_all(self) -> None:
        while True:
            job = await self._queue.get()
            made: StoredVector | None = None
            try:
                made = StoredVector(job.memory_id, job.content_hash, await _retried(self._embedder.embed, job.text))
                self._on_made(job.user_id, made)
                self._made.put_nowait((job, made))
            except EmbeddingRefusedError as refused:
                log.warning("embedding refused", reason=str(refused))
            except Exception:
                log.exception("embedding failed")
            finally:
                if made is None:
                    self._done(job)

    async def _store_all(self) -> None:
        while True:
            async with self._gathering:
                made = [await self._made.get()]
                await asyncio.sleep(GATHERED_SECONDS if self._made.qsize() < VECTORS_AT_ONCE else 0)
                while not self._made.empty() and len(made) < VECTORS_AT_ONCE:
                    made.append(self._made.get_nowait())
            by_user: defaultdict[UserId, list[StoredVector]] = defaultdict(list)
            for job, vector in made:
                by_user[job.user_id].append(vector)
            try:
                await asyncio.gather(*(self._store(user_id, some) for user_id, some in by_user.items()))
            except Exception:
                log.exception("storing vectors failed")
            finally:
                for job, _ in made:
                    self._done(job)

    async def _store(self, user_id: UserId, some: list[StoredVector]) -> None:
        try:
            await _retried(self._repository.put_many, user_id, some)
        except UnreadableError:
            log.warning("vectors not kept: the user's data key is gone", vectors=len(some))

    def _done(self, job: Job) -> None:
        self._known.discard(job.name)
        self._metrics.embeddings_waiting.set(len(self._known))


async def _retried(
    call: Callable[Parameters, Awaitable[Result]], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call until it works; what refuses for good is raised."""
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            return await call(*args, **kwargs)
        except UnreadableError:
            raise
        except (ProblemError, ClientError, TransactionRefusedError) as error:
            log.warning("embedding postponed", error=type(error).__name__, seconds=round(wait, 1))
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - jitter
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
