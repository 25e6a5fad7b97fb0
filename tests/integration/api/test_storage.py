"""The table wrapper against two independent DynamoDBs: ministack, and dynalite as a second opinion.

dynalite knows no transactions; those are tested through the repositories against ministack.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from recall_api.aws import Aws
from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.identifiers import MemoryId, UserId
from recall_api.memories.model import Action, MemoryContent, Source
from recall_api.memories.repository import Duplicate, Lost, MemoryRepository, Written, partition
from recall_api.search.repository import StoredVector, VectorRepository
from recall_api.search.vectors import to_bytes
from recall_api.storage import Table, TransactionRefusedError
from recall_api.telemetry import Metrics
from tests import node

from .conftest import Instance, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

DYNALITE = Path(__file__).parents[1] / "dynalite"
ANNA, BEN = UserId("anna"), UserId("ben")


@pytest.fixture(scope="session")
def dynalite() -> Iterator[str]:
    """The address of a dynalite of the run's own."""
    node.install(DYNALITE)
    port = free_port()
    command = [node.NODE, "node_modules/dynalite/cli.js", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, "--createTableMs", "0"], cwd=DYNALITE)
    endpoint = f"http://127.0.0.1:{port}"
    client = _client(endpoint)
    deadline = time.monotonic() + 20
    while True:
        try:
            client.list_tables()
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield endpoint
    process.terminate()
    process.wait(10)


def _client(endpoint: str) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def make_table(endpoint: str, monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Table:
    name = f"storage-{uuid.uuid4().hex[:8]}"
    client = _client(endpoint)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
            {"AttributeName": SORT_KEY, "AttributeType": "S"},
        ],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    for key, value in instance.environment(AWS_ENDPOINT_URL=endpoint).items():
        if key.startswith(("AWS_", "RECALL_")):
            monkeypatch.setenv(key, value)
    from recall_api.settings import Settings

    return Table(Aws(Settings(), Metrics()), name)  # type: ignore[call-arg]


