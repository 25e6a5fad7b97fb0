"""States that no manifest foresees and that the emulated AWS can't take: in memory, in AWS's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.ownership import UID_TAG
from recall_operator.reconcile.rhythm import Outcome
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey

TABLE = "recall.test.default.beta.memories"
HOST: dict[str, Any] = {"hostname": "beta.example.org", "deletionPolicy": {"tables": "Delete"}}
MEMORIES = ["a memory"]


async def made(**spec: Any) -> tuple[World, ObjectKey]:
    world = World()
    key = world.kubernetes.put_instance(HOST | spec)
    await world.settle(key)
    world.aws.tables[TABLE]["items"] = MEMORIES
    return world, key


def restored_by_hand(world: World, state: str) -> None:
    """Put a table of the instance's name there as AWS restores it: without tags."""
    source = {"SourceTableArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/old"}
    world.aws._restored(TABLE, source, {"BillingModeOverride": "PAY_PER_REQUEST"}, MEMORIES)
    world.aws.tables[TABLE]["TableStatus"] = state


@pytest.mark.parametrize("state", ["INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVING", "ARCHIVED"])
async def test_a_table_whose_key_is_gone_is_reported_with_a_way_out(state: str) -> None:
    world, key = await made()
    world.aws.tables[TABLE]["TableStatus"] = state
    world.forget_writes()
    assert await world.settle(key) is Outcome.SETTLED
    assert world.aws.writes == []
    stalled = world.kubernetes.condition(key, "Stalled")
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "TableUnusable"
    assert state in stalled["message"]
    assert "KMS key" in stalled["message"]
    world.aws.tables[TABLE]["TableStatus"] = "ACTIVE"
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_a_table_encrypted_with_the_key_of_another_account_by_hand_stays_so() -> None:
    """spec.tables.kmsKeyArn is absent: which key encrypts is not managed."""
    world, key = await made()
    theirs = "arn:aws:kms:eu-west-1:999999999999:key/1"
    world.aws.tables[TABLE]["SSESpecification"] = {"KMSMasterKeyId": theirs}
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []
    assert world.kubernetes.condition(key)["status"] == "True"


@pytest.mark.parametrize("state", ["CREATING", "ACTIVE"])
async def test_a_table_that_is_restored_by_hand_is_reported_and_kept_until_it_may_be_adopted(state: str) -> None:
    world = World()
    restored_by_hand(world, state)
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "NotOwned"
    assert "spec.adoption" in world.kubernetes.condition(key, "Stalled")["message"]
    world.kubernetes.delete_instance(key)
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.tables[TABLE]["items"] == MEMORIES

    key = world.kubernetes.put_instance(HOST | {"adoption": "Adopt"})
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"
    assert world.aws.tables[TABLE]["items"] == MEMORIES
    assert world.aws.tables[TABLE]["tags"][UID_TAG] == world.kubernetes.objects[key]["metadata"]["uid"]


async def test_an_instance_deleted_while_its_table_is_being_restored_leaves_none() -> None:
    world = World()
    backup = "arn:aws:dynamodb:eu-west-1:000000000000:table/old/backup/01489602797149-73d8d5bc"
    key = world.kubernetes.put_instance(HOST | {"tables": {"memories": {"restoreFrom": {"backupArn": backup}}}})
    await world.once(key)
    assert world.aws.tables[TABLE]["tags"] == {}
    world.kubernetes.delete_instance(key)
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.tables == {}


async def test_a_client_that_was_given_a_secret_is_reported_and_its_secret_shown_nowhere() -> None:
    world, key = await made()
    (client_id,) = world.aws.clients
    world.aws.clients[client_id]["ClientSecret"] = "hush"
    world.forget_writes()
    await world.settle(key)
    assert world.aws.writes == []
    assert world.kubernetes.condition(key, "IdentityReady")["reason"] == "HasSecret"
    assert client_id in world.kubernetes.condition(key, "Stalled")["message"]
    assert "hush" not in str(world.kubernetes.objects)
    del world.aws.clients[client_id]
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_records_written_in_other_case_are_the_same_records() -> None:
    world, key = await made()
    for record in world.aws.records.values():
        record["Name"] = record["Name"].upper()
        if "AliasTarget" in record:
            record["AliasTarget"]["DNSName"] = record["AliasTarget"]["DNSName"].upper()
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_a_name_that_was_split_by_weights_is_made_one_again() -> None:
    world, key = await made()
    before = dict(world.aws.records)
    alias = world.aws.records.pop(("beta.example.org", "A"))
    for half in ("one", "two"):
        world.aws.records["beta.example.org", f"A {half}"] = alias | {"SetIdentifier": half, "Weight": 50}
    await world.settle(key)
    assert world.aws.records == before
