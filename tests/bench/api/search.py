"""Milliseconds of a search by the number of a user's memories, warm and cold.

Everything that a search does in a pod is measured but HTTP and the network to the embedding model: the query's vector
(wordllama, in process), the version of the user's memories in DynamoDB, the ranking, the hits. Cold is the first
search of a process that does not know the user: the index comes from DynamoDB, from a snapshot when the user has many
memories. DynamoDB is the local stack's emulator, in a process of its own on this machine.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import uvloop

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.identifiers import MemoryId, UserId
from recall_api.memories.items import to_item
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.memories.repository import MemoryRepository, partition, vector_key
from recall_api.search.index import UserIndex
from recall_api.search.repository import SnapshotRepository, StoredSnapshot, VectorRepository, vector_space
from recall_api.search.service import SearchService
from recall_api.search.vectors import to_bytes
from recall_api.storage import BATCH_WRITE_KEYS, Table, encode_item
from recall_api.telemetry import Metrics
from tests.bench.embedders import WordLlamaEmbedder
from tests.bench.recall_quality.data import people

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from recall_api.aws import Aws
    from tests.bench.api.world import World

SIZES: Final = (100, 1_000, 10_000, 50_000)
WARM_SEARCHES: Final = 300
COLD_SEARCHES: Final = 5
SEEDED_FROM: Final = 10_000
"""Memories from which on the snapshot is written here: the emulator takes a minute to list so many items once."""
SPACE: Final = vector_space("wordllama", 256)
BEGIN: Final = datetime(2016, 1, 1, tzinfo=UTC)


def memories(count: int, seed: int = 1, *, begin: datetime = BEGIN, minutes: int = 5_000_000) -> list[Memory]:
    """Return memories made of the labelled set's: half of one and half of another, so that words are as frequent.

    They happened at random moments within so many minutes from the beginning.
    """
    rng = random.Random(seed)
    texts = [memory.text for person in people() for memory in person.memories]
    made = []
    for number in range(count):
        one, other = rng.choice(texts).split(), rng.choice(texts).split()
        text = " ".join([*one[: len(one) // 2], *other[len(other) // 2 :], str(number)])
        moment = begin + timedelta(minutes=rng.randrange(minutes))
        content = MemoryContent(text, tags=("bench",) if number % 10 == 0 else (), occurred_at=moment)
        made.append(Memory(MemoryId(f"{number:026d}"), content, number + 1, moment, moment, Source.TYPED))
    return made


async def store(
    aws: Aws, table: str, user_id: UserId, stored: Sequence[Memory], vectors: Sequence[NDArray[np.float32]]
) -> None:
    """Write memories, and vectors where there are any, as if the user had typed them all."""
    items: list[dict[str, Any]] = [to_item(user_id, memory) for memory in stored]
    for memory, vector in zip(stored, vectors, strict=False):
        item = {PARTITION_KEY: partition(user_id), SORT_KEY: vector_key(SPACE, memory.id)}
        items.append(item | {"contentHash": memory.content.content_hash, "vector": to_bytes(vector)})
    state = {PARTITION_KEY: partition(user_id), SORT_KEY: "STATE", "version": len(stored), "count": len(stored)}
    items.append(state)  # at the end: where it is, all is
    await write(aws, table, items)


async def write(aws: Aws, table: str, items: Sequence[Mapping[str, Any]]) -> None:
    """Write items, whatever is there."""

    async def batch(some: Sequence[Mapping[str, Any]]) -> None:
        requests = [{"PutRequest": {"Item": encode_item(item)}} for item in some]
        while requests:
            answer = await aws.dynamodb("BatchWriteItem", RequestItems={table: requests})
            requests = answer.get("UnprocessedItems", {}).get(table, [])

    for start in range(0, len(items), 4 * BATCH_WRITE_KEYS):
        chunk = items[start : start + 4 * BATCH_WRITE_KEYS]
        await asyncio.gather(
            *(batch(chunk[at : at + BATCH_WRITE_KEYS]) for at in range(0, len(chunk), BATCH_WRITE_KEYS))
        )


async def store_with_snapshot(
    aws: Aws,
    table: str,
    user_id: UserId,
    stored: Sequence[Memory],
    vectors: Sequence[NDArray[np.float32]],
    space: str = SPACE,
) -> None:
    """Write memories and the snapshot that a pod would have made of them and their vectors."""
    await store(aws, table, user_id, stored, ())
    index = UserIndex(len(vectors[0]))
    for memory, vector in zip(stored, vectors, strict=True):
        index.put(memory)
        index.put_vector(memory.id, memory.content.content_hash, vector)
    snapshot = StoredSnapshot(len(stored), index.snapshot().to_bytes())
    assert await SnapshotRepository(Table(aws, table), space).put(user_id, snapshot)


class _Pod:
    """What a pod has for searching; a new one knows no user."""

    def __init__(self, aws: Aws, table: str, embedder: WordLlamaEmbedder) -> None:
        at = Table(aws, table)
        vectors, snapshots = VectorRepository(at, SPACE), SnapshotRepository(at, SPACE)
        self.memories = MemoryRepository(at)
        self.search = SearchService(self.memories, vectors, embedder, Metrics(), max_bytes=10**9, snapshots=snapshots)

    async def seconds(self, user_id: UserId, query: str) -> float:
        """Search once."""
        began = time.perf_counter()
        found = await self.search.search(user_id, query, limit=10)
        took = time.perf_counter() - began
        assert found.hits, query
        return took

    async def version_seconds(self, user_id: UserId) -> float:
        """Ask DynamoDB for the version, as each search does."""
        began = time.perf_counter()
        await self.memories.state(user_id)
        return time.perf_counter() - began


async def _figures(
    aws: Aws, table: str, user_id: UserId, embedder: WordLlamaEmbedder, queries: Sequence[str]
) -> dict[str, float]:
    pod = _Pod(aws, table, embedder)
    await pod.seconds(user_id, queries[0])
    await pod.search.settled()  # the snapshot, where there is one, is stored
    cold = [await _Pod(aws, table, embedder).seconds(user_id, query) for query in queries[:COLD_SEARCHES]]
    warm, versions = [], []
    for number in range(WARM_SEARCHES):
        warm.append(await pod.seconds(user_id, queries[number % len(queries)]))
        versions.append(await pod.version_seconds(user_id))
    p50, p99 = np.percentile(warm, [50, 99])
    seconds = {
        "warm_p50_ms": p50, "warm_p99_ms": p99, "cold_ms": np.median(cold), "version_p50_ms": np.median(versions)
    }  # fmt: skip
    return {name: round(1000 * float(value), 2) for name, value in seconds.items()}


async def _measure(world: World, sizes: Sequence[int], note: Callable[[str], None]) -> dict[str, dict[str, float]]:
    aws, table = world.aws(), world.instance.memories_table
    embedder = WordLlamaEmbedder()
    queries = [question.text for person in people() for question in person.questions]
    random.Random(2).shuffle(queries)
    found: dict[str, dict[str, float]] = {}
    for size in sizes:
        user_id = UserId(f"bench-{uuid.uuid4().hex}")
        stored = memories(size)
        vectors = embedder.embed_many([memory.content.text for memory in stored])
        if size < SEEDED_FROM:
            await store(aws, table, user_id, stored, vectors)
        else:
            await store_with_snapshot(aws, table, user_id, stored, vectors)
        found[str(size)] = await _figures(aws, table, user_id, embedder, queries)
        note(f"{size:>6} memories: {found[str(size)]}")
    await aws.close()
    return found


def measure(world: World, sizes: Sequence[int], note: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Return the figures by number of memories: warm_p50_ms, warm_p99_ms, cold_ms and version_p50_ms."""
    return uvloop.run(_measure(world, sizes, note))
