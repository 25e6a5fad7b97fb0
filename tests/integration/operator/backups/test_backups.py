"""RecallBackups against the emulated AWS, with the operator's own rights: backed up, lost, restored, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.aws.client import Aws
from recall_operator.backups.controller import BackupReconciler
from recall_operator.platform import AccessFacts
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.part import Clients
from tests.integration.operator.resources.test_parts_on_aws import Operator, account, credentials
from tests.unit.operator.fakes import FakeKubernetes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_operator.kubernetes.client import ObjectKey

ITEM = {"pk": {"S": "USER#1"}, "sk": {"S": "MEM#1"}, "text": {"S": "the first day at school"}}
KEY = {"pk": ITEM["pk"], "sk": ITEM["sk"]}


@pytest.fixture
def operator(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Run an operator that may restore, with the rights that the policy then gives it."""
    facts = account(emulator).model_copy(update={"access": AccessFacts(restores=True)})
    for name, value in credentials(emulator, facts).items():
        monkeypatch.setenv(name, value)
    aws = Aws(facts.aws.region)
    yield Operator(emulator, facts, aws, FakeKubernetes())
    aws.close()


async def back_up(operator: Operator, key: ObjectKey) -> Outcome:
    reconciler = BackupReconciler(operator.facts, Clients(operator.aws, operator.kubernetes))
    for _ in range(10):
        outcome = await reconciler.reconcile(f"{key.namespace}/{key.name}")
        if outcome in (Outcome.SETTLED, Outcome.GONE):
            return outcome
    raise AssertionError(operator.kubernetes.objects[key])


def backups(operator: Operator, role: str) -> list[str]:
    table = f"recall.{operator.facts.cluster.name}.default.old.{role}"
    listed = operator.emulator.client("dynamodb").list_backups(TableName=table)["BackupSummaries"]
    return [item["BackupArn"] for item in listed]


async def test_what_was_backed_up_comes_back_after_its_table_was_deleted(operator: Operator) -> None:
    old = operator.kubernetes.put_instance({"hostname": "old.example.org"}, "old")
    await operator.settle(old)
    dynamodb = operator.emulator.client("dynamodb")
    dynamodb.put_item(TableName=operator.table(old), Item=ITEM)
    backup = operator.kubernetes.put_backup("before", instanceName="old")
    assert await back_up(operator, backup) is Outcome.SETTLED
    assert operator.kubernetes.condition(backup)["status"] == "True", operator.kubernetes.objects[backup]["status"]
    entries = operator.kubernetes.objects[backup]["status"]["tables"]
    assert [item["backupArn"] for item in entries] == [*backups(operator, "memories"), *backups(operator, "users")]

    before = operator.writes()
    assert await back_up(operator, backup) is Outcome.SETTLED
    assert operator.writes() == before

    dynamodb.delete_table(TableName=operator.table(old))
    assert await back_up(operator, backup) is Outcome.SETTLED
    assert operator.kubernetes.condition(backup)["status"] == "True"
    source = {"restoreFrom": {"backup": "before"}}
    # Adopt: unlike AWS, the emulator's DescribeTable does not tell what a table was restored from.
    spec = {"hostname": "new.example.org", "adoption": "Adopt", "tables": {"memories": source, "users": source}}
    new = operator.kubernetes.put_instance(spec, "new")
    await operator.settle(new)
    assert operator.kubernetes.condition(new, "TablesReady")["status"] == "True"
    assert dynamodb.get_item(TableName=operator.table(new), Key=KEY)["Item"] == ITEM


async def test_only_the_own_backups_are_deleted_when_that_was_asked(operator: Operator) -> None:
    old = operator.kubernetes.put_instance({"hostname": "old.example.org"}, "old")
    await operator.settle(old)
    foreign = operator.emulator.client("dynamodb").create_backup(TableName=operator.table(old), BackupName="by-hand")
    kept = operator.kubernetes.put_backup("kept", instanceName="old")
    passing = operator.kubernetes.put_backup("passing", instanceName="old", deletionPolicy="Delete")
    for key in (kept, passing):
        await back_up(operator, key)
        assert operator.kubernetes.condition(key)["status"] == "True"
    assert len(backups(operator, "memories")) == 3
    for key in (kept, passing):
        operator.kubernetes.delete_instance(key)
    assert await back_up(operator, passing) is Outcome.GONE
    assert await back_up(operator, kept) is Outcome.GONE
    left = backups(operator, "memories")
    assert foreign["BackupDetails"]["BackupArn"] in left
    assert (len(left), len(backups(operator, "users"))) == (2, 1)


async def test_backups_of_a_table_that_the_spec_names_are_not_the_operators_to_delete(operator: Operator) -> None:
    name = f"family-{operator.facts.cluster.name}"
    spec = {"hostname": "old.example.org", "tables": {"memories": {"name": name}}}
    await operator.settle(operator.kubernetes.put_instance(spec, "old"))
    key = operator.kubernetes.put_backup(instanceName="old", tables=["memories"], deletionPolicy="Delete")
    await back_up(operator, key)
    operator.kubernetes.delete_instance(key)
    reconciler = BackupReconciler(operator.facts, Clients(operator.aws, operator.kubernetes))
    assert await reconciler.reconcile("default/before") is Outcome.FAILED
    stalled = operator.kubernetes.condition(key, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "AccessDenied")
    operator.kubernetes.put_backup(instanceName="old", tables=["memories"], deletionPolicy="Retain")
    assert await back_up(operator, key) is Outcome.GONE
    assert len(operator.emulator.client("dynamodb").list_backups(TableName=name)["BackupSummaries"]) == 1
