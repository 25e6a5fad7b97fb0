"""Lives of instances that lead to every action of the operator, as short as can be.

A new part of an instance, or a new grant, needs a life here that comes to use it: add to one of these, or a new one to
`LIVES`. What happens behind the operator's back is done with the account's root key.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws.inventory import Inventory
from recall_operator.aws.record_batches import RecordBatches
from recall_operator.backups.controller import BackupReconciler
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.part import Clients
from tests.unit.operator.fakes import FakeKubernetes

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey
    from recall_operator.platform import Platform
    from tests.privilege.door import Door

_MOST_PASSES = 25


@dataclass
class Stage:
    """Where a life is lived: real requests to the emulated AWS, Kubernetes in memory, names of its own."""

    emulator: Any
    facts: Platform
    door: Door
    name: str

    def __post_init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.restart()

    def restart(self) -> None:
        """Go on as an operator that remembers nothing, and so sees what changed behind it."""
        aws = Inventory(RecordBatches(self.door, linger_seconds=0), self.facts.cluster.name)
        self._reconciler = Reconciler(self.facts, Clients(aws, self.kubernetes))

    def root(self, service: str) -> Any:
        """Return a client of the account's root."""
        return self.emulator.client(service)

    @property
    def role(self) -> str:
        return f"recall.{self.facts.cluster.name}.default.{self.name}"

    def table(self, role: str = "memories") -> str:
        return f"recall.{self.facts.cluster.name}.default.{self.name}.{role}"

    def association(self) -> dict[str, Any]:
        """Return the association of the instance's service account."""
        listed = self.root("eks").list_pod_identity_associations(
            clusterName=self.facts.cluster.name, serviceAccount=f"{self.name}-api"
        )
        found: dict[str, Any] = listed["associations"][0]
        return found

    async def keep(self, **spec: Any) -> ObjectKey:
        """Apply a manifest and wait until it is true."""
        key = self.kubernetes.put_instance({"hostname": f"{self.name}.example.org"} | spec, self.name)
        await self.settle()
        condition = self.kubernetes.condition(key)
        assert condition["status"] == "True", self.kubernetes.objects[key]["status"]
        return key

    async def delete(self, key: ObjectKey) -> None:
        """Delete the instance and wait until it is gone."""
        self.kubernetes.delete_instance(key)
        assert await self.settle() is Outcome.GONE

    async def settle(self) -> Outcome:
        """Make passes until nothing is left to do, or AWS refuses something."""
        for _ in range(_MOST_PASSES):
            outcome = await self.once()
            if outcome in (Outcome.SETTLED, Outcome.GONE):
                return outcome
        raise AssertionError(f"not settled after {_MOST_PASSES} passes: {self.kubernetes.objects}")

    async def once(self) -> Outcome:
        """Make one pass."""
        outcome = await self._reconciler.reconcile(f"default/{self.name}")
        self.door.check()
        return outcome


Life = Callable[[Stage], Awaitable[None]]


async def made_released_and_adopted(stage: Stage) -> None:
    """From the first table to the last: made, looked at, deleted with its tables kept; adopted, deleted for good."""
    key = await stage.keep(tables={"deletionProtection": True, "tags": {"cost-centre": "7"}})
    stage.restart()
    assert await stage.once() is Outcome.SETTLED  # From the lists that all instances share.
    await stage.delete(key)
    key = await stage.keep(adoption="Adopt", deletionPolicy={"tables": "Delete"})
    await stage.delete(key)


async def mended(stage: Stage) -> None:
    """Everything that can be changed behind the operator is."""
    await stage.keep()
    iam, eks, cluster = stage.root("iam"), stage.root("eks"), stage.facts.cluster.name
    iam.untag_role(RoleName=stage.role, TagKeys=["recall.kug.la/name"])
    nobody = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.update_assume_role_policy(RoleName=stage.role, PolicyDocument=nobody)
    other = "arn:aws:iam::000000000000:role/other"
    found = stage.association()["associationId"]
    eks.update_pod_identity_association(clusterName=cluster, associationId=found, roleArn=other)
    stage.restart()
    await stage.keep(signIn={"accessTokenMinutes": 17})


