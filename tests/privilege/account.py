"""An account of the emulated AWS with an operator's role, whose policy a test chooses."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from recall_local.aws.conditions import evaluable
from recall_operator.aws import client as operator_aws
from recall_operator.permissions.operator_policy import policy_document
from recall_operator.platform import AccessFacts
from tests.integration.operator.resources.test_parts_on_aws import account, credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.platform import Platform

_UNLIMITED = (1e9, 10**9)


class EmulatorState:
    """What the emulated AWS knows of resources, as its root account sees it."""

    def __init__(self, emulator: Any) -> None:
        names = ("dynamodb", "iam", "acm", "bedrock")
        self._dynamodb, self._iam, self._acm, self._bedrock = (emulator.client(name) for name in names)

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a table, certificate or guardrail; nothing else bears one that a policy asks for."""
        if ":guardrail/" in arn:
            try:
                marks = self._bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
            except ClientError:
                return {}
            return {tag["key"]: tag["value"] for tag in marks}
        try:
            if ":table/" in arn:
                listed = self._dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
            elif ":certificate/" in arn:
                listed = self._acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            else:
                return {}
        except ClientError:
            return {}
        return {tag["Key"]: tag["Value"] for tag in listed}

    def table_key(self, arn: str) -> str | None:
        """Return the ARN of the customer's key that encrypts a table."""
        try:
            table = self._dynamodb.describe_table(TableName=arn.rsplit("/", 1)[-1])["Table"]
        except ClientError:
            return None
        key: str | None = table.get("SSEDescription", {}).get("KMSMasterKeyArn")
        return key

    def boundary(self, role: str) -> str | None:
        """Return the permissions boundary of a role."""
        try:
            found = self._iam.get_role(RoleName=role)["Role"]
        except ClientError:
            return None
        arn: str | None = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return arn


@dataclass
class Account:
    """What the CDK app makes once per account, with everything that it may choose to allow the operator."""

    emulator: Any
    facts: Platform
    plain: Platform
    """The same without the choices: no boundary, no right to restore."""
    keys: dict[str, str]

    @property
    def policy(self) -> dict[str, Any]:
        """The operator's policy."""
        return policy_document(self.facts)

    def enforce(self, document: Mapping[str, Any]) -> None:
        """Make `document` the operator's policy, as far as the emulator understands it."""
        self.emulator.client("iam").put_role_policy(
            RoleName=f"operator-{self.facts.cluster.name}",
            PolicyName="operator",
            PolicyDocument=json.dumps(evaluable(document)),
        )

    def client(self, service: str) -> Any:
        """Return a boto3 client that is the operator."""
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            region_name=self.facts.aws.region,
            endpoint_url=self.emulator.endpoint,
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.keys["AWS_SESSION_TOKEN"],
        )


def new_account(emulator: Any) -> Account:
    """Make an account of this test's own."""
    plain = account(emulator)
    everything = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    boundary = emulator.client("iam").create_policy(
        PolicyName=f"boundary-{uuid.uuid4().hex[:8]}", PolicyDocument=everything
    )
    access = AccessFacts(restores=True, permissions_boundary_arn=boundary["Policy"]["Arn"])
    facts = plain.model_copy(update={"access": access})
    return Account(emulator, facts, plain, credentials(emulator, facts))


def unhurried_aws(region: str) -> operator_aws.Aws:
    """Return the operator's door to AWS without its own limits: no test is about them here."""
    aws = operator_aws.Aws(region, dict.fromkeys(operator_aws.RATES, _UNLIMITED))
    aws._write_buckets.clear()
    aws._operation_buckets.clear()
    return aws
