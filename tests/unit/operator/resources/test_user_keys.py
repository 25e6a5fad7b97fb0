"""Users' data keys: a third table that is never backed up and never made anew for data that others sealed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recall_api import contract
from recall_operator.models.backup import RecallBackupSpec
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.part import Subject
from tests.unit.operator.fakes import World, platform

HOST = {"hostname": "beta.example.org"}
KMS_KEY = "arn:aws:kms:eu-west-1:000000000000:key/k1"
KEYED = HOST | {"encryption": {"perUserKeys": {"kmsKeyArn": KMS_KEY}}}
TABLES = {role: f"recall.test.default.beta.{role}" for role in ("memories", "users", "keys")}
BACKUP = "arn:aws:dynamodb:eu-west-1:000000000000:table/old/backup/01-a"


async def settled(world: World, spec: dict[str, Any], name: str = "beta", status: str = "True") -> Any:
    key = world.kubernetes.put_instance(spec, name)
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == status, world.kubernetes.objects[key]["status"]
    return key


async def test_an_instance_without_keys_has_two_tables() -> None:
    world = World()
    await settled(world, HOST)
    assert set(world.aws.tables) == {TABLES["memories"], TABLES["users"]}


async def test_the_keys_table_is_protected_and_has_no_backups() -> None:
    world = World()
    provisioned = {"billing": {"mode": "Provisioned", "readCapacity": 5, "writeCapacity": 6}}
    key = await settled(world, KEYED | {"tables": provisioned})
    table = world.aws.tables[TABLES["keys"]]
    assert table["DeletionProtectionEnabled"] is True
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert not table["recovery"]
    assert table["tags"]["recall.kug.la/name"] == "beta"
    assert world.aws.tables[TABLES["memories"]]["recovery"]
    assert world.kubernetes.condition(key, "TablesReady")["message"] == "All three tables are active."


async def test_a_backup_of_the_keys_that_somebody_switched_on_is_switched_off() -> None:
    world = World()
    key = await settled(world, KEYED)
    world.aws.tables[TABLES["keys"]]["recovery"] = True
    await world.settle(key)
    assert not world.aws.tables[TABLES["keys"]]["recovery"]


def test_a_recall_backup_can_not_name_the_keys() -> None:
    with pytest.raises(ValueError, match="tables"):
        RecallBackupSpec.model_validate({"instanceName": "beta", "tables": ["keys"]})


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_the_keys_share_the_fate_of_the_other_tables(policy: str) -> None:
    world = World()
    key = await settled(world, KEYED | {"deletionPolicy": {"tables": policy}})
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert set(world.aws.tables) == (set() if policy == "Delete" else set(TABLES.values()))
    assert all("recall.kug.la/released" in table["tags"] for table in world.aws.tables.values())
    if policy == "Retain":
        await settled(world, KEYED | {"adoption": "Adopt"})
        assert len(world.aws.tables) == 3


async def test_a_restored_instance_takes_the_keys_over() -> None:
    world = World()
    key = await settled(world, KEYED)
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    restored = {"memories": {"restoreFrom": {"backupArn": BACKUP}}, "keys": {"name": TABLES["keys"]}}
    await settled(world, KEYED | {"tables": restored, "adoption": "Adopt"}, "beta2")
    assert world.aws.tables[TABLES["keys"]]["tags"]["recall.kug.la/name"] == "beta2"


async def test_keys_of_a_living_instance_are_not_taken_over() -> None:
    world = World()
    await settled(world, KEYED)
    restored = {"memories": {"restoreFrom": {"backupArn": BACKUP}}, "keys": {"name": TABLES["keys"]}}
    key = await settled(world, KEYED | {"tables": restored, "adoption": "Adopt"}, "beta2", "False")
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "NotOwned"
    assert world.aws.tables[TABLES["keys"]]["tags"]["recall.kug.la/name"] == "beta"


async def test_sealed_data_without_its_keys_is_not_restored() -> None:
    world = World()
    restored = {"memories": {"restoreFrom": {"backupArn": BACKUP}}, "keys": {"name": "lost.keys"}}
    key = await settled(world, KEYED | {"tables": restored}, status="False")
    condition = world.kubernetes.condition(key, "TablesReady")
    assert condition["reason"] == "KeysNotFound"
    assert "lost.keys" in condition["message"]
    assert not world.aws.tables


async def test_sealed_data_without_its_keys_is_not_adopted() -> None:
    world = World()
    key = await settled(world, KEYED)
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    del world.aws.tables[TABLES["keys"]]
    before = json.dumps(world.aws.tables, default=str)
    key = await settled(world, KEYED | {"adoption": "Adopt"}, status="False")
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "KeysNotFound"
    assert json.dumps(world.aws.tables, default=str) == before


async def released(world: World, spec: dict[str, Any]) -> None:
    key = await settled(world, spec)
    world.kubernetes.delete_instance(key)
    await world.settle(key)


async def test_sealed_data_is_not_adopted_by_who_reads_it_in_the_clear() -> None:
    world = World()
    await released(world, KEYED)
    key = await settled(world, HOST | {"adoption": "Adopt"}, status="False")
    condition = world.kubernetes.condition(key, "TablesReady")
    assert condition["reason"] == "SealedByOtherKeys"
    assert TABLES["keys"] in condition["message"]
    assert all("recall.kug.la/released" in table["tags"] for table in world.aws.tables.values())


async def test_data_in_the_clear_is_not_adopted_by_who_reads_it_sealed() -> None:
    world = World()
    await released(world, HOST)
    key = await settled(world, KEYED | {"adoption": "Adopt"}, status="False")
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "NotSealed"
    assert set(world.aws.tables) == {TABLES["memories"], TABLES["users"]}


async def test_a_kms_key_of_another_region_is_refused_before_anything_is_made() -> None:
    world = World()
    far = {"encryption": {"perUserKeys": {"kmsKeyArn": KMS_KEY.replace("eu-west-1", "us-east-1")}}}
    key = await settled(world, HOST | far, status="False")
    condition = world.kubernetes.condition(key, "TablesReady")
    assert condition["reason"] == "KmsKeyElsewhere"
    assert "us-east-1" in condition["message"]
    assert not world.aws.tables


def policy(**spec: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "beta", "namespace": "default", "uid": "u", "generation": 1}
    instance = RecallInstance.model_validate({"metadata": metadata, "spec": HOST | spec})
    return access_policy(Subject(instance, platform(), Owner("test", "default", "beta", "u")), {})


def test_the_api_may_use_the_kms_key_for_this_instances_users_only() -> None:
    statements = {item["Sid"]: item for item in policy(encryption=KEYED["encryption"])["Statement"]}
    assert statements["Keys"]["Action"] == list(contract.KEYS_TABLE_ACTIONS)
    assert statements["UserKeys"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statements["UserKeys"]["Resource"] == [KMS_KEY]
    assert statements["UserKeys"]["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:recall:keys-table": TABLES["keys"]},
        "Null": {"kms:EncryptionContext:recall:user": "false"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["recall:keys-table", "recall:user"]},
    }
    assert KMS_KEY not in json.dumps(policy())
    assert set(statements) - {item["Sid"] for item in policy()["Statement"]} == {"Keys", "UsersWithKeys", "UserKeys"}
