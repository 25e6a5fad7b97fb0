"""The parts against an emulated AWS that enforces IAM, with no more rights than the operator's own policy."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from recall_local.aws.conditions import evaluable
from recall_operator.aws.client import Aws
from recall_operator.permissions.operator_policy import policy_document
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.part import Clients
from tests.unit.operator.fakes import FakeKubernetes, platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_operator.aws.client import AwsCaller
    from recall_operator.kubernetes.client import ObjectKey
    from recall_operator.platform import Platform

ANYBODY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
STS_ONLY = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}


def document(policy: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17"} | policy)


def account(emulator: Any, **aws: Any) -> Platform:
    """Make what the CDK app makes once per account, under names of this test's own; `aws` is said of it besides."""
    unique = uuid.uuid4().hex[:8]
    pool = emulator.client("cognito-idp").create_user_pool(PoolName=unique)["UserPool"]["Id"]
    zone = emulator.client("route53").create_hosted_zone(Name="example.org", CallerReference=unique)["HostedZone"]["Id"]
    role = emulator.client("iam").create_role(RoleName=f"eks-{unique}", AssumeRolePolicyDocument=document(ANYBODY))
    emulator.client("eks").create_cluster(name=unique, roleArn=role["Role"]["Arn"], resourcesVpcConfig={})
    known = platform().model_dump(by_alias=True)
    return platform(
        cluster={"name": unique},
        aws=known["aws"] | aws,
        dns={"hostedZoneId": zone.rsplit("/", 1)[1], "zoneName": "example.org"},
        identity=known["identity"] | {"userPoolId": pool},
    )


def credentials(emulator: Any, facts: Platform) -> dict[str, str]:
    """Return session credentials of a role that has the operator's policy and nothing else."""
    iam, name = emulator.client("iam"), f"operator-{facts.cluster.name}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(ANYBODY))["Role"]["Arn"]
    rights = json.dumps(evaluable(policy_document(facts)))
    iam.put_role_policy(RoleName=name, PolicyName="operator", PolicyDocument=rights)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=document(STS_ONLY))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = emulator.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    session = sts.assume_role(RoleArn=role, RoleSessionName="operator")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_ENDPOINT_URL": emulator.endpoint,
    }


