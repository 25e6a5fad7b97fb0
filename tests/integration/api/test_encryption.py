"""Users' data keys, with a real KMS API: what lies in the tables, who can read it, and what a deletion leaves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from recall_api.aws import Aws
from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.encryption.items import shape_at
from recall_api.encryption.keys import UnreadableError, UserKeys
from recall_api.encryption.repository import WrappedKeyRepository
from recall_api.encryption.storage import SealedStorage
from recall_api.errors import ProblemError
from recall_api.identifiers import UserId, new_memory_id
from recall_api.memories.model import Draft, MemoryContent, Source, content_hash
from recall_api.memories.repository import MemoryRepository, Written
from recall_api.search.repository import SnapshotRepository, StoredSnapshot, StoredVector, VectorRepository
from recall_api.search.vectors import to_bytes
from recall_api.settings import Settings
from recall_api.storage import Table
from recall_api.telemetry import Metrics
from recall_api.user_items import partition
from tests.integration.api.conftest import Instance, Pod, make_instance, run_pod
from tests.integration.api.dynamodb_door import Door
from tests.integration.api.test_chat import ask, named
from tests.integration.api.test_mcp import call, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

QUICK = {"RECALL_DELETION_POLL_SECONDS": "0.2"}


@pytest.fixture(scope="module")
def sealed(emulator: Any, bedrock: Any) -> Instance:
    return make_instance(emulator, bedrock, sealed=True)


@pytest.fixture(scope="module")
def pods(sealed: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pod]]:
    """One pod that keeps keys as long as it may, and one that asks KMS each time."""
    forgetful = {"RECALL_USER_KEYS_SECONDS": "0.001"}
    running = [run_pod(sealed, tmp_path_factory.mktemp("sealed"), **QUICK, **more) for more in ({}, forgetful)]
    yield running
    for pod in running:
        pod.kill()


@pytest.fixture
def token(sealed: Instance) -> str:
    return sealed.sign_in(f"user-{uuid.uuid4().hex[:8]}")["access_token"]


@pytest.fixture
def anna(pods: list[Pod], token: str) -> Iterator[httpx.Client]:
    """A fresh user's view of the API."""
    with pods[0].client(token) as client:
        yield client


