"""What the second judge says that AWS asks for is what AWS's Service Authorization Reference says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from recall_api import contract
from recall_operator.permissions.operator_policy import policy_document
from tests.privilege.authorization import Authorization
from tests.privilege.evaluator import Request, matches
from tests.unit.operator.fakes import platform

ALL = platform(access={"permissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary", "restores": True})
GRANTED = [(item, action) for item in policy_document(ALL)["Statement"] for action in item["Action"]]
API = {*contract.MEMORIES_TABLE_ACTIONS, *contract.USERS_TABLE_ACTIONS, *contract.USER_POOL_ACTIONS,
       *contract.BEDROCK_ACTIONS, *contract.BEDROCK_DISCOVERY_ACTIONS, *contract.GUARDRAIL_ACTIONS}  # fmt: skip
TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/t"
CERTIFICATE = "arn:aws:acm:eu-west-1:000000000000:certificate/c"
GUARDRAIL = "arn:aws:bedrock:eu-west-1:000000000000:guardrail/gr1"
KEY = "arn:aws:kms:eu-west-1:000000000000:key/k"


class Known:
    """A state in which everything has a tag, tables a key and roles a boundary."""

    def tags(self, _arn: str) -> dict[str, str]:
        return {"team": "a"}

    def table_key(self, _arn: str) -> str:
        return KEY

    def boundary(self, _role: str) -> str:
        return "arn:aws:iam::000000000000:policy/boundary"


def reference(action: str) -> list[dict[str, Any]]:
    """Return what the reference says of an action: one row for each kind of resource."""
    service, name = action.split(":")
    rows = (get_action_data(service, name) or {}).get(service, [])
    return [row for row in rows if row["action"].lower() == action.lower()]


PROFILE_ONLY_WHEN_NAMED = "bedrock:CreateGuardrail"
"""It asks for a guardrail profile only when a request names one (cross-region inference), else for no resource."""


def kinds(action: str) -> list[str]:
    """Return the patterns of ARNs for which an action is asked; `*` alone when it has no resources."""
    if action == PROFILE_ONLY_WHEN_NAMED:
        return ["*"]
    patterns = [re.sub(r"\$\{[^}]+\}", "*", row["resource_arn_format"]) for row in reference(action)]
    named = [pattern for pattern in patterns if pattern != "*"]
    return named or patterns


def key_exists(action: str, key: str) -> bool:
    """Whether a condition key, such as `aws:ResourceTag/team`, can be in a question about an action."""
    known = {re.sub(r"\$\{[^}]+\}", "*", name) for row in reference(action) for name in row["condition_keys"]}
    return any(matches(pattern, key) for pattern in known)


@pytest.mark.parametrize("action", sorted({action for _, action in GRANTED} | API))
def test_the_action_exists(action: str) -> None:
    assert reference(action), f"the Service Authorization Reference knows no {action}"


@pytest.mark.parametrize(("statement", "action"), GRANTED, ids=[action for _, action in GRANTED])
def test_a_grant_names_resources_that_the_action_has(statement: dict[str, Any], action: str) -> None:
    """A resource of the wrong kind grants nothing, and a condition on a key that is never there refuses everything."""
    granted = statement["Resource"]
    assert granted == ["*"] or any(matches(kind, arn.replace("*", "x")) for kind in kinds(action) for arn in granted), (
        f"{action} is asked for {kinds(action)}"
    )
    for condition in statement.get("Condition", {}).values():
        for key in condition:
            assert key_exists(action, key), f"{action} is never asked for with {key}"


TAGS = {"Tags": [{"Key": "recall.kug.la/name", "Value": "beta"}]}
KEYED = {"SSESpecification": {"KMSMasterKeyId": KEY}}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "create_table", {"TableName": "t", **TAGS, **KEYED}),
    ("dynamodb", "update_table", {"TableName": "t", **KEYED}),
    ("dynamodb", "restore_table_from_backup", {"TargetTableName": "t", "BackupArn": f"{TABLE}/backup/b"}),
    ("dynamodb", "restore_table_to_point_in_time", {"TargetTableName": "t", "SourceTableName": "s"}),
    ("dynamodb", "create_backup", {"TableName": "t"}),
    ("dynamodb", "describe_backup", {"BackupArn": f"{TABLE}/backup/b"}),
    ("dynamodb", "delete_backup", {"BackupArn": f"{TABLE}/backup/b"}),
    ("dynamodb", "tag_resource", {"ResourceArn": TABLE, **TAGS}),
    ("dynamodb", "put_item", {"TableName": "t", "Item": {}}),
    ("dynamodb", "batch_get_item", {"RequestItems": {"t": {}}}),
    ("dynamodb", "transact_write_items", {"TransactItems": [{"Put": {"TableName": "t"}}]}),
    ("iam", "create_role", {"RoleName": "r", **TAGS}),
    ("iam", "put_role_policy", {"RoleName": "r"}),
    ("iam", "get_account_authorization_details", {}),
    ("eks", "create_pod_identity_association", {"clusterName": "c", "roleArn": "arn:aws:iam::000000000000:role/r",
                                                "tags": {"recall.kug.la/name": "beta"}}),
    ("eks", "update_pod_identity_association", {"clusterName": "c", "associationId": "a-1", "roleArn":
                                                "arn:aws:iam::000000000000:role/r"}),
    ("eks", "describe_pod_identity_association", {"clusterName": "c", "associationId": "a-1"}),
    ("eks", "delete_pod_identity_association", {"clusterName": "c", "associationId": "a-1"}),
    ("eks", "list_pod_identity_associations", {"clusterName": "c"}),
    ("cognito-idp", "create_user_pool_client", {"UserPoolId": "eu-west-1_a"}),
    ("cognito-idp", "describe_managed_login_branding_by_client", {"UserPoolId": "eu-west-1_a", "ClientId": "c"}),
    ("bedrock", "create_guardrail", {"name": "g", "tags": [{"key": "recall.kug.la/name", "value": "beta"}]}),
    ("bedrock", "list_guardrails", {}),
    ("bedrock", "list_guardrails", {"guardrailIdentifier": "gr1"}),
    ("bedrock", "get_guardrail", {"guardrailIdentifier": "gr1"}),
    ("bedrock", "update_guardrail", {"guardrailIdentifier": "gr1"}),
    ("bedrock", "create_guardrail_version", {"guardrailIdentifier": "gr1"}),
    ("bedrock", "delete_guardrail", {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}),
    ("bedrock", "tag_resource", {"resourceARN": GUARDRAIL, "tags": [{"key": "team", "value": "a"}]}),
    ("bedrock", "untag_resource", {"resourceARN": GUARDRAIL, "tagKeys": ["team"]}),
    ("bedrock", "list_tags_for_resource", {"resourceARN": GUARDRAIL}),
    ("route53", "change_resource_record_sets", {"HostedZoneId": "Z1"}),
    ("acm", "request_certificate", {"DomainName": "a.example.org", "ValidationMethod": "DNS", **TAGS}),
    ("acm", "list_certificates", {}),
    ("acm", "describe_certificate", {"CertificateArn": CERTIFICATE}),
    ("acm", "add_tags_to_certificate", {"CertificateArn": CERTIFICATE, **TAGS}),
    ("acm", "remove_tags_from_certificate", {"CertificateArn": CERTIFICATE, "Tags": [{"Key": "recall.kug.la/name"}]}),
    ("acm", "delete_certificate", {"CertificateArn": CERTIFICATE}),
    ("resourcegroupstaggingapi", "get_resources", {}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS, ids=[call[1] for call in CALLS])
def test_questions_are_of_the_kind_that_the_reference_names(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    asked: list[Request] = Authorization("eu-west-1", "000000000000", Known()).asked(service, operation, parameters)
    for request in asked:
        assert any(matches(kind, request.resource) for kind in kinds(request.action)), str(request)
        for key in request.context:
            assert key_exists(request.action, key), f"{request.action} has no {key}"
    beside = {action for request in asked for row in reference(request.action) for action in row["dependent_actions"]}
    assert beside <= {request.action for request in asked}, "what the reference calls dependent actions"


def test_an_unknown_operation_says_where_to_add_it() -> None:
    with pytest.raises(KeyError, match=r"authorization\.py does not say what AWS asks for s3:GetObject"):
        Authorization("eu-west-1", "000000000000", Known()).asked("s3", "get_object", {})
