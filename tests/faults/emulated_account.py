"""An account of the emulated AWS in the words of the AWS in memory, so that one judge serves both."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.unit.operator.fake_aws import POOL
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from recall_operator.platform import Platform
    from tests.integration.conftest import Emulator
    from tests.unit.operator.fake_aws import FakeAws

_KEYS = [("pk", "HASH"), ("sk", "RANGE")]
_MEMORY_KEY = {"pk": {"S": "USER#1"}, "sk": {"S": "MEM#1"}}
_MANAGED_BY_ROUTE53 = ("NS", "SOA")


class EmulatedAccount:
    """All that there is in a fresh emulated AWS: what CDK makes once per account, and what tests plant."""

    def __init__(self, emulator: Emulator) -> None:
        """Empty the emulator and make the user pool, the zone and the cluster."""
        urllib.request.urlopen(urllib.request.Request(f"{emulator.endpoint}/_ministack/reset", method="POST")).close()
        self.dynamodb, self.iam, self.eks, self.cognito, self.route53, self.bedrock = (
            emulator.client(name) for name in ("dynamodb", "iam", "eks", "cognito-idp", "route53", "bedrock")
        )
        self.pool = self.cognito.create_user_pool(PoolName="recall")["UserPool"]["Id"]
        zone = self.route53.create_hosted_zone(Name="example.org", CallerReference="recall")["HostedZone"]["Id"]
        self.zone = zone.rsplit("/", 1)[1]
        role = self.iam.create_role(RoleName="eks", AssumeRolePolicyDocument=json.dumps({}))["Role"]["Arn"]
        self.eks.create_cluster(name="test", roleArn=role, resourcesVpcConfig={})

    def platform(self) -> Platform:
        """Return the document that names what was made."""
        identity = platform().model_dump(by_alias=True)["identity"] | {"userPoolId": self.pool}
        return platform(dns={"hostedZoneId": self.zone, "zoneName": "example.org"}, identity=identity)

    def fill(self, planned: FakeAws) -> None:
        """Make everything that an AWS in memory holds."""
        for name, table in planned.tables.items():
            self.dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in _KEYS],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in _KEYS],
                BillingMode="PAY_PER_REQUEST",
                Tags=[{"Key": key, "Value": value} for key, value in table["tags"].items()],
            )
            for memory in table.get("items", ()):
                self.remember(name, memory)
        for client in planned.clients.values():
            self.cognito.create_user_pool_client(UserPoolId=self.pool, ClientName=client["ClientName"])
        for name, role in planned.roles.items():
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({}))
            for policy, text in role["policies"].items():
                self.iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(text))
        for association in planned.associations.values():
            place = {key: association[key] for key in ("clusterName", "namespace", "serviceAccount")}
            self.eks.create_pod_identity_association(**place, roleArn="arn:aws:iam::000000000000:role/eks")
        for guardrail in planned.guardrails.values():
            self.bedrock.create_guardrail(
                name=guardrail["name"],
                blockedInputMessaging="no",
                blockedOutputsMessaging="no",
                tags=[{"key": key, "value": value} for key, value in guardrail["tags"].items()],
            )
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in planned.records.values()]
        self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": changes})

    def remember(self, table: str, memory: str) -> None:
        """Put a memory into a table."""
        self.dynamodb.put_item(TableName=table, Item=_MEMORY_KEY | {"text": {"S": memory}})

    def back_up(self, table: str) -> str:
        """Back a table up, let it be restored to any moment, and return the backup's ARN."""
        on = {"PointInTimeRecoveryEnabled": True}
        self.dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=on)
        details = self.dynamodb.create_backup(TableName=table, BackupName="old")["BackupDetails"]
        return str(details["BackupArn"])

    def holdings(self) -> dict[str, Any]:
        """Return all that there is, in the words of `FakeAws.holdings`."""
        listed = self.eks.list_pod_identity_associations(clusterName="test")["associations"]
        records = self.route53.list_resource_record_sets(HostedZoneId=self.zone)["ResourceRecordSets"]
        guardrails = self.bedrock.list_guardrails()["guardrails"]
        clients = self.cognito.list_user_pool_clients(UserPoolId=self.pool, MaxResults=60)["UserPoolClients"]
        return {
            "tables": {name: self._table(name) for name in self.dynamodb.list_tables()["TableNames"]},
            "clients": {item["ClientId"]: self._client(item["ClientId"]) for item in clients},
            "roles": {role["RoleName"]: self._role(role["RoleName"]) for role in self.iam.list_roles()["Roles"]},
            "guardrails": {item["id"]: self._guardrail(item["id"]) for item in guardrails},
            "associations": {item["associationId"]: self._association(item["associationId"]) for item in listed},
            "records": {
                (record["Name"].rstrip("."), record["Type"]): record
                for record in records
                if record["Type"] not in _MANAGED_BY_ROUTE53
            },
        }

    def _table(self, name: str) -> dict[str, Any]:
        table = self.dynamodb.describe_table(TableName=name)["Table"]
        backups = self.dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        expiry = self.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        items = self.dynamodb.scan(TableName=name)["Items"]
        tags = self.dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
        return {
            "TableStatus": table["TableStatus"],
            "KeySchema": table["KeySchema"],
            "DeletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
            "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED",
            "expiry": expiry.get("AttributeName"),
            **({"items": [item["text"]["S"] for item in items]} if items else {}),
        }

    def _client(self, client_id: str) -> dict[str, Any]:
        answer = self.cognito.describe_user_pool_client(UserPoolId=self.pool, ClientId=client_id)["UserPoolClient"]
        unlike = ("ClientId", "UserPoolId", "LastModifiedDate", "CreationDate")
        return {key: value for key, value in answer.items() if key not in unlike}

    def _role(self, name: str) -> dict[str, Any]:
        role = self.iam.get_role(RoleName=name)["Role"]
        names = self.iam.list_role_policies(RoleName=name)["PolicyNames"]
        return {
            "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            "Tags": role.get("Tags", []),
            "policies": {policy: self._policy(name, policy) for policy in names},
        }

    def _policy(self, role: str, name: str) -> dict[str, Any]:
        policy = json.dumps(self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        # What in it is another in each account.
        text = re.sub(r"guardrail/\w+", "guardrail/gr1", policy.replace(self.pool, POOL))
        document: dict[str, Any] = json.loads(text)
        return document

    def _guardrail(self, identifier: str) -> dict[str, Any]:
        draft = self.bedrock.get_guardrail(guardrailIdentifier=identifier)
        tags = self.bedrock.list_tags_for_resource(resourceARN=draft["guardrailArn"])["tags"]
        versions = self.bedrock.list_guardrails(guardrailIdentifier=identifier)["guardrails"]
        unlike = ("ResponseMetadata", "guardrailId", "guardrailArn", "createdAt", "updatedAt")
        return {
            **{key: value for key, value in draft.items() if key not in unlike},
            "tags": {tag["key"]: tag["value"] for tag in tags},
            "versions": [(item["version"], item.get("description")) for item in versions],
        }

    def _association(self, association_id: str) -> dict[str, Any]:
        answer = self.eks.describe_pod_identity_association(clusterName="test", associationId=association_id)
        known = ("clusterName", "namespace", "serviceAccount", "roleArn", "tags")
        return {key: value for key, value in answer["association"].items() if key in known}
