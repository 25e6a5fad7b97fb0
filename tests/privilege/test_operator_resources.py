"""The operator can't touch what is another's: both judges refuse it, and allow the same on what is its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from recall_operator.errors import aws_code
from recall_operator.permissions.operator_policy import policy_document
from tests.integration.operator.resources.test_parts_on_aws import ANYBODY, document
from tests.privilege.account import EmulatorState, new_account
from tests.privilege.authorization import Authorization
from tests.privilege.door import DENIED
from tests.privilege.evaluator import allows

if TYPE_CHECKING:
    from tests.privilege.account import Account

TRUST = {"AssumeRolePolicyDocument": document(ANYBODY)}
RIGHTS = {"PolicyName": "recall-api", "PolicyDocument": document(ANYBODY)}
BOUNDARY = {"PermissionsBoundary": "{boundary}"}
TABLES = "arn:aws:dynamodb:eu-west-1:000000000000:table"
PODS = {"namespace": "default", "serviceAccount": "beta-api"}
OURS = {"Key": "recall.kug.la/cluster", "Value": "{cluster}"}
RECORD = {
    "Action": "CREATE",
    "ResourceRecordSet": {
        "Name": "x.example.org.",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    },
}


@dataclass(frozen=True)
class Attempt:
    """One call on what is another's, and the same on what is the operator's own. Names in braces are the account's."""

    service: str
    operation: str
    theirs: dict[str, Any]
    ours: dict[str, Any]
    emulated: bool = True
    """Whether the emulator asks for it."""


def of_role(operation: str, theirs: str = "{stranger}", **more: Any) -> Attempt:
    return Attempt("iam", operation, {"RoleName": theirs, **more}, {"RoleName": "{role}", **more})


def of_pool(operation: str, **more: Any) -> Attempt:
    pools = ({"UserPoolId": pool, **more} for pool in ("eu-west-1_other0000", "{pool}"))
    return Attempt("cognito-idp", operation, *pools)


MESSAGES = {"blockedInputMessaging": "no", "blockedOutputsMessaging": "no"}