def items(instance: Instance, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """Return everything in the tables, as it is stored."""
    dynamodb = instance.aws.client("dynamodb")
    return {
        table: [item for page in dynamodb.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]
        for table in tables or (instance.memories_table, instance.users_table)
    }


def own(instance: Instance, user: str) -> dict[str, list[dict[str, Any]]]:
    """Return what both tables have under one user."""
    found = items(instance)
    return {name: [item for item in rows if item["pk"]["S"] == partition(UserId(user))] for name, rows in found.items()}


def problem(answer: httpx.Response, slug: str) -> dict[str, Any]:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:recall:problem:{slug}"
    return document


# --- Nothing lies in the clear --------------------------------------------------------------------------------------

STORES_NOTHING = {"recall", "restoreMemory", "rejectProposal", "signOutEverywhere"}
"""Operations whose requests hold nothing that is kept."""


class Canaries:
    """Words that nobody else writes, and the operations by which they were stored."""

    def __init__(self) -> None:
        self.used: dict[str, list[str]] = {}

    def text(self, operation: str) -> str:
        canaries = self.used.setdefault(operation, [])
        canaries.append(f"canary {operation} {len(canaries)} {uuid.uuid4().hex}")
        return canaries[-1]

    def traces(self) -> set[str]:
        """Return the words as they are, in base64 at each offset, in hex, and the hashes of the whole texts."""
        texts = [text for texts in self.used.values() for text in texts]
        found = {text.split()[-1] for text in texts} | {content_hash(text) for text in texts}
        for text in texts:
            word = text.split()[-1].encode()
            found |= {base64.b64encode(b"x" * shift + word)[4:-4].decode() for shift in range(3)} | {word.hex()}
        return found


async def remember_by_mcp(pod: Pod, token: str, text: str) -> None:
    async with connected(pod, token) as client:
        await call(client, "remember", text=text)


def use_everything(pod: Pod, token: str, canaries: Canaries) -> list[str]:
    """Store a canary by every operation that keeps what it is sent; return texts that are to be found again."""
    word = canaries.text
    with pod.client(token) as user:
        texts = [word("createMemory"), word("updateMemory"), word("batchMemories"), word("importMemories")]
        fields = {"tags": [word("createMemory")[:50]], "neverSendTo": [], "occurredAt": "2026-05-01T12:00:00+02:00"}
        kept = user.post("/v1/memories", json={"text": texts[0], **fields}).json()
        first = user.post("/v1/memories", json={"text": word("createMemory")}).json()
        user.patch(f"/v1/memories/{first['id']}", json={"text": texts[1], "tags": [word("updateMemory")[:50]]})
        gone = user.post("/v1/memories/batch", json={"create": [{"text": texts[2]}, {"text": word("batchMemories")}]})
        user.delete(f"/v1/memories/{gone.json()['created'][1]['memory']['id']}")
        assert user.post("/v1/imports", params={"format": "text"}, content=texts[3].encode()).status_code == 200
        fact = f"My aunt lives in {word('acceptProposal')[-32:]}."
        events = ask(user, f"{word('chat')}? {fact}")
        conversation = named(events, "started")[0]["conversationId"]
        proposal = named(events, "proposal")[0]["id"]
        base = f"/v1/conversations/{conversation}"
        assert user.post(f"{base}/proposals/{proposal}/accept").status_code == 201
        assert user.patch(base, json={"title": word("renameConversation")}).json()["title"].startswith("canary")
        asked = {"role": "user", "content": word("createChatCompletion")}
        user.post("/v1/openai/chat/completions", json={"model": "amazon.nova-lite-v1:0", "messages": [asked]})
        name = word("updateAccount")
        assert user.patch("/v1/account", json={"displayName": name}).json()["displayName"] == name
        made = {"name": word("createPersonalToken"), "scopes": ["memories:read", "memories:write"]}
        assert user.post("/v1/account/tokens", json=made).json()["name"] == made["name"]
        assert user.get("/v1/account/tokens").json()["items"][0]["name"] == made["name"]
        texts.append(word("mcp"))
        asyncio.run(remember_by_mcp(pod, token, texts[-1]))
        assert user.get(f"/v1/memories/{kept['id']}").json()["tags"] == fields["tags"]
    return [*texts, fact]


def test_nothing_that_a_user_writes_lies_in_the_tables_whatever_the_route(
    sealed: Instance, pods: list[Pod], token: str, anna: httpx.Client, eventually: Callable[..., Any]
) -> None:
    canaries = Canaries()
    texts = use_everything(pods[0], token, canaries)
    user = anna.get("/v1/account").json()["userId"]
    eventually(lambda: sum(row["sk"]["S"].startswith("VEC#") for row in own(sealed, user)[sealed.memories_table]) == 6)

    document = anna.get("/openapi.json").json()
    writes = {
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in ("post", "put", "patch")
    }
    assert writes - STORES_NOTHING <= set(canaries.used), "a new operation: store a canary by it in this test"

    stored = items(sealed)
    raw = [value for rows in stored.values() for row in rows for value in walk(row)]
    for trace in canaries.traces():
        assert not [value for value in raw if trace in value or trace.encode().hex() in value]
    # Not by their vectors either, and each hash is a fingerprint that no other user's data key makes.
    for text in texts:
        assert titan(sealed, text).hex()[:64] not in "".join(raw)
    # And all of it comes back.
    found = {memory["text"] for memory in anna.get("/v1/memories", params={"limit": 100}).json()["items"]}
    assert found >= set(texts)
    with pods[1].client(token) as elsewhere:
        for text in texts:
            hits = elsewhere.post("/v1/recall", json={"query": text.split()[-1]}).json()["hits"]
            assert hits[0]["memory"]["text"] == text
    everything = anna.get("/v1/account/export").text
    for text in texts:
        assert text in everything


def walk(value: Any) -> Iterator[str]:
    """Yield all names and values of an item; bytes as text, as hex and as base64."""
    match value:
        case dict():
            for name, part in value.items():
                yield str(name)
                yield from walk(part)
        case list():
            for part in value:
                yield from walk(part)
        case bytes():
            yield value.decode("latin-1")
            yield value.hex()
            yield base64.b64encode(value).decode()
        case _:
            yield str(value)


def titan(instance: Instance, text: str) -> bytes:
    """Return the vector of a text as the API would store it without keys."""
    body = json.dumps({"inputText": text, "dimensions": 256, "normalize": True})
    answer = instance.bedrock.client().invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    return to_bytes(np.asarray(json.loads(answer["body"].read())["embedding"], np.float32))


def test_what_is_stored_in_the_clear_is_what_is_listed(sealed: Instance, anna: httpx.Client) -> None:
    anna.post("/v1/memories", json={"text": "A bicycle.", "tags": ["red"], "pinned": True})
    for rows in items(sealed).values():
        for row in rows:
            shape = shape_at(row)
            for name, value in row.items():
                listed = shape.is_clear((name,)) or name in shape.fingerprints or name in shape.parts
                assert listed or value["B"].startswith(b"\x01"), (row["sk"], name)


def test_undo_history_duplicates_and_lists_work_as_ever(anna: httpx.Client) -> None:
    bicycle = anna.post("/v1/memories", json={"text": "The bicycle is blue.", "tags": ["garage"]}).json()
    assert anna.post("/v1/memories", json={"text": "The  bicycle is blue."}).json()["duplicate"] is True
    anna.post("/v1/memories", json={"text": "The tent is green.", "pinned": True})
    assert len(anna.get("/v1/memories", params={"tag": "garage"}).json()["items"]) == 1
    assert len(anna.get("/v1/memories", params={"pinned": True}).json()["items"]) == 1
    path = f"/v1/memories/{bicycle['id']}"
    assert anna.patch(path, json={"text": "The bicycle is red."}).status_code == 200
    assert anna.post("/v1/memories", json={"text": "The bicycle is blue."}).status_code == 201
    history = anna.get(f"{path}/history").json()["items"]
    assert history[0]["before"]["text"] == "The bicycle is blue."
    assert anna.delete(path).status_code == 204
    assert anna.post(f"{path}/restore").json()["text"] == "The bicycle is red."
    again = anna.post("/v1/imports", params={"format": "text"}, content=b"The bicycle is red.").json()
    assert (again["stored"], again["duplicates"]) == (0, 1)


def test_equal_words_of_two_users_look_different(sealed: Instance, anna: httpx.Client, pods: list[Pod]) -> None:
    other = sealed.sign_in(f"user-{uuid.uuid4().hex[:8]}")["access_token"]
    guards = []
    with pods[0].client(other) as ben:
        for user in (anna, ben):
            user.post("/v1/memories", json={"text": "We both said this."})
            rows = own(sealed, user.get("/v1/account").json()["userId"])[sealed.memories_table]
            guards.append(next(row["sk"]["S"] for row in rows if row["sk"]["S"].startswith("HASH#")))
    assert guards[0] != guards[1]


# --- Keys -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def aws(sealed: Instance, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    for name, value in sealed.environment().items():
        monkeypatch.setenv(name, value)
    made = Aws(Settings(), Metrics())
    yield made
    await made.close()


def calls(aws: Aws, operation: str) -> int:
    """Return how often an operation of KMS was called."""
    labels = {"operation": operation, "outcome": "ok"}
    return int(aws._metrics.registry.get_sample_value("recall_aws_calls_total", labels) or 0)


def new_keys(aws: Aws, instance: Instance, **changes: Any) -> UserKeys:
    """Return the keys of a pod that knows none yet."""
    tables = (Table(aws, name) for name in (instance.keys_table, instance.memories_table, instance.users_table))
    options = {"kms_key": instance.kms_key, "table": instance.keys_table, "kept_seconds": 300.0} | changes
    return UserKeys(aws, WrappedKeyRepository(*tables), Metrics(), **options)


async def test_pods_that_make_a_users_key_at_the_same_moment_agree_on_one(aws: Aws, sealed: Instance) -> None:
    user = UserId(f"racer-{uuid.uuid4()}")
    ciphers = await asyncio.gather(*(new_keys(aws, sealed).to_write(user) for _ in range(6)))
    assert len({cipher.fingerprint("same") for cipher in ciphers}) == 1
    stored = items(sealed, sealed.keys_table)[sealed.keys_table]
    assert len([row for row in stored if row[PARTITION_KEY]["S"] == partition(user)]) == 1


async def test_reading_nothing_makes_no_key_and_calls_no_kms(aws: Aws, sealed: Instance) -> None:
    user = UserId(f"reader-{uuid.uuid4()}")
    memories = MemoryRepository(Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table))
    assert await memories.known(user, [content_hash("never said")]) == frozenset()
    assert await memories.get(user, new_memory_id()) is None
    assert calls(aws, "decrypt") == calls(aws, "generate_data_key") == 0


