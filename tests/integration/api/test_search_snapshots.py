"""Indexes loaded from snapshots, and indexes of several pods under concurrent writes, on an emulated DynamoDB."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from recall_api.identifiers import MemoryId, UserId, new_memory_id
from recall_api.memories.model import MemoryContent, Source
from recall_api.memories.repository import MemoryRepository, Written
from recall_api.search import keeper
from recall_api.search import service as search_service
from recall_api.search.repository import SnapshotRepository, StoredSnapshot, VectorRepository
from recall_api.search.service import SearchService
from recall_api.telemetry import Metrics

from .test_storage import make_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from numpy.typing import NDArray

    from recall_api.storage import Table

    from .conftest import Instance

ANNA, BEN = UserId("anna"), UserId("ben")
SPACE = "hashes/8"


class HashEmbedder:
    """Vectors that depend on the text and on nothing else."""

    dimensions = 8

    async def embed(self, text: str) -> NDArray[np.float32]:
        return np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.uint8).astype(np.float32)


class SearchingPod:
    """What a pod has for memories and searches."""

    def __init__(self, table: Table) -> None:
        self.memories = MemoryRepository(table)
        self.snapshots = SnapshotRepository(table, SPACE)
        self.search = SearchService(
            self.memories,
            VectorRepository(table, SPACE),
            HashEmbedder(),
            Metrics(),
            max_bytes=10**8,
            snapshots=self.snapshots,
        )
        self.search.worker.start()

    async def remember(self, text: str, user_id: UserId = ANNA) -> MemoryId:
        written = await self.memories.create(user_id, new_memory_id(), MemoryContent(text), Source.TYPED)
        assert isinstance(written, Written)
        await self.search.changed(user_id, written.change, written.memory)
        return written.memory.id

    async def forget(self, memory_id: MemoryId, user_id: UserId = ANNA) -> None:
        memory = await self.memories.get(user_id, memory_id)
        assert memory is not None
        deleted = await self.memories.delete(user_id, memory, SPACE)
        assert isinstance(deleted, Written)
        await self.search.changed(user_id, deleted.change, memory)

    async def found(self, query: str, user_id: UserId = ANNA) -> set[str]:
        hits = (await self.search.search(user_id, query, limit=50)).hits
        return {hit.memory.content.text for hit in hits if hit.words}

    async def by_meaning(self, query: str) -> bool:
        hits = (await self.search.search(ANNA, query, limit=50)).hits
        return bool(hits) and all(hit.vector for hit in hits)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Table:
    return make_table(instance.aws.endpoint, monkeypatch, instance)


@pytest.fixture
async def new_pod(table: Table, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], SearchingPod]]:
    monkeypatch.setattr(keeper, "LEAST_MEMORIES", 3)
    monkeypatch.setattr(keeper, "FORGET_SECONDS", 0.0)
    monkeypatch.setattr(search_service, "VECTORS_SECONDS", 0.0)
    pods: list[SearchingPod] = []

    def make() -> SearchingPod:
        pods.append(SearchingPod(table))
        return pods[-1]

    yield make
    for pod in pods:
        await pod.search.settled()
        await pod.search.worker.stop()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - a table tells nobody that it changed
            await asyncio.sleep(0.02)


async def with_snapshot(pod: SearchingPod) -> dict[str, MemoryId]:
    ids = {text: await pod.remember(text) for text in ("red bicycle", "blue bicycle", "green door", "old door")}

    async def kept() -> bool:
        await pod.found("bicycle")
        await pod.search.settled()
        return await pod.snapshots.get(ANNA) is not None

    await until(kept)
    return ids


async def test_a_snapshot_of_many_parts_comes_back_whole_and_goes_without_a_trace(new_pod: Any, table: Table) -> None:
    pod = new_pod()
    await pod.remember("one")
    packed = np.random.default_rng(1).bytes(1_500_000)
    assert await pod.snapshots.put(ANNA, StoredSnapshot(1, packed))
    assert await pod.snapshots.get(ANNA) == StoredSnapshot(1, packed)
    assert await pod.snapshots.get(BEN) is None
    assert await pod.snapshots.put(ANNA, StoredSnapshot(1, b"smaller"))
    assert await pod.snapshots.get(ANNA) == StoredSnapshot(1, b"smaller")
    await pod.snapshots.delete(ANNA)
    assert await pod.snapshots.get(ANNA) is None
    left = [item async for page in table.pages("USER#anna", first="SNAPSHOT#", last="SNAPSHOT#~") for item in page]
    assert left == []


async def test_a_snapshot_of_another_version_is_not_kept(new_pod: Any, table: Table) -> None:
    pod = new_pod()
    await pod.remember("one")
    assert not await pod.snapshots.put(ANNA, StoredSnapshot(7, b"of a version that is not"))
    assert not await pod.snapshots.put(BEN, StoredSnapshot(1, b"of a user without memories"))
    for owner in ("USER#anna", "USER#ben"):
        left = [item async for page in table.pages(owner, first="SNAPSHOT#", last="SNAPSHOT#~") for item in page]
        assert left == []


async def test_an_index_from_a_snapshot_finds_the_same_without_reading_memories(
    new_pod: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = new_pod()
    await with_snapshot(first)
    second = new_pod()

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("memories were read")

    monkeypatch.setattr(second.memories, "newest", refused)
    monkeypatch.setattr(second.memories, "get_many", refused)
    for query in ("bicycle", "old", "green door"):
        assert await second.found(query) == await first.found(query) != set()
    assert await second.by_meaning("bicycle")


async def test_what_changed_since_the_snapshot_is_applied_to_it(new_pod: Any) -> None:
    first = new_pod()
    ids = await with_snapshot(first)
    await first.remember("new bicycle")
    second = new_pod()
    assert await second.found("bicycle") == {"red bicycle", "blue bicycle", "new bicycle"}
    await first.forget(ids["red bicycle"])
    assert await second.found("bicycle") == {"blue bicycle", "new bicycle"}
    assert await new_pod().found("bicycle") == {"blue bicycle", "new bicycle"}


async def test_a_snapshot_goes_when_a_memory_does(new_pod: Any) -> None:
    pod = new_pod()
    ids = await with_snapshot(pod)
    before = await pod.snapshots.get(ANNA)
    await pod.forget(ids["red bicycle"])
    await pod.search.settled()
    assert await pod.snapshots.get(ANNA) is None
    assert before is not None
    # Nothing brings it back with what was deleted: the next one is made of what is left.
    await until(lambda: _kept_again(pod))
    assert (await new_pod().found("bicycle")) == {"blue bicycle"}


async def _kept_again(pod: SearchingPod) -> bool:
    await pod.found("bicycle")
    await pod.search.settled()
    return await pod.snapshots.get(ANNA) is not None


async def test_pods_that_write_at_once_all_have_what_is_stored(new_pod: Any) -> None:
    pods = [new_pod() for _ in range(3)]

    async def write(number: int, pod: SearchingPod) -> None:
        for count in range(4):
            text = f"note {number} {count}"
            memory_id = await pod.remember(text)
            assert text in await pod.found("note")  # its own write, at once
            if count % 2:
                await pod.forget(memory_id)
                assert text not in await pod.found("note")

    await asyncio.gather(*(write(number, pod) for number, pod in enumerate(pods)))
    expected = {f"note {number} {count}" for number in range(3) for count in (0, 2)}
    for pod in [*pods, new_pod()]:
        assert await pod.found("note") == expected
