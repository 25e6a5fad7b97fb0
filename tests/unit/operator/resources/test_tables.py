"""Tables: how they are paid, encrypted and tagged, and how they are filled when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.tables_spec import RestoreFrom
from recall_operator.resources.table_settings import restored_from
from tests.unit.operator.fakes import Crashed, World

HOST = {"hostname": "beta.example.org"}
MEMORIES = "recall.test.default.beta.memories"
BACKUP = "arn:aws:dynamodb:eu-west-1:000000000000:table/old/backup/01-a"
KEY = "arn:aws:kms:eu-west-1:000000000000:key/k1"
PROVISIONED = {"billing": {"mode": "Provisioned", "readCapacity": 5, "writeCapacity": 6}}


async def made(world: World, **tables: Any) -> ObjectKey:
    key = world.kubernetes.put_instance(HOST | {"tables": tables})
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"
    return key


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_tables_are_paid_encrypted_and_tagged_as_asked(from_the_start: bool) -> None:
    world = World()
    if not from_the_start:
        await made(world)
    await made(world, **PROVISIONED, kmsKeyArn=KEY, tags={"cost-centre": "7"})
    table = world.aws.tables[MEMORIES]
    assert table["BillingMode"] == "PROVISIONED"
    assert table["ProvisionedThroughput"] == {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    assert table["SSESpecification"]["KMSMasterKeyId"] == KEY
    assert table["tags"]["cost-centre"] == "7"
    assert table["tags"]["recall.kug.la/name"] == "beta"


async def test_what_is_taken_out_of_the_spec_stays_as_it_is() -> None:
    world = World()
    await made(world, **PROVISIONED, kmsKeyArn=KEY, tags={"cost-centre": "7"}, deletionProtection=True)
    before = world.aws.state()
    await made(world)
    assert world.aws.state() == before


async def test_the_tables_come_back_from_a_backup_and_from_a_point_in_time() -> None:
    world = World()
    at = {"sourceTable": "old-users", "at": "2026-05-01T12:00:00Z"}
    await made(world, memories={"restoreFrom": {"backupArn": BACKUP}}, users={"restoreFrom": {"pointInTime": at}})
    assert ("dynamodb", "create_table") not in world.aws.calls
    for table in world.aws.tables.values():
        assert table["recovery"]
        assert table["expiry"] == "expiresAt"
        assert table["tags"]["recall.kug.la/name"] == "beta"


async def test_a_crash_right_after_the_restore_finds_its_own_work() -> None:
    world = World()
    crash = True

    def after(operation: str) -> None:
        nonlocal crash
        if operation == "restore_table_from_backup" and crash:
            crash = False
            raise Crashed

    world.aws.after = after
    source = {"restoreFrom": {"backupArn": BACKUP}}
    key = world.kubernetes.put_instance(HOST | {"tables": {"memories": source}})
    with pytest.raises(Crashed):
        await world.settle(key)
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"
    assert len(world.aws.tables) == 2


async def test_a_table_without_tags_that_came_from_elsewhere_is_refused() -> None:
    world = World()
    await world.aws.call(
        "dynamodb",
        "restore_table_from_backup",
        TargetTableName=MEMORIES,
        BackupArn=BACKUP + "b",
        BillingModeOverride="PAY_PER_REQUEST",
    )
    key = world.kubernetes.put_instance(HOST | {"tables": {"memories": {"restoreFrom": {"backupArn": BACKUP}}}})
    await world.settle(key)
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "NotOwned"
    assert world.aws.tables[MEMORIES]["tags"] == {}


def test_a_table_restored_to_another_moment_is_not_ours() -> None:
    source = RestoreFrom.model_validate({"pointInTime": {"sourceTable": "old", "at": "2026-05-01T12:00:00Z"}})
    arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/old"
    assert restored_from(source, {"SourceTableArn": arn, "RestoreDateTime": source.moment})
    assert not restored_from(source, {"SourceTableArn": arn, "RestoreDateTime": None})
    assert not restored_from(source, {"SourceTableArn": arn + "er", "RestoreDateTime": source.moment})
    assert not restored_from(None, {"SourceTableArn": arn})


def backed_up(world: World, state: str = "True", tables: tuple[str, ...] = ("memories", "users")) -> None:
    key = world.kubernetes.put_backup("before", tables=list(tables))
    entries = [{"table": role, "backupArn": BACKUP.replace("old", f"old-{role}")} for role in tables]
    condition = {"type": "Ready", "status": state, "message": "Backup x is gone from AWS."}
    world.kubernetes.objects[key]["status"] = {"conditions": [condition], "tables": entries}


FROM_BACKUP = {role: {"restoreFrom": {"backup": "before"}} for role in ("memories", "users")}


async def test_the_tables_come_back_from_a_recall_backup_by_its_name() -> None:
    world = World()
    backed_up(world)
    key = await made(world, **FROM_BACKUP)
    assert ("dynamodb", "create_table") not in world.aws.calls
    for role in ("memories", "users"):
        summary = world.aws.tables[f"recall.test.default.beta.{role}"]["RestoreSummary"]
        assert summary["SourceBackupArn"] == BACKUP.replace("old", f"old-{role}")
    # Filled and marked, the table needs the backup no more.
    world.kubernetes.objects.pop(ObjectKey(BACKUP_KIND, "default", "before"))
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "BackupNotFound"),
        ("users only", "BackupNotFound"),
        ("False", "BackupNotReady"),
        ("Unknown", "Progressing"),
    ],
)
async def test_no_table_is_made_empty_while_its_backup_is_missing(state: str | None, reason: str) -> None:
    world = World()
    if state == "users only":
        backed_up(world, tables=("users",))
    elif state:
        backed_up(world, state)
    key = world.kubernetes.put_instance(HOST | {"tables": {"memories": {"restoreFrom": {"backup": "before"}}}})
    for _ in range(4):
        await world.once(key)
    assert MEMORIES not in world.aws.tables
    assert world.kubernetes.condition(key)["reason"] == reason
    message = world.kubernetes.condition(key, "TablesReady")["message"]
    assert message.startswith("spec.tables.memories.restoreFrom.backup: ")
    backed_up(world)
    world.kubernetes.objects[ObjectKey(BACKUP_KIND, "default", "before")]["spec"]["tables"] = ["memories", "users"]
    await world.settle(key)
    assert world.aws.tables[MEMORIES]["RestoreSummary"]
