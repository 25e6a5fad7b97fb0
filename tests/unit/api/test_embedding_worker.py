"""Vectors in the background: they serve at once, are stored together, and none is given up."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from recall_api.encryption.keys import UnreadableError
from recall_api.identifiers import MemoryId, UserId
from recall_api.search import worker as module
from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.repository import VECTORS_AT_ONCE
from recall_api.search.worker import EmbeddingWorker, Job
from recall_api.storage import TransactionRefusedError
from recall_api.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray

    from recall_api.search.repository import StoredVector, VectorRepository

ANNA, BEN = UserId("anna"), UserId("ben")


class Letters:
    """Refuses one text."""

    dimensions = 1

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return how long a text is."""
        if text == "unspeakable":
            raise EmbeddingRefusedError("ValidationException")
        return np.array([len(text)], np.float32)


class Storage:
    """Notes what is stored together; refuses as often as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.keyless: set[UserId] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.stored: list[tuple[UserId, set[MemoryId]]] = []

    async def put_many(self, user_id: UserId, stored: Sequence[StoredVector]) -> None:
        """Store."""
        await self.open.wait()
        if user_id in self.keyless:
            raise UnreadableError
        if self.refusals:
            self.refusals -= 1
            raise TransactionRefusedError(["TransactionConflict"])
        self.stored.append((user_id, {one.memory_id for one in stored}))


class Running:
    """A worker and what it has made."""

    def __init__(self, storage: Storage) -> None:
        self.made: list[MemoryId] = []
        self.metrics = Metrics()
        self.worker = EmbeddingWorker(
            Letters(),
            cast("VectorRepository", storage),
            lambda _user, one: self.made.append(one.memory_id),
            self.metrics,
        )

    def submit(self, user_id: UserId, name: str, text: str = "text") -> None:
        self.worker.submit(Job(user_id, MemoryId(name), "hash", text))

    def waiting(self) -> float | None:
        return self.metrics.registry.get_sample_value("recall_embeddings_waiting")

    async def until_idle(self) -> None:
        async with asyncio.timeout(10):
            while self.waiting():  # noqa: ASYNC110 - the metric is what operators see
                await asyncio.sleep(0)


@asynccontextmanager
async def running(storage: Storage) -> AsyncIterator[Running]:
    made = Running(storage)
    made.worker.start()
    try:
        yield made
    finally:
        await made.worker.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHERED_SECONDS", 0.02)
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.0)


async def test_what_is_made_together_is_stored_together_by_user() -> None:
    storage = Storage()
    async with running(storage) as one:
        for user, name in ((ANNA, "1"), (BEN, "2"), (ANNA, "3"), (ANNA, "3")):
            one.submit(user, name)
        assert one.waiting() == 3
        await one.until_idle()
    assert sorted(storage.stored) == [(ANNA, {"1", "3"}), (BEN, {"2"})]


async def test_no_transaction_is_larger_than_it_may_be() -> None:
    storage = Storage()
    async with running(storage) as one:
        for number in range(60):
            one.submit(ANNA, str(number))
        await one.until_idle()
    assert max(len(names) for _, names in storage.stored) <= VECTORS_AT_ONCE
    assert set().union(*(names for _, names in storage.stored)) == set(map(str, range(60)))


async def test_a_vector_serves_before_it_is_stored() -> None:
    storage = Storage()
    storage.open.clear()
    async with running(storage) as one:
        one.submit(ANNA, "1")
        async with asyncio.timeout(10):
            while one.made != ["1"]:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not storage.stored
        assert one.waiting() == 1
        storage.open.set()
        await one.until_idle()
    assert storage.stored == [(ANNA, {"1"})]


async def test_storing_is_tried_again_and_refused_texts_are_not() -> None:
    storage = Storage(refusals=3)
    async with running(storage) as one:
        one.submit(ANNA, "1")
        one.submit(ANNA, "2", "unspeakable")
        await one.until_idle()
        assert one.made == ["1"]
    assert storage.stored == [(ANNA, {"1"})]


async def test_a_vector_of_one_whose_key_is_gone_is_given_up_and_holds_nobody_up() -> None:
    storage = Storage()
    storage.keyless = {BEN}
    async with running(storage) as one:
        one.submit(BEN, "1")
        one.submit(ANNA, "2")
        await one.until_idle()
    assert storage.stored == [(ANNA, {"2"})]