async def test_a_key_is_unwrapped_once_and_forgotten_when_its_time_is_over(aws: Aws, sealed: Instance) -> None:
    user, now = UserId(f"clock-{uuid.uuid4()}"), [0.0]
    await new_keys(aws, sealed).to_write(user)
    keys = new_keys(aws, sealed, clock=lambda: now[0])
    for _ in range(3):
        await asyncio.gather(*(keys.to_read(user) for _ in range(4)))
    assert calls(aws, "decrypt") == 1
    now[0] = 301.0
    await keys.to_read(user)
    assert calls(aws, "decrypt") == 2


async def test_a_users_key_opens_for_that_user_and_that_table_alone(aws: Aws, sealed: Instance) -> None:
    anna, ben = (UserId(f"{name}-{uuid.uuid4()}") for name in ("anna", "ben"))
    await new_keys(aws, sealed).to_write(anna)
    dynamodb = sealed.aws.client("dynamodb")
    key = {PARTITION_KEY: {"S": partition(anna)}, SORT_KEY: {"S": "KEY"}}
    stolen = dynamodb.get_item(TableName=sealed.keys_table, Key=key)["Item"]
    dynamodb.put_item(TableName=sealed.keys_table, Item=stolen | {PARTITION_KEY: {"S": partition(ben)}})
    for keys, user in ((new_keys(aws, sealed), ben), (new_keys(aws, sealed, table="another.keys"), anna)):
        with pytest.raises(Exception, match="InvalidCiphertextException"):
            await keys.to_read(user)


