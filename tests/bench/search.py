"""Milliseconds of a search by the number of a user's memories, warm and cold: build/bench/search.json.

Everything that a search does in a pod is measured but HTTP: the query's vector (wordllama, in process), the version
of the user's memories in DynamoDB (asked once a second), the ranking, the hits. Cold is the first search of a process
that does not know the user: the index comes from DynamoDB, from a snapshot when the user has many memories. DynamoDB
is the local stack's emulator, in a process of its own on this machine. `measure` is for other benches.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import numpy as np

from recall_api.aws import Aws
from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.identifiers import MemoryId, UserId
from recall_api.memories.items import to_item
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.memories.repository import MemoryRepository, partition, vector_key
from recall_api.search.index import UserIndex
from recall_api.search.repository import SnapshotRepository, StoredSnapshot, VectorRepository, vector_space
from recall_api.search.service import SearchService
from recall_api.search.vectors import to_bytes
from recall_api.settings import Settings
from recall_api.storage import Table, encode_item
from recall_api.telemetry import Metrics
from recall_local.aws import emulator
from tests.bench.embedders import WordLlamaEmbedder
from tests.bench.recall_quality.data import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SIZES: Final = (100, 1_000, 10_000, 50_000)
WARM_SEARCHES: Final = 300
COLD_SEARCHES: Final = 5
SEEDED_FROM: Final = 10_000
"""Memories from which on the snapshot is written here: the emulator takes a minute to list so many items once."""
OUTPUT: Final = Path("build/bench/search.json")
REGION: Final = "eu-west-1"
SPACE: Final = vector_space("wordllama", 256)


def memories(count: int, seed: int = 1) -> list[Memory]:
    """Return memories made of the labelled set's: half of one and half of another, so that words are as frequent."""
    rng = random.Random(seed)
    texts = [memory.text for person in people() for memory in person.memories]
    begin = datetime(2016, 1, 1, tzinfo=UTC)
    made = []
    for number in range(count):
        one, other = rng.choice(texts).split(), rng.choice(texts).split()
        text = " ".join([*one[: len(one) // 2], *other[len(other) // 2 :], str(number)])
        moment = begin + timedelta(minutes=rng.randrange(5_000_000))
        content = MemoryContent(text, tags=("bench",) if number % 10 == 0 else (), occurred_at=moment)
        made.append(Memory(MemoryId(f"{number:026d}"), content, number + 1, moment, moment, Source.TYPED))
    return made


def store(
    client: Any, table: str, user_id: UserId, stored: Sequence[Memory], vectors: Sequence[NDArray[np.float32]]
) -> None:
    """Write memories, and vectors where there are any, as if the user had typed them all."""
    items: list[dict[str, Any]] = [
        {PARTITION_KEY: partition(user_id), SORT_KEY: "STATE", "version": len(stored), "count": len(stored)}
    ]
    items.extend(to_item(user_id, memory) for memory in stored)
    for memory, vector in zip(stored, vectors, strict=False):
        item = {PARTITION_KEY: partition(user_id), SORT_KEY: vector_key(SPACE, memory.id)}
        items.append(item | {"contentHash": memory.content.content_hash, "vector": to_bytes(vector)})
    batches = [items[start : start + 25] for start in range(0, len(items), 25)]

    def write(batch: list[dict[str, Any]]) -> None:
        requests = [{"PutRequest": {"Item": encode_item(item)}} for item in batch]
        while requests:
            answer = client.batch_write_item(RequestItems={table: requests})
            requests = answer.get("UnprocessedItems", {}).get(table, [])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, batches))


def _settings(endpoint: str, table: str) -> Settings:
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": emulator.ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": emulator.ROOT_SECRET_KEY,
        "AWS_REGION": REGION,
    }
    names = {"instance": "bench/bench", "hostname": "bench.recall.localhost", "user_pool_id": "-", "client_id": "-"}
    urls = dict.fromkeys(("token_issuer", "jwks_url", "sign_in_url"), endpoint)
    settings: Any = {"memories_table": table, "users_table": table, "chat_models": ("-",), "region": REGION}
    return Settings(**names, **urls, **settings)