@dataclass
class Operator:
    """An operator with real AWS calls and Kubernetes in memory."""

    emulator: Any
    facts: Platform
    aws: AwsCaller
    kubernetes: FakeKubernetes

    async def once(self, key: ObjectKey) -> Outcome:
        reconciler = Reconciler(self.facts, Clients(self.aws, self.kubernetes))
        return await reconciler.reconcile(f"{key.namespace}/{key.name}")

    async def settle(self, key: ObjectKey) -> Outcome:
        for _ in range(25):
            outcome = await self.once(key)
            if outcome in (Outcome.SETTLED, Outcome.GONE):
                return outcome
        raise AssertionError(self.kubernetes.objects[key]["status"])

    def writes(self) -> list[str]:
        return [
            f"{request['service']}:{request['operation']}" for request in self.emulator.requests() if request["write"]
        ]

    def table(self, key: ObjectKey, role: str = "memories") -> str:
        return f"recall.{self.facts.cluster.name}.default.{key.name}.{role}"

    def records(self) -> dict[tuple[str, str], dict[str, Any]]:
        answer = self.emulator.client("route53").list_resource_record_sets(HostedZoneId=self.facts.dns.hosted_zone_id)
        return {
            (record["Name"].rstrip("."), record["Type"]): record
            for record in answer["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        }

    def clients(self) -> list[dict[str, Any]]:
        pool = self.facts.identity.user_pool_id
        cognito = self.emulator.client("cognito-idp")
        listed = cognito.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
        return [
            cognito.describe_user_pool_client(UserPoolId=pool, ClientId=item["ClientId"])["UserPoolClient"]
            for item in listed
        ]

    def associations(self) -> list[dict[str, Any]]:
        answer = self.emulator.client("eks").list_pod_identity_associations(clusterName=self.facts.cluster.name)
        found: list[dict[str, Any]] = answer["associations"]
        return found

    def roles(self) -> list[str]:
        names = [role["RoleName"] for role in self.emulator.client("iam").list_roles()["Roles"]]
        return [name for name in names if name.startswith(f"recall.{self.facts.cluster.name}.")]

    def tables(self) -> list[str]:
        names = self.emulator.client("dynamodb").list_tables()["TableNames"]
        return [name for name in names if name.startswith(f"recall.{self.facts.cluster.name}.")]


@pytest.fixture
def operator(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    facts = account(emulator)
    for name, value in credentials(emulator, facts).items():
        monkeypatch.setenv(name, value)
    aws = Aws(facts.aws.region)
    yield Operator(emulator, facts, aws, FakeKubernetes())
    aws.close()


SPEC: dict[str, Any] = {"hostname": "beta.example.org", "tables": {"deletionProtection": True}}


async def test_everything_is_made_and_a_second_pass_writes_nothing(operator: Operator) -> None:
    key = operator.kubernetes.put_instance(SPEC)
    await operator.settle(key)
    assert operator.kubernetes.condition(key)["status"] == "True"

    dynamodb = operator.emulator.client("dynamodb")
    table = dynamodb.describe_table(TableName=operator.table(key))["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"]
    backups = dynamodb.describe_continuous_backups(TableName=operator.table(key))["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName=operator.table(key))["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expiresAt"
    (client,) = operator.clients()
    assert client["CallbackURLs"] == ["https://beta.example.org/callback"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert "ClientSecret" not in client
    assert {kind for name, kind in operator.records() if name == "beta.example.org"} == {"A", "AAAA"}
    assert ("_recall-owner.api.beta.example.org", "TXT") in operator.records()
    assert (len(operator.associations()), len(operator.roles()), len(operator.tables())) == (1, 1, 2)

    before = operator.writes()
    operator.kubernetes.writes.clear()
    assert await operator.once(key) is Outcome.SETTLED
    assert operator.writes() == before
    assert operator.kubernetes.writes == []


async def test_drift_on_aws_is_mended(operator: Operator) -> None:
    key = operator.kubernetes.put_instance(SPEC)
    await operator.settle(key)
    dynamodb, pool = operator.emulator.client("dynamodb"), operator.facts.identity.user_pool_id
    off = {"PointInTimeRecoveryEnabled": False}
    dynamodb.update_continuous_backups(TableName=operator.table(key, "users"), PointInTimeRecoverySpecification=off)
    (client,) = operator.clients()
    operator.emulator.client("cognito-idp").update_user_pool_client(
        UserPoolId=pool, ClientId=client["ClientId"], CallbackURLs=["https://evil.example/"]
    )
    operator.emulator.client("iam").delete_role_policy(RoleName=operator.roles()[0], PolicyName="recall-api")
    record = operator.records()["api.beta.example.org", "A"]
    operator.emulator.client("route53").change_resource_record_sets(
        HostedZoneId=operator.facts.dns.hosted_zone_id,
        ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
    )
    (association,) = operator.associations()
    operator.emulator.client("eks").delete_pod_identity_association(
        clusterName=operator.facts.cluster.name, associationId=association["associationId"]
    )
    await operator.settle(key)
    backups = dynamodb.describe_continuous_backups(TableName=operator.table(key, "users"))
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    assert operator.clients()[0]["CallbackURLs"] == ["https://beta.example.org/callback"]
    assert operator.clients()[0]["ClientId"] == client["ClientId"]
    assert operator.records()["api.beta.example.org", "A"] == record
    assert len(operator.associations()) == 1
    iam = operator.emulator.client("iam")
    assert iam.get_role_policy(RoleName=operator.roles()[0], PolicyName="recall-api")["PolicyDocument"]["Statement"]


async def test_deletion_keeps_the_tables_by_default_and_a_successor_adopts_them(operator: Operator) -> None:
    key = operator.kubernetes.put_instance(SPEC)
    await operator.settle(key)
    item = {"pk": {"S": "USER#1"}, "sk": {"S": "MEM#1"}}
    operator.emulator.client("dynamodb").put_item(TableName=operator.table(key), Item=item)
    operator.kubernetes.delete_instance(key)
    assert await operator.settle(key) is Outcome.GONE
    assert (operator.clients(), operator.roles(), operator.associations(), operator.records()) == ([], [], [], {})
    assert len(operator.tables()) == 2

    key = operator.kubernetes.put_instance(SPEC)
    await operator.settle(key)
    assert operator.kubernetes.condition(key, "TablesReady")["reason"] == "NotOwned"
    key = operator.kubernetes.put_instance(SPEC | {"adoption": "Adopt"})
    await operator.settle(key)
    assert operator.kubernetes.condition(key)["status"] == "True"
    found = operator.emulator.client("dynamodb").get_item(TableName=operator.table(key), Key=item)
    assert found["Item"] == item


async def test_deletion_leaves_nothing_when_asked(operator: Operator) -> None:
    key = operator.kubernetes.put_instance(SPEC | {"deletionPolicy": {"tables": "Delete"}})
    await operator.settle(key)
    operator.kubernetes.delete_instance(key)
    assert await operator.settle(key) is Outcome.GONE
    left = (operator.clients(), operator.roles(), operator.associations(), operator.records(), operator.tables())
    assert left == ([], [], [], {}, [])


async def test_a_foreign_record_and_a_foreign_table_stay_as_they_are(operator: Operator) -> None:
    foreign = {"Name": "beta.example.org.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    operator.emulator.client("route53").change_resource_record_sets(
        HostedZoneId=operator.facts.dns.hosted_zone_id,
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": foreign}]},
    )
    key = operator.kubernetes.put_instance(SPEC)
    await operator.settle(key)
    assert operator.kubernetes.condition(key, "DNSReady")["reason"] == "NotOwned"
    assert operator.kubernetes.condition(key, "Stalled")["status"] == "True"
    operator.kubernetes.delete_instance(key)
    await operator.settle(key)
    assert operator.records() == {("beta.example.org", "A"): foreign}


async def test_a_zone_of_many_pages_is_read_to_its_end(operator: Operator) -> None:
    """Route 53 gives 300 records a page; the instance's own names are on the last."""
    zone = operator.emulator.client("route53")
    for start in range(0, 400, 100):
        changes = [
            {
                "Action": "CREATE",
                "ResourceRecordSet": {
                    "Name": f"a{number:04}.example.org.",
                    "Type": "A",
                    "TTL": 60,
                    "ResourceRecords": [{"Value": "192.0.2.1"}],
                },
            }
            for number in range(start, start + 100)
        ]
        zone.change_resource_record_sets(
            HostedZoneId=operator.facts.dns.hosted_zone_id, ChangeBatch={"Changes": changes}
        )
    key = operator.kubernetes.put_instance({"hostname": "zulu.example.org"})
    await operator.settle(key)
    before = operator.writes()
    assert await operator.once(key) is Outcome.SETTLED
    assert operator.writes() == before
    assert operator.kubernetes.condition(key, "DNSReady")["status"] == "True"
