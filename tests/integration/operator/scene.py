"""An instance on the emulated AWS, and all that people can do to its things behind the operator's back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.ownership import CLUSTER_TAG, NAME_TAG, NAMESPACE_TAG, UID_TAG
from tests.integration.operator.resources.test_parts_on_aws import Operator
from tests.unit.operator.fakes import FakeKubernetes

if TYPE_CHECKING:
    from recall_operator.aws.client import Aws
    from recall_operator.platform import Platform
    from recall_operator.reconcile.rhythm import Outcome

ITEM = {"pk": {"S": "USER#1"}, "sk": {"S": "MEM#1"}}
ANOTHER = {CLUSTER_TAG: "elsewhere", NAMESPACE_TAG: "default", NAME_TAG: "other", UID_TAG: "uid-of-another"}
_numbers = itertools.count(1)


class Scene:
    """An instance, and all that people can do to its things behind the operator's back."""

    def __init__(self, emulator: Any, facts: Platform, aws: Aws) -> None:
        self.name = f"scene{next(_numbers)}"
        self.host = f"{self.name}.example.org"
        self.operator = Operator(emulator, facts, aws, FakeKubernetes())
        self.kubernetes = self.operator.kubernetes
        self.facts = facts
        self.key = ObjectKey("RecallInstance", "default", self.name)
        self.dynamodb, self.iam, self.eks, self.cognito, self.route53 = (
            emulator.client(name) for name in ("dynamodb", "iam", "eks", "cognito-idp", "route53")
        )
        self.table = self.operator.table(self.key)
        self.role = f"recall.{facts.cluster.name}.default.{self.name}"

    async def apply(self, **spec: Any) -> None:
        self.kubernetes.put_instance({"hostname": self.host} | spec, self.name)
        # A uid of its own in the account that the tests share.
        live = self.kubernetes.objects[self.key]["metadata"]
        live["uid"] = live["uid"] if live["uid"].endswith(self.name) else f"{live['uid']}-{self.name}"
        await self.operator.settle(self.key)

    async def try_and_fail(self) -> Outcome:
        """Apply a manifest that can't become ready, make some passes, and return how the last one ended."""
        self.kubernetes.put_instance({"hostname": self.host}, self.name)
        return [await self.operator.once(self.key) for _ in range(6)][-1]

    async def settle(self) -> None:
        await self.operator.settle(self.key)

    async def delete(self) -> Outcome:
        self.kubernetes.delete_instance(self.key)
        return await self.operator.settle(self.key)

    def condition(self, kind: str = "Ready") -> dict[str, Any]:
        return self.kubernetes.condition(self.key, kind)

    def is_ready(self) -> bool:
        return bool(self.condition()["status"] == "True")

    def remember(self) -> None:
        self.dynamodb.put_item(TableName=self.table, Item=ITEM)

    def still_remembers(self) -> bool:
        return bool(self.dynamodb.get_item(TableName=self.table, Key=ITEM).get("Item") == ITEM)

    def clients(self) -> list[dict[str, Any]]:
        return [item for item in self.operator.clients() if item["ClientName"].startswith(f"{self.role}@")]

    def association(self) -> dict[str, Any]:
        (found,) = self.associations()
        answer = self.eks.describe_pod_identity_association(
            clusterName=self.facts.cluster.name, associationId=found["associationId"]
        )
        described: dict[str, Any] = answer["association"]
        return described

    def associations(self) -> list[dict[str, Any]]:
        return [item for item in self.operator.associations() if item["serviceAccount"] == f"{self.name}-api"]

    def records(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {key: record for key, record in self.operator.records().items() if key[0].endswith(self.host)}

    def change_record(self, action: str, record: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.facts.dns.hosted_zone_id, ChangeBatch=batch)

    def tags(self, name: str | None = None) -> dict[str, str]:
        arn = self.dynamodb.describe_table(TableName=name or self.table)["Table"]["TableArn"]
        listed = self.dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in listed}

    def make_table(self, tags: dict[str, str], key: str = "pk") -> None:
        keys = [("pk", "HASH"), ("sk", "RANGE")] if key == "pk" else [(key, "HASH")]
        self.dynamodb.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            BillingMode="PAY_PER_REQUEST",
            Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
        )

    def object(self, kind: str) -> dict[str, Any]:
        return self.kubernetes.objects[ObjectKey(kind, "default", f"{self.name}-api")]