async def test_one_whose_key_was_lost_gets_no_new_one_that_would_hide_it(aws: Aws, sealed: Instance) -> None:
    user = UserId(f"loser-{uuid.uuid4()}")
    storage = SealedStorage(aws, new_keys(aws, sealed))
    made = await MemoryRepository(Table(storage, sealed.memories_table)).create(
        user, new_memory_id(), MemoryContent("Something."), Source.TYPED
    )
    assert made
    key = {PARTITION_KEY: {"S": partition(user)}, SORT_KEY: {"S": "KEY"}}
    sealed.aws.client("dynamodb").delete_item(TableName=sealed.keys_table, Key=key)
    with pytest.raises(UnreadableError):
        await new_keys(aws, sealed).to_write(user)


async def test_snapshots_of_indexes_are_sealed(aws: Aws, sealed: Instance) -> None:
    user = UserId(f"snapshot-{uuid.uuid4()}")
    table = Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table)
    await MemoryRepository(table).create(user, new_memory_id(), MemoryContent("Something."), Source.TYPED)
    snapshot = StoredSnapshot(1, b"packed-words" * 70_000)  # of more than one item
    assert await SnapshotRepository(table, "space").put(user, snapshot)
    rows = own(sealed, user)[sealed.memories_table]
    assert sum(row["sk"]["S"].startswith("SNAPSHOT#") for row in rows) == 4
    assert "packed-words" not in str(rows)
    other = Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table)
    assert await SnapshotRepository(other, "space").get(user) == snapshot


