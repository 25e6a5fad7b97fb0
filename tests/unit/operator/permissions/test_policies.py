"""Rights: the operator's own and those it gives the API. `tests/privilege` proves that each is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recall_api import contract
from recall_operator.kubernetes.client import KINDS
from recall_operator.models.backup import BACKUP_PLURAL
from recall_operator.models.base import PLURAL
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.permissions import document as permissions
from recall_operator.permissions.operator_policy import grants, policy_document
from recall_operator.resources.access import trust_policy
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.part import Subject
from tests.unit.operator.fakes import platform

CHART = Path(__file__).parents[4] / "deploy" / "chart"
BOUNDARY = {"access": {"permissionsBoundaryArn": "arn:aws:iam::000000000000:policy/recall-boundary", "restores": True}}

RESTORE_DATA = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")


def actions(document: dict[str, Any]) -> list[str]:
    return [action for statement in document["Statement"] for action in statement["Action"]]


def test_each_action_stands_once_and_has_a_reason() -> None:
    found = actions(policy_document(platform(**BOUNDARY)))
    assert len(found) == len(set(found))
    assert not [action for action in found if "*" in action]
    assert all(reason for grant in grants(platform()) for reason in grant.actions.values())


def test_the_operator_can_read_no_memories_unless_it_may_restore() -> None:
    assert not {f"dynamodb:{name}" for name in RESTORE_DATA} & set(actions(policy_document(platform())))


def test_a_boundary_binds_every_role_that_is_made() -> None:
    statement = next(item for item in policy_document(platform(**BOUNDARY))["Statement"] if item["Sid"] == "RolesGrant")
    assert statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"].endswith("recall-boundary")


def subject(**models: Any) -> Subject:
    metadata: dict[str, Any] = {"name": "beta", "namespace": "default", "uid": "u", "generation": 1}
    spec = {"hostname": "beta.example.org", "models": {"chat": ["amazon.nova-lite-v1:0"]} | models}
    instance = RecallInstance.model_validate({"metadata": metadata, "spec": spec})
    return Subject(instance, platform(), Owner("test", "default", "beta", "u"))


def test_the_api_may_do_what_its_contract_lists_on_its_own_tables() -> None:
    statements = {item["Sid"]: item for item in access_policy(subject(), {})["Statement"]}
    assert statements["Memories"]["Action"] == list(contract.MEMORIES_TABLE_ACTIONS)
    assert statements["Memories"]["Resource"] == [
        "arn:aws:dynamodb:eu-west-1:000000000000:table/recall.test.default.beta.memories"
    ]
    assert statements["Users"]["Action"] == list(contract.USERS_TABLE_ACTIONS)
    assert statements["Users"]["Resource"] == [
        "arn:aws:dynamodb:eu-west-1:000000000000:table/recall.test.default.beta.users"
    ]
    assert statements["UserPool"]["Action"] == list(contract.USER_POOL_ACTIONS)
    pool = platform().identity.user_pool_id
    assert statements["UserPool"]["Resource"] == [f"arn:aws:cognito-idp:eu-west-1:000000000000:userpool/{pool}"]
    assert statements["Profiles"]["Action"] == list(contract.BEDROCK_DISCOVERY_ACTIONS)
    assert statements["Profiles"]["Resource"] == ["*"]
    assert "Guardrail" not in statements
    guarded = {
        item["Sid"]: item for item in access_policy(subject(guardrail={"id": "gr1", "version": "1"}), {})["Statement"]
    }
    assert guarded["Guardrail"]["Resource"] == ["arn:aws:bedrock:eu-west-1:000000000000:guardrail/gr1"]


def test_the_api_may_use_keys_through_dynamodb_for_its_own_tables_only() -> None:
    statement = next(item for item in access_policy(subject(), {})["Statement"] if item["Sid"] == "TablesKey")
    assert statement["Action"] == ["kms:Decrypt"]
    names = ["recall.test.default.beta.memories", "recall.test.default.beta.users"]
    assert statement["Condition"] == {
        "StringEquals": {
            "kms:ViaService": "dynamodb.eu-west-1.amazonaws.com",
            "kms:EncryptionContext:aws:dynamodb:tableName": names,
        }
    }


def test_prompts_can_travel_no_further_than_the_residency_says() -> None:
    def chat(residency: str) -> set[str]:
        statement = access_policy(subject(residency=residency), {})["Statement"][2]
        return {arn for arn in statement["Resource"] if "nova" in arn}

    model = "foundation-model/amazon.nova-lite-v1:0"
    profile = "arn:aws:bedrock:eu-west-1:000000000000:inference-profile/*.amazon.nova-lite-v1:0"
    assert chat("region") == {f"arn:aws:bedrock:eu-west-1::{model}"}
    assert chat("geo") == {f"arn:aws:bedrock:eu-*::{model}", profile}
    assert chat("global") == {f"arn:aws:bedrock:*::{model}", f"arn:aws:bedrock:::{model}", profile}


def test_only_this_service_account_of_this_cluster_can_take_the_role() -> None:
    condition = trust_policy(subject())["Statement"][0]["Condition"]["StringEquals"]
    assert condition == {
        "aws:RequestTag/eks-cluster-name": "test",
        "aws:RequestTag/kubernetes-namespace": "default",
        "aws:RequestTag/kubernetes-service-account": "beta-api",
    }


def test_the_page_of_permissions_is_what_the_code_says() -> None:
    page = CHART.parents[1] / "docs" / "reference" / "permissions.md"
    assert page.read_text() == permissions.document(CHART), "run `make permissions`"


def test_every_rule_of_the_chart_has_a_reason_and_stands_on_the_page() -> None:
    found = permissions.rules(CHART)
    texts = "".join((CHART / "templates" / name).read_text() for name in ("_helpers.tpl", "rbac.yaml"))
    assert len(found) == texts.count("- apiGroups:")
    assert all(why for why, _ in found)


def test_the_chart_grants_each_kind_that_the_operator_touches() -> None:
    template = (CHART / "templates" / "_helpers.tpl").read_text()
    rules = yaml.safe_load(re.search(r'define "recall-operator.rules" -}}\n(.*?){{- end }}', template, re.DOTALL)[1])  # type: ignore[index]
    granted = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}
    for kind, (api_version, plural) in KINDS.items():
        if kind == "Lease":  # In the operator's own namespace only: a Role of its own in rbac.yaml.
            continue
        assert (api_version.rpartition("/")[0], plural) in granted, kind
    verbs = {
        plural: next(rule["verbs"] for rule in rules if rule["resources"] == [plural])
        for plural in (PLURAL, BACKUP_PLURAL)
    }
    assert verbs[BACKUP_PLURAL] == ["get", "list", "patch", "watch"], "the operator never makes or deletes backups"
    assert verbs[PLURAL] == ["delete", "get", "list", "patch", "watch"], "it never makes instances"
    assert not [rule for rule in rules if "*" in str(rule)]
