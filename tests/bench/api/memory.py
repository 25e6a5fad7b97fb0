"""Megabytes of one pod with 1,000 active users of 1,000 memories each: the resident set of its process.

Every user's snapshot lies in DynamoDB; each user searches once, over HTTP. The pod
keeps as many indexes as fit into `RECALL_INDEX_MEGABYTES`; here they all do, so none has gone when the last user has
searched. With the default of 256 MB, fewer are kept, and the others are loaded again when their users search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import uvloop

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.identifiers import UserId
from recall_api.memories.items import STATE_KEY
from recall_api.search.index import UserIndex
from recall_api.search.repository import SnapshotRepository, StoredSnapshot, vector_space
from recall_api.storage import Table
from recall_api.user_items import partition
from tests.bench.api.search import memories, write
from tests.bench.api.world import DIMENSIONS, EMBEDDING_MODEL, Caller, resident_megabytes
from tests.bench.embedders import WordLlamaEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.api.world import World

MEMORIES: Final = 1_000
DIFFERENT: Final = 10
"""Sets of memories; users share them, in items of their own."""
QUERY: Final = "Where did we stay on the island?"


async def _seed(world: World, users: int, note: Callable[[str], None]) -> None:
    aws, table = world.aws(), world.instance.memories_table
    snapshots = SnapshotRepository(Table(aws, table), vector_space(EMBEDDING_MODEL, DIMENSIONS))
    embedder = WordLlamaEmbedder()
    sets = []
    for seed in range(DIFFERENT):
        stored = memories(MEMORIES, seed)
        index = UserIndex(DIMENSIONS)
        for memory, vector in zip(stored, embedder.embed_many([one.content.text for one in stored]), strict=True):
            index.put(memory)
            index.put_vector(memory.id, memory.content.content_hash, vector)
        sets.append(index.snapshot().to_bytes())
    for number in range(users):
        user_id = UserId(f"bench-active-{number}")
        state: dict[str, Any] = {PARTITION_KEY: partition(user_id), SORT_KEY: STATE_KEY}
        state |= {"version": MEMORIES, "count": MEMORIES}
        await write(aws, table, [state])
        assert await snapshots.put(user_id, StoredSnapshot(MEMORIES, sets[number % DIFFERENT]))
        if (number + 1) % 200 == 0:
            note(f"{number + 1} of {users} users are there")
    await aws.close()


def measure(world: World, users: int, note: Callable[[str], None]) -> dict[str, float]:
    """Return the megabytes of a pod before and after, and by user."""
    uvloop.run(_seed(world, users, note))
    with world.pod(RECALL_INDEX_MEGABYTES="8000") as pod:
        before = resident_megabytes(pod.process.pid)
        for number in range(users):
            with Caller(pod.url, world.token(f"bench-active-{number}")) as user:
                assert user.json("POST", "/v1/recall", {"query": QUERY})["hits"]
            if (number + 1) % 200 == 0:
                note(f"{number + 1} users: {resident_megabytes(pod.process.pid):.0f} MB")
        line = next(line for line in pod.metrics().splitlines() if line.startswith("recall_search_indexes "))
        counted = next(line for line in pod.metrics().splitlines() if line.startswith("recall_search_index_bytes "))
        after = resident_megabytes(pod.process.pid)
    return {
        f"rss_mb_{users}_users": round(after, 1),
        "rss_mb_idle": round(before, 1),
        "index_mb_counted": round(float(counted.split()[1]) / 1e6, 1),
        "indexes_kept": int(float(line.split()[1])),
    }