@pytest.fixture(params=["ministack", "dynalite"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Table:
    """An empty table of either DynamoDB."""
    endpoint = request.getfixturevalue("dynalite") if request.param == "dynalite" else instance.aws.endpoint
    return make_table(endpoint, monkeypatch, instance)


@pytest.fixture
def transactional(monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Table:
    """An empty table that knows transactions."""
    return make_table(instance.aws.endpoint, monkeypatch, instance)


async def collect(table: Table, **query: Any) -> list[str]:
    return [item[SORT_KEY] async for page in table.pages("p", **query) for item in page]


async def test_items_come_back_as_they_went_in(table: Table) -> None:
    item = {
        PARTITION_KEY: "p",
        SORT_KEY: "s",
        "text": "Grüße 🥜 \u2028",
        "number": -(10**30),
        "yes": True,
        "nothing": None,
        "bytes": bytes(range(256)),
        "list": ["a", 1, ["b"], {"c": b"d"}],
        "empty": [],
        "map": {"x": {"y": 0}},
    }
    assert await table.put_new(item)
    assert await table.get("p", "s") == item
    assert await table.get("p", "other") is None
    assert await table.get("other", "s") is None


async def test_a_key_that_is_taken_is_not_written_over(table: Table) -> None:
    assert await table.put_new({PARTITION_KEY: "p", SORT_KEY: "s", "value": 1})
    assert not await table.put_new({PARTITION_KEY: "p", SORT_KEY: "s", "value": 2})
    assert (await table.get("p", "s") or {})["value"] == 1


async def test_ranges_are_exact_paged_and_ordered(table: Table) -> None:
    for number in range(23):
        await table.put_new({PARTITION_KEY: "p", SORT_KEY: f"MEM#{number:02d}"})
    for other in ("MEL#99", "MEM", "MEN#00", "VEC#00"):
        await table.put_new({PARTITION_KEY: "p", SORT_KEY: other})
    await table.put_new({PARTITION_KEY: "q", SORT_KEY: "MEM#05"})
    everything = [f"MEM#{number:02d}" for number in range(23)]
    span = {"first": "MEM#00", "last": "MEM#99"}
    assert await collect(table, **span) == everything
    assert await collect(table, **span, page_size=5) == everything
    assert await collect(table, **span, descending=True, page_size=4) == everything[::-1]
    assert await collect(table, **span, after="MEM#10") == everything[11:]
    assert await collect(table, **span, after="MEM#10", descending=True) == everything[9::-1]
    # What a cursor points to may be gone by now.
    assert await collect(table, **span, after="MEM#105") == everything[11:]


async def test_pages_of_a_megabyte_are_read_to_the_end(table: Table) -> None:
    for number in range(30):
        await table.put_new({PARTITION_KEY: "p", SORT_KEY: f"MEM#{number:02d}", "text": "x" * 100_000})
    pages = [page async for page in table.pages("p", first="MEM#00", last="MEM#99")]
    assert sum(map(len, pages)) == 30
    assert len(pages) > 2


async def test_many_items_are_read_by_key_beyond_one_batch(table: Table) -> None:
    for number in range(130):
        await table.put_new({PARTITION_KEY: "p", SORT_KEY: f"{number:03d}", "text": "x" * 1000})
    keys = [f"{number:03d}" for number in range(0, 260, 2)]
    found = await table.get_many("p", keys)
    assert sorted(item[SORT_KEY] for item in found) == [f"{number:03d}" for number in range(0, 130, 2)]
    assert await table.get_many("p", []) == []


async def test_an_item_beyond_400_kb_is_refused_by_dynamodb_itself(table: Table) -> None:
    with pytest.raises(ClientError, match="size"):
        await table.put_new({PARTITION_KEY: "p", SORT_KEY: "s", "text": "x" * 410_000})


async def test_a_transaction_is_done_whole_or_not_at_all(transactional: Table) -> None:
    taken = {PARTITION_KEY: "p", SORT_KEY: "taken"}
    await transactional.put_new(taken)
    parts = [
        transactional.put_part({PARTITION_KEY: "p", SORT_KEY: "fresh"}),
        transactional.put_part(taken, condition="attribute_not_exists(#pk)"),
    ]
    with pytest.raises(TransactionRefusedError) as caught:
        await transactional.transact(parts)
    assert [caught.value.condition_failed(place) for place in range(3)] == [False, True, False]
    assert await transactional.get("p", "fresh") is None
    await transactional.transact(parts[:1])
    assert await transactional.get("p", "fresh") is not None


def written(result: Written | Duplicate | Lost) -> Written:
    assert isinstance(result, Written)
    return result


async def test_versions_count_every_change_of_a_user(transactional: Table) -> None:
    repository = MemoryRepository(transactional)
    first = written(await repository.create(ANNA, MemoryId("A" * 26), MemoryContent("one"), Source.TYPED))
    await repository.create(BEN, MemoryId("A" * 26), MemoryContent("one"), Source.TYPED)
    changed = written(await repository.update(ANNA, first.memory, MemoryContent("two")))
    assert isinstance(await repository.update(ANNA, first.memory, MemoryContent("three")), Lost)
    gone = await repository.delete(ANNA, changed.memory, "space")
    assert not isinstance(gone, Lost)
    state = await repository.state(ANNA)
    assert (state.version, state.count) == (3, 0)
    changes = await repository.changes_after(ANNA, 0)
    assert [(change.version, change.action) for change in changes] == [
        (1, Action.CREATED),
        (2, Action.UPDATED),
        (3, Action.DELETED),
    ]
    assert [change.version for change in await repository.changes_after(ANNA, 2)] == [3]
    assert (await repository.state(BEN)).count == 1


async def test_a_writer_that_is_behind_catches_up(transactional: Table) -> None:
    one, two = MemoryRepository(transactional), MemoryRepository(transactional)
    for number in range(6):
        repository = (one, two)[number % 2]
        written(await repository.create(ANNA, MemoryId(f"{number:026d}"), MemoryContent(str(number)), Source.TYPED))
    assert (await one.state(ANNA)).count == 6


async def test_a_permanently_deleted_memory_leaves_nothing_of_its_own(transactional: Table) -> None:
    import numpy as np

    memories, vectors = MemoryRepository(transactional), VectorRepository(transactional, "space")
    memory = written(await memories.create(ANNA, MemoryId("A" * 26), MemoryContent("secret"), Source.TYPED)).memory
    stored = StoredVector(memory.id, memory.content.content_hash, np.array([1, 2], np.float32))
    assert await vectors.put_many(ANNA, [stored]) == {memory.id}
    await memories.delete(ANNA, memory, "space", permanently=True)
    await memories.purge(ANNA, memory.id)
    # A vector that comes too late is not stored, and keeps no other from being stored.
    other = written(await memories.create(ANNA, MemoryId("B" * 26), MemoryContent("other"), Source.TYPED)).memory
    current = StoredVector(other.id, other.content.content_hash, np.array([3, 4], np.float32))
    assert await vectors.put_many(ANNA, [stored, current]) == {other.id}
    await memories.delete(ANNA, other, "space", permanently=True)
    await memories.purge(ANNA, other.id)
    left = [item async for page in transactional.pages(partition(ANNA), first="!", last="~") for item in page]
    assert sorted(item[SORT_KEY].partition("#")[0] for item in left) == ["CHANGE"] * 4 + ["STATE"]
    assert "secret" not in str(left)
    assert to_bytes(stored.vector) not in [item.get("vector") for item in left]
