"""What a spec chooses of the tables, against the emulated AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.aws.client import Aws
from recall_operator.platform import AccessFacts
from recall_operator.reconcile.rhythm import Outcome
from tests.integration.operator.resources.test_parts_on_aws import Operator, account, credentials
from tests.unit.operator.fakes import FakeKubernetes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def operator(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Run an operator that may restore, with the rights that the policy then gives it."""
    facts = account(emulator).model_copy(update={"access": AccessFacts(restores=True)})
    for name, value in credentials(emulator, facts).items():
        monkeypatch.setenv(name, value)
    aws = Aws(facts.aws.region)
    yield Operator(emulator, facts, aws, FakeKubernetes())
    aws.close()


PROVISIONED = {"mode": "Provisioned", "readCapacity": 5, "writeCapacity": 6}


async def test_tables_come_back_from_a_backup_provisioned_and_tagged(operator: Operator) -> None:
    key = operator.kubernetes.put_instance({"hostname": "old.example.org"}, "old")
    await operator.settle(key)
    dynamodb = operator.emulator.client("dynamodb")
    item = {"pk": {"S": "USER#1"}, "sk": {"S": "MEM#1"}}
    dynamodb.put_item(TableName=operator.table(key), Item=item)
    backup = dynamodb.create_backup(TableName=operator.table(key), BackupName="before")["BackupDetails"]["BackupArn"]
    tables: dict[str, Any] = {
        "tags": {"cost-centre": "7"},
        "memories": {"restoreFrom": {"backupArn": backup}},
        "users": {"restoreFrom": {"pointInTime": {"sourceTable": operator.table(key, "users")}}},
    }
    # Adopt: unlike AWS, the emulator's DescribeTable does not tell what a table was restored from.
    spec = {"hostname": "new.example.org", "adoption": "Adopt", "tables": tables}
    new = operator.kubernetes.put_instance(spec, "new")
    await operator.settle(new)
    # Not with the restore: the emulator takes no other capacity than the source's.
    tables["billing"] = PROVISIONED
    operator.kubernetes.put_instance(spec, "new")
    await operator.settle(new)
    assert operator.kubernetes.condition(new, "TablesReady")["status"] == "True"
    assert dynamodb.get_item(TableName=operator.table(new), Key=item)["Item"] == item
    table = dynamodb.describe_table(TableName=operator.table(new))["Table"]
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert {"Key": "cost-centre", "Value": "7"} in tags
    before = operator.writes()
    assert await operator.once(new) is Outcome.SETTLED
    assert operator.writes() == before