async def test_texts_are_known_again_whatever_dynamodb_leaves_undone(
    sealed: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, door = UserId(f"known-{uuid.uuid4()}"), Door(sealed.aws.endpoint)
    for name, value in sealed.environment(AWS_ENDPOINT_URL_DYNAMODB=door.endpoint).items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(door):
        aws = Aws(Settings(), Metrics())
        memories = MemoryRepository(Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table))
        texts = [f"Note {number}" for number in range(20)]
        await memories.create_many(
            user, [Draft(new_memory_id(), MemoryContent(text), Source.IMPORTED) for text in texts]
        )
        door.arm("half", "BatchGetItem", "HASH#", 4)
        hashes = [content_hash(text) for text in texts]
        assert await memories.known(user, [*hashes, content_hash("never said")]) == frozenset(hashes)
        assert door.left == 0
        await aws.close()


async def test_vectors_of_an_earlier_model_are_found_and_opened(aws: Aws, sealed: Instance) -> None:
    user, memory_id = UserId(f"vectors-{uuid.uuid4()}"), new_memory_id()
    table = Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table)
    written = await MemoryRepository(table).create(user, memory_id, MemoryContent("Something."), Source.TYPED)
    assert isinstance(written, Written)
    stored = StoredVector(memory_id, content_hash("Something."), np.ones(8, np.float32))
    assert await VectorRepository(table, "earlier/8").put_many(user, [stored]) == {memory_id}
    other_text = StoredVector(memory_id, content_hash("Something else."), np.ones(8, np.float32))
    assert not await VectorRepository(table, "earlier/8").put_many(user, [other_text])
    table = Table(SealedStorage(aws, new_keys(aws, sealed)), sealed.memories_table)
    assert await VectorRepository(table, "later/8").spaces(user) == ["earlier/8"]
    (found,) = await VectorRepository(table, "earlier/8").get_many(user, [memory_id])
    assert (found.content_hash, found.vector.tolist()) == (stored.content_hash, [1.0] * 8)


# --- KMS does not answer --------------------------------------------------------------------------------------------


def test_what_kms_refuses_is_said_counted_and_lost_by_nobody(
    sealed: Instance, pods: list[Pod], token: str, eventually: Callable[..., Any]
) -> None:
    pod = pods[1]
    kms, ben = sealed.aws.client("kms"), sealed.sign_in(f"user-{uuid.uuid4().hex[:8]}")["access_token"]
    with pod.client(token) as user, pod.client(ben) as leaving:
        leaving.post("/v1/memories", json={"text": "Said before leaving."})
        kept = user.post("/v1/memories", json={"text": "Said before the outage."}).json()
        user.patch("/v1/account", json={"displayName": "Anna"})
        script = user.post("/v1/account/tokens", json={"name": "script", "scopes": ["memories:read"]}).json()
        kms.disable_key(KeyId=sealed.kms_key)
        try:
            for answer in (
                user.get("/v1/memories"),
                user.post("/v1/memories", json={"text": "Said during it."}),
                user.post("/v1/recall", json={"query": "outage"}),
                user.get("/v1/account"),
            ):
                assert "DisabledException" in problem(answer, "key-unavailable")["detail"]
                assert int(answer.headers["retry-after"]) > 0
            # What protects the user does not wait for KMS, and who wants to leave can.
            assert leaving.delete("/v1/account", params={"confirm": "delete-everything"}).status_code == 202
            eventually(lambda: leaving.get("/v1/account/deletion").json()["state"] == "done", 30)
            assert user.delete(f"/v1/account/tokens/{script['id']}").status_code == 204
            assert httpx.get(f"{pod.url}/health/ready").status_code == 200
            assert 'recall_user_keys_refused_total{reason="DisabledException"}' in pod.metrics()
        finally:
            kms.enable_key(KeyId=sealed.kms_key)
        assert [memory["text"] for memory in user.get("/v1/memories").json()["items"]] == [kept["text"]]
        assert user.post("/v1/memories", json={"text": "Said during it."}).status_code == 201
        assert user.post("/v1/account/sign-out-everywhere").status_code == 204


