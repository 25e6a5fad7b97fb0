"""Reads and writes of one memory over HTTP, against boto3 doing the same to the same items from the same process.

A read is `GET /v1/memories/{id}` against a consistent `get_item` of that memory's item. A write is
`POST /v1/memories` against one `transact_write_items` of the items that it writes: memory, duplicate guard, the user's
version, record of the change. Both sides are one kept connection, one request at a time, in blocks that take turns; the
ratio is of time as the caller sees it, so the API's share holds HTTP, the check of the token and JSON on both ends. The
vectors that the API makes in the background of its writes run during its own blocks and are waited for before boto3's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ulid import ULID

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.memories.model import content_hash
from tests.bench.api.figures import added, median_ratio, milliseconds, quantiles
from tests.bench.api.world import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.api.world import World
    from tests.integration.api.conftest import Pod

BLOCK = 25


def measure(world: World, pod: Pod, blocks: int, note: Callable[[str], None]) -> dict[str, Any]:
    """Return the ratios and the milliseconds behind them."""
    table, user = world.instance.memories_table, "bench-overhead"
    dynamodb = world.emulator.client("dynamodb")
    with Caller(pod.url, world.token(user)) as caller:
        texts = (f"Memory {number} says that the blue bicycle stands in the cellar." for number in range(BLOCK))
        ids = [caller.json("POST", "/v1/memories", {"text": text})["id"] for text in texts]
        world.settle(pod)

        def read(number: int) -> float:
            return milliseconds(lambda: caller.json("GET", f"/v1/memories/{ids[number]}"))

        def bare_read(number: int) -> float:
            key = {PARTITION_KEY: {"S": f"USER#{user}"}, SORT_KEY: {"S": f"MEM#{ids[number]}"}}
            return milliseconds(lambda: dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"])

        def write(number: int) -> float:
            text = f"Another memory {number} of {time.monotonic_ns()} says that the cat likes tuna."
            return milliseconds(lambda: caller.json("POST", "/v1/memories", {"text": text}))

        bare = _BareWriter(dynamodb, table)
        reads, writes = [], []
        for block in range(blocks + 1):  # the first pair warms both sides up
            ours, theirs = [read(n) for n in range(BLOCK)], [bare_read(n) for n in range(BLOCK)]
            reads.append((ours, theirs))
            ours = [write(n) for n in range(BLOCK)]
            world.settle(pod)
            writes.append((ours, [bare.write() for _ in range(BLOCK)]))
            if block:
                note(f"block {block}/{blocks}: read {median_ratio(reads[-1:])}, write {median_ratio(writes[-1:])}")
    found = {
        "read_overhead_ratio": median_ratio(reads[1:]),
        "write_overhead_ratio": median_ratio(writes[1:]),
    }
    sides: dict[str, Any] = {}
    for name, pairs in (("read", reads[1:]), ("write", writes[1:])):
        ours, theirs = ([value for pair in pairs for value in pair[side]] for side in (0, 1))
        sides[name] = {"api_ms": quantiles(ours), "boto3_ms": quantiles(theirs), "added_ms": added(ours, theirs)}
    return found | {"overhead": sides}


class _BareWriter:
    """Stores memories of another user by boto3 alone."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._version = 0

    def write(self) -> float:
        """Store one, and return the milliseconds of the call."""
        memory_id = str(ULID())
        text = f"Another memory {self._version} of {time.monotonic_ns()} says that the cat likes tuna."
        hashed, now, partition = content_hash(text), "2026-01-01T00:00:00.000000+00:00", {"S": "USER#bench-bare"}
        new = {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": PARTITION_KEY}}
        old, version = self._version, self._version + 1

        def put(sort: str, **attributes: Any) -> dict[str, Any]:
            return {"TableName": self._table, "Item": {PARTITION_KEY: partition, SORT_KEY: {"S": sort}} | attributes}

        times = {"createdAt": {"S": now}, "updatedAt": {"S": now}, "source": {"S": "typed"}}
        words = {"text": {"S": text}, "contentHash": {"S": hashed}, "version": {"N": str(version)}}
        values: dict[str, Any] = {":new": {"N": str(version)}, ":count": {"N": "1"}}
        state = {
            "TableName": self._table,
            "Key": {PARTITION_KEY: partition, SORT_KEY: {"S": "STATE"}},
            "UpdateExpression": "SET #version = :new ADD #count :count",
            "ConditionExpression": "#version = :old" if old else "attribute_not_exists(#version)",
            "ExpressionAttributeNames": {"#version": "version", "#count": "count"},
            "ExpressionAttributeValues": values | ({":old": {"N": str(old)}} if old else {}),
        }
        record = {"action": {"S": "created"}, "memoryId": {"S": memory_id}, "expiresAt": {"N": "4000000000"}}
        parts = [
            {"Put": put(f"HASH#{hashed}", memoryId={"S": memory_id}) | new},
            {"Put": put(f"MEM#{memory_id}", **words, **times) | new},
            {"Update": state},
            {"Put": put(f"CHANGE#{version:012d}", **record)},
        ]
        took = milliseconds(lambda: self._dynamodb.transact_write_items(TransactItems=parts))
        self._version = version
        return took