async def store_with_snapshot(
    aws: Aws, table: str, user_id: UserId, stored: Sequence[Memory], vectors: Sequence[NDArray[np.float32]]
) -> None:
    """Write memories and the snapshot that a pod would have made of them and their vectors."""
    await asyncio.to_thread(store, aws.dynamodb, table, user_id, stored, ())
    index = UserIndex(len(vectors[0]))
    for memory, vector in zip(stored, vectors, strict=True):
        index.put(memory)
        index.put_vector(memory.id, memory.content.content_hash, vector)
    snapshot = StoredSnapshot(len(stored), index.snapshot().to_bytes())
    assert await SnapshotRepository(Table(aws, table), SPACE).put(user_id, snapshot)


class _Pod:
    """What a pod has for searching; a new one knows no user."""

    def __init__(self, aws: Aws, table: str, embedder: WordLlamaEmbedder) -> None:
        at = Table(aws, table)
        vectors, snapshots = VectorRepository(at, SPACE), SnapshotRepository(at, SPACE)
        self.search = SearchService(
            MemoryRepository(at), vectors, embedder, Metrics(), max_indexes=1_000, snapshots=snapshots
        )

    async def seconds(self, user_id: UserId, query: str) -> float:
        """Search once."""
        began = time.perf_counter()
        found = await self.search.search(user_id, query, limit=10)
        took = time.perf_counter() - began
        assert found.hits, query
        return took


async def _figures(
    aws: Aws, table: str, user_id: UserId, embedder: WordLlamaEmbedder, queries: Sequence[str]
) -> dict[str, float]:
    pod = _Pod(aws, table, embedder)
    await pod.seconds(user_id, queries[0])
    await pod.search.settled()  # the snapshot, where there is one, is stored
    cold = [await _Pod(aws, table, embedder).seconds(user_id, query) for query in queries[:COLD_SEARCHES]]
    warm = [await pod.seconds(user_id, queries[number % len(queries)]) for number in range(WARM_SEARCHES)]
    p50, p99 = np.percentile(warm, [50, 99])
    seconds = {"warm_p50_ms": p50, "warm_p99_ms": p99, "cold_ms": np.median(cold)}
    return {name: round(1000 * float(value), 2) for name, value in seconds.items()}


async def measure(endpoint: str, table: str, sizes: Sequence[int] = SIZES) -> dict[str, dict[str, float]]:
    """Return the figures by number of memories: warm_p50_ms, warm_p99_ms and cold_ms.

    Args:
        endpoint: Address of a DynamoDB (emulated).
        table: A memories table there; users of their own are written to it.
        sizes: Memories of a user.
    """
    aws = Aws(_settings(endpoint, table), Metrics())
    embedder = WordLlamaEmbedder()
    queries = [question.text for person in people() for question in person.questions]
    random.Random(2).shuffle(queries)
    found: dict[str, dict[str, float]] = {}
    for size in sizes:
        user_id = UserId(f"bench-{uuid.uuid4().hex}")
        stored = memories(size)
        vectors = embedder.embed_many([memory.content.text for memory in stored])
        if size < SEEDED_FROM:
            await asyncio.to_thread(store, aws.dynamodb, table, user_id, stored, vectors)
        else:
            await store_with_snapshot(aws, table, user_id, stored, vectors)
        found[str(size)] = await _figures(aws, table, user_id, embedder, queries)
        print(f"{size:>6} memories: {found[str(size)]}", flush=True)
    aws.close()
    return found


@contextmanager
def emulated_table() -> Iterator[tuple[str, str]]:
    """Yield the endpoint of an emulated AWS of its own, and a table there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint, table = f"http://127.0.0.1:{port}", "bench"
    with tempfile.TemporaryDirectory() as folder:
        command = emulator.command(Path(folder), "127.0.0.1", port, region=REGION)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not emulator.is_ready(endpoint):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the emulated AWS did not start: {command}")
                time.sleep(0.05)
            client = boto3.client(
                "dynamodb",
                endpoint_url=endpoint,
                region_name=REGION,
                aws_access_key_id=emulator.ROOT_ACCESS_KEY,
                aws_secret_access_key=emulator.ROOT_SECRET_KEY,
            )
            keys = ((PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE"))
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            )
            yield endpoint, table
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def main() -> None:
    """Measure and write the figures."""
    sizes = tuple(map(int, os.environ.get("RECALL_BENCH_SIZES", "").split())) or SIZES
    with emulated_table() as (endpoint, table):
        found = asyncio.run(measure(endpoint, table, sizes))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"search": found}, indent=2) + "\n")
    print(f"written to {OUTPUT}")


if __name__ == "__main__":
    main()