async def test_kms_that_throttles_is_asked_again_and_one_that_is_away_is_said(
    sealed: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, door = UserId(f"patient-{uuid.uuid4()}"), Door(sealed.aws.endpoint)
    with contextlib.closing(door):
        for endpoint in (door.endpoint, "http://127.0.0.1:1"):
            for name, value in sealed.environment(AWS_ENDPOINT_URL_KMS=endpoint).items():
                monkeypatch.setenv(name, value)
            aws = Aws(Settings(), Metrics())
            if endpoint == door.endpoint:
                door.arm("refuse", "GenerateDataKey", "", 2)
                door.arm("fail", "GenerateDataKey", "", 1)
                assert await new_keys(aws, sealed).to_write(user)
                assert door.left == 0
            else:
                with pytest.raises(ProblemError) as refused:
                    await new_keys(aws, sealed).to_read(user)
                assert (refused.value.status, refused.value.slug) == (503, "key-unavailable")
                assert "does not answer" in str(refused.value.detail)
            await aws.close()


# --- Deletion reaches the backups -----------------------------------------------------------------------------------


def test_after_a_deletion_a_backup_that_is_put_back_can_be_read_by_nobody(
    sealed: Instance, pods: list[Pod], token: str, anna: httpx.Client, eventually: Callable[..., Any]
) -> None:
    """`anna` speaks to the pod that keeps keys; the deletion is asked of the other one."""
    secret = f"the safe's number is {uuid.uuid4().hex}"
    anna.post("/v1/memories", json={"text": secret, "tags": ["safe"]})
    anna.patch("/v1/account", json={"displayName": "Anna"})
    ask(anna, f"Remember that {secret}.")
    user = anna.get("/v1/account").json()["userId"]
    with pods[1].client(token) as elsewhere:
        assert secret in elsewhere.get("/v1/memories").text
        backup = own(sealed, user)

        receipt = elsewhere.delete("/v1/account", params={"confirm": "delete-everything"}).json()
        assert receipt["unreadableSince"] == receipt["startedAt"]
        assert "data key" in " ".join(receipt["remaining"])
        keys = items(sealed, sealed.keys_table)[sealed.keys_table]
        assert partition(UserId(user)) not in {row[PARTITION_KEY]["S"] for row in keys}
        done = eventually(lambda: (found := anna.get("/v1/account/deletion").json())["state"] == "done" and found, 30)
        assert done["counts"]["memories"] == 1
        assert done["backupsUntil"]
        assert done["unreadableSince"] == receipt["startedAt"]

        # The operator restores both tables, and lets the user in again.
        dynamodb = sealed.aws.client("dynamodb")
        for table, rows in backup.items():
            for row in rows:
                dynamodb.put_item(TableName=table, Item=row)
        key = {PARTITION_KEY: {"S": partition(UserId(user))}, SORT_KEY: {"S": "DELETION"}}
        dynamodb.delete_item(TableName=sealed.users_table, Key=key)
        for someone in (anna, elsewhere):
            eventually(lambda someone=someone: someone.get("/v1/account/tokens").status_code == 200)
            for method, path, body in (
                ("GET", "/v1/memories", None),
                ("GET", "/v1/conversations", None),
                ("GET", "/v1/account", None),
                ("POST", "/v1/recall", {"query": "number of the safe"}),
                ("POST", "/v1/memories", {"text": "Something new."}),
            ):
                answer = someone.request(method, path, json=body)
                assert secret not in answer.text
                problem(answer, "unreadable")
            with contextlib.suppress(httpx.HTTPError):
                assert secret not in someone.get("/v1/account/export").text