async def encrypted(stage: Stage) -> None:
    """Tables with a key of the customer's, and a data key for each user; their table's backups are switched off."""
    key = stage.root("kms").create_key()["KeyMetadata"]["Arn"]
    await stage.keep(tables={"kmsKeyArn": key}, encryption={"perUserKeys": {"kmsKeyArn": key}})
    recovery = {"PointInTimeRecoveryEnabled": True}
    stage.root("dynamodb").update_continuous_backups(
        TableName=stage.table("keys"), PointInTimeRecoverySpecification=recovery
    )
    stage.restart()
    await stage.keep(
        tables={"kmsKeyArn": key}, encryption={"perUserKeys": {"kmsKeyArn": key}}, signIn={"accessTokenMinutes": 17}
    )
    backups = stage.root("dynamodb").describe_continuous_backups(TableName=stage.table("keys"))
    status = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert status == "DISABLED"


async def restored(stage: Stage) -> None:
    """One table from a backup, the other from a moment of another table."""
    dynamodb = stage.root("dynamodb")
    sources = {role: f"old-{stage.table(role)}" for role in ("memories", "users")}
    for source in sources.values():
        dynamodb.create_table(
            TableName=source,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        )
    recovery = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=sources["users"], PointInTimeRecoverySpecification=recovery)
    backup = dynamodb.create_backup(TableName=sources["memories"], BackupName="before")["BackupDetails"]["BackupArn"]
    tables = {
        "memories": {"restoreFrom": {"backupArn": backup}},
        "users": {"restoreFrom": {"pointInTime": {"sourceTable": sources["users"]}}},
    }
    # Adopt: unlike AWS, the emulator's DescribeTable does not tell what a table was restored from.
    await stage.keep(adoption="Adopt", tables=tables)


async def backed_up(stage: Stage) -> None:
    """Both tables backed up, and the backups deleted again."""
    await stage.keep()
    backup = stage.kubernetes.put_backup("before", instanceName=stage.name, deletionPolicy="Delete")
    backups = BackupReconciler(stage.facts, Clients(stage.door, stage.kubernetes))
    for wanted in (Outcome.SETTLED, Outcome.GONE):
        for _ in range(_MOST_PASSES):
            outcome = await backups.reconcile("default/before")
            stage.door.check()
            if outcome is wanted:
                break
        if wanted is Outcome.SETTLED:
            assert stage.kubernetes.condition(backup)["status"] == "True", stage.kubernetes.objects[backup]["status"]
            stage.kubernetes.delete_instance(backup)
    assert backup not in stage.kubernetes.objects


async def bounded_late(stage: Stage) -> None:
    """A role that was made before there was a permissions boundary gets it."""
    await stage.keep()
    stage.root("iam").delete_role_permissions_boundary(RoleName=stage.role)
    stage.restart()
    await stage.keep(signIn={"accessTokenMinutes": 17})


async def certified(stage: Stage) -> None:
    """A certificate of the instance's own: requested, kept when the instance goes, adopted, deleted."""
    key = await stage.keep(certificate={"mode": "ACM"}, deletionPolicy={"certificate": "Retain"})
    await stage.delete(key)
    key = await stage.keep(certificate={"mode": "ACM"}, adoption="Adopt")
    await stage.delete(key)


async def guarded_and_branded(stage: Stage) -> None:
    """A guardrail made, mended, kept, adopted and deleted, and a look of the sign-in pages made and changed."""
    looks: list[dict[str, Any]] = [{"useCognitoProvidedValues": True}, {"settings": {"categories": {}}}]
    guardrail = {"guardrail": {"policy": {"words": ["abracadabra"]}}}
    keep = {"deletionPolicy": {"guardrail": "Retain", "tables": "Delete"}}
    key = await stage.keep(models=guardrail, signIn={"branding": looks[0]}, **keep)
    bedrock = stage.root("bedrock")
    mine = next(item for item in bedrock.list_guardrails()["guardrails"] if f"_{stage.name}_" in item["name"])
    messages = dict.fromkeys(("blockedInputMessaging", "blockedOutputsMessaging"), "other")
    bedrock.update_guardrail(guardrailIdentifier=mine["id"], name=mine["name"], **messages)
    await stage.keep(models=guardrail, signIn={"branding": looks[1]}, **keep)
    await stage.delete(key)
    key = await stage.keep(models=guardrail, adoption="Adopt")
    await stage.delete(key)


LIVES: Final[dict[str, Life]] = {
    life.__name__: life
    for life in (
        made_released_and_adopted,
        mended,
        encrypted,
        restored,
        backed_up,
        bounded_late,
        guarded_and_branded,
        certified,
    )
}