def of_guardrail(operation: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Attempt:
    return Attempt("bedrock", operation, theirs, ours)


ATTEMPTS = {
    "delete a table of another cluster": Attempt(
        "dynamodb", "delete_table", {"TableName": "{cluster}-theirs"}, {"TableName": "{cluster}-ours"}
    ),
    "delete a table without tags": Attempt(
        "dynamodb", "delete_table", {"TableName": "{cluster}-nobodys"}, {"TableName": "{cluster}-ours"}
    ),
    "delete a backup of a table that is not Recall's": Attempt(
        "dynamodb",
        "delete_backup",
        {"BackupArn": f"{TABLES}/{{cluster}}-theirs/backup/1"},
        {"BackupArn": f"{TABLES}/recall.{{cluster}}.default.beta.memories/backup/1"},
    ),
    "delete a backup of another cluster": Attempt(
        "dynamodb",
        "delete_backup",
        {"BackupArn": f"{TABLES}/recall.{{cluster}}-2.default.beta.memories/backup/1"},
        {"BackupArn": f"{TABLES}/recall.{{cluster}}.default.beta.memories/backup/1"},
    ),
    "delete a certificate of another cluster": Attempt(
        "acm",
        "delete_certificate",
        {"CertificateArn": "{their-certificate}"},
        {"CertificateArn": "{our-certificate}"},
        emulated=False,
    ),
    "request a certificate without marks": Attempt(
        "acm",
        "request_certificate",
        {"DomainName": "a.example.org", "ValidationMethod": "DNS"},
        {"DomainName": "a.example.org", "ValidationMethod": "DNS", "Tags": [OURS]},
    ),
    "put other marks on a certificate": Attempt(
        "acm",
        "add_tags_to_certificate",
        {"CertificateArn": "{our-certificate}", "Tags": [{"Key": "team", "Value": "a"}]},
        {"CertificateArn": "{our-certificate}", "Tags": [OURS]},
    ),
    "take marks off that are not Recall's": Attempt(
        "dynamodb",
        "untag_resource",
        {"ResourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/{cluster}-ours", "TagKeys": ["team"]},
        {
            "ResourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/{cluster}-ours",
            "TagKeys": ["recall.kug.la/released"],
        },
    ),
    "read a role of somebody else": of_role("get_role"),
    "delete a role of somebody else": of_role("delete_role"),
    "delete a role of another cluster": of_role("delete_role", theirs="recall.{cluster}-2.default.beta"),
    "give rights to a role of somebody else": of_role("put_role_policy", **RIGHTS),
    "open a role of somebody else": of_role("update_assume_role_policy", PolicyDocument=document(ANYBODY)),
    "mark a role of somebody else": of_role("tag_role", Tags=[{"Key": "team", "Value": "a"}]),
    "make a role of another name": of_role("create_role", **TRUST, **BOUNDARY),
    "make a role without the boundary": Attempt(
        "iam", "create_role", {"RoleName": "{role}-2", **TRUST}, {"RoleName": "{role}-2", **TRUST, **BOUNDARY}, False
    ),
    "give pods a role of somebody else": Attempt(
        "eks",
        "create_pod_identity_association",
        {"clusterName": "{cluster}", **PODS, "roleArn": "arn:aws:iam::000000000000:role/{stranger}"},
        {"clusterName": "{cluster}", **PODS, "roleArn": "arn:aws:iam::000000000000:role/{role}"},
        emulated=False,
    ),
    "give pods of another cluster a role": Attempt(
        "eks",
        "create_pod_identity_association",
        {"clusterName": "{cluster}-2", **PODS, "roleArn": "arn:aws:iam::000000000000:role/{role}"},
        {"clusterName": "{cluster}", **PODS, "roleArn": "arn:aws:iam::000000000000:role/{role}"},
    ),
    "delete an association of another cluster": Attempt(
        "eks",
        "delete_pod_identity_association",
        {"clusterName": "{cluster}-2", "associationId": "a-1"},
        {"clusterName": "{cluster}", "associationId": "a-1"},
    ),
    "make a guardrail in another cluster's name": of_guardrail(
        "create_guardrail",
        {"name": "{cluster}-new", **MESSAGES, "tags": [{"key": "recall.kug.la/cluster", "value": "{cluster}-2"}]},
        {"name": "{cluster}-new", **MESSAGES, "tags": [{"key": "recall.kug.la/cluster", "value": "{cluster}"}]},
    ),
    "change a guardrail of another cluster": of_guardrail(
        "update_guardrail",
        {"guardrailIdentifier": "{guardrail-theirs}", "name": "x", **MESSAGES},
        {"guardrailIdentifier": "{guardrail-ours}", "name": "x", **MESSAGES},
    ),
    "delete a guardrail of another cluster": of_guardrail(
        "delete_guardrail",
        {"guardrailIdentifier": "{guardrail-theirs}"},
        {"guardrailIdentifier": "{guardrail-ours}"},
    ),
    "delete a guardrail without tags": of_guardrail(
        "delete_guardrail",
        {"guardrailIdentifier": "{guardrail-nobodys}"},
        {"guardrailIdentifier": "{guardrail-ours}"},
    ),
    "read another user pool's clients": of_pool("list_user_pool_clients"),
    "delete another user pool's client": of_pool("delete_user_pool_client", ClientId="c"),
    "write in another zone": Attempt(
        "route53",
        "change_resource_record_sets",
        {"HostedZoneId": "ZOTHER", "ChangeBatch": {"Changes": [RECORD]}},
        {"HostedZoneId": "{zone}", "ChangeBatch": {"Changes": [RECORD]}},
    ),
}


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return `value` with the account's names in all texts that ask for one."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    for name, text in names.items():
        value = value.replace(f"{{{name}}}", text) if isinstance(value, str) else value
    return value


@pytest.fixture(scope="module")
def account(emulator: Any) -> Account:
    made = new_account(emulator)
    made.enforce(made.policy)
    names = names_of(made)
    cluster = names["cluster"]
    for name, owner in (("ours", cluster), ("theirs", f"{cluster}-2"), ("nobodys", None)):
        emulator.client("dynamodb").create_table(
            TableName=f"{cluster}-{name}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            Tags=[{"Key": "recall.kug.la/cluster", "Value": owner}] if owner else [],
        )
        emulator.client("bedrock").create_guardrail(
            name=f"{cluster}-{name}",
            **MESSAGES,
            tags=[{"key": "recall.kug.la/cluster", "value": owner}] if owner else [],
        )
    acm = emulator.client("acm")
    for name, owner in (("ours", cluster), ("theirs", f"{cluster}-2")):
        acm.request_certificate(
            DomainName=f"{name}.{cluster}.example.org", Tags=[{"Key": "recall.kug.la/cluster", "Value": owner}]
        )
    iam = emulator.client("iam")
    for name in (names["stranger"], f"recall.{cluster}-2.default.beta"):
        iam.create_role(RoleName=name, **TRUST)
    iam.create_role(RoleName=names["role"], **TRUST, PermissionsBoundary=names["boundary"])
    return made


def names_of(account: Account) -> dict[str, str]:
    cluster = account.facts.cluster.name
    listed = account.emulator.client("acm").list_certificates()["CertificateSummaryList"]
    certificates = {item["DomainName"]: item["CertificateArn"] for item in listed}
    return {
        "our-certificate": certificates.get(f"ours.{cluster}.example.org", ""),
        "their-certificate": certificates.get(f"theirs.{cluster}.example.org", ""),
        "cluster": cluster,
        "pool": account.facts.identity.user_pool_id,
        "zone": account.facts.dns.hosted_zone_id,
        "role": f"recall.{cluster}.default.beta",
        "stranger": f"admin-{cluster}",
        "boundary": str(account.facts.access.permissions_boundary_arn),
    }


def guardrails_of(account: Account) -> dict[str, str]:
    """Return the ids of the guardrails that `account` made, by the ends of their names."""
    cluster = account.facts.cluster.name
    listed = account.emulator.client("bedrock").list_guardrails()["guardrails"]
    return {
        f"guardrail-{item['name'].removeprefix(f'{cluster}-')}": item["id"]
        for item in listed
        if item["name"].startswith(f"{cluster}-")
    }


@pytest.fixture
def authorization(account: Account) -> Authorization:
    return Authorization(account.facts.aws.region, account.facts.aws.account_id, EmulatorState(account.emulator))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_operator_may_not(account: Account, authorization: Authorization, name: str) -> None:
    attempt, names = ATTEMPTS[name], names_of(account) | guardrails_of(account)
    theirs, ours = filled(attempt.theirs, names), filled(attempt.ours, names)
    assert not all(
        allows(account.policy, request) for request in authorization.asked(attempt.service, attempt.operation, theirs)
    )
    assert all(
        allows(account.policy, request) for request in authorization.asked(attempt.service, attempt.operation, ours)
    )
    if attempt.emulated:
        with pytest.raises(ClientError, match="not authorized to perform") as refusal:
            getattr(account.client(attempt.service), attempt.operation)(**theirs)
        assert aws_code(refusal.value) in DENIED


@pytest.mark.parametrize(
    ("operation", "parameters"), [("get_item", {"Key": {"pk": {"S": "USER#1"}}}), ("scan", {}), ("query", {})]
)
def test_an_operator_that_may_not_restore_can_read_no_memories(
    account: Account, authorization: Authorization, operation: str, parameters: dict[str, Any]
) -> None:
    table = f"recall.{account.facts.cluster.name}.default.beta.memories"
    asked = authorization.asked("dynamodb", operation, {"TableName": table, **parameters})
    assert not any(allows(policy_document(account.plain), request) for request in asked)
