"""Rights: no wildcard action anywhere, wildcard resources only with a reason, the operator's are its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from recall_infra.environment import Environment, environment_path
from recall_infra.rights import WILDCARD_REASONS
from recall_operator.permissions.access_boundary import boundary_document
from recall_operator.permissions.operator_policy import policy_document
from recall_operator.platform import Platform
from tests.infra.conftest import Templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.infra.conftest import Resource


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def policies(resource: Resource) -> Iterator[Mapping[str, Any]]:
    """Every policy that gives rights to a principal (trust and resource policies give none by themselves)."""
    properties = resource.properties
    if resource.type in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
        yield properties["PolicyDocument"]
    if resource.type == "AWS::IAM::Role":
        yield from (item["PolicyDocument"] for item in properties.get("Policies", []))


def statements(templates: Templates) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part, resource in templates.all():
        for policy in policies(resource):
            for statement in policy["Statement"]:
                yield f"{part}/{resource.name}", statement


def flat(value: Any) -> str:
    """A resource as text: parts that are known only when deployed become `${…}`."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(flat(part) for part in value["Fn::Join"][1])
    return "${" + json.dumps(value) + "}"


def test_no_action_has_a_wildcard(templates: Templates) -> None:
    found = 0
    for where, statement in statements(templates):
        assert statement["Effect"] == "Allow" or "NotAction" not in statement
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{where}: {action}"
            found += 1
    assert found > 50


def test_wildcard_resources_have_a_reason(templates: Templates) -> None:
    explained = 0
    for where, statement in statements(templates):
        for resource in listed(statement["Resource"]):
            text = flat(resource)
            if "*" not in re.sub(r"\$\{[^}]*\}", "", text):
                continue
            if "parameter/cdk/exports/" in text:
                continue
            assert statement.get("Sid") in WILDCARD_REASONS, f"{where}: {text}"
            explained += 1
    assert explained


def test_every_reason_is_needed(synthesised: dict[str, Templates]) -> None:
    used = {statement.get("Sid") for templates in synthesised.values() for _, statement in statements(templates)}
    restoring = {"TablesRestore", "TablesFill"}  # access.restores is off in all three
    assert set(WILDCARD_REASONS) - used == restoring


def test_nobody_but_named_principals_takes_a_role(templates: Templates) -> None:
    for _, role in templates.all("AWS::IAM::Role"):
        for statement in role.properties["AssumeRolePolicyDocument"]["Statement"]:
            (kind,) = statement["Principal"]
            assert kind in {"Service", "Federated"}, role.name
            assert "*" not in flat(statement["Principal"][kind])


def deployed(value: Any, names: Mapping[str, str]) -> Any:
    """Fill in what CloudFormation would: `names` says what each reference to another stack stands for."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            return "".join(deployed(part, names) for part in value["Fn::Join"][1])
        (intrinsic,) = value if len(value) == 1 else (None,)
        if intrinsic in {"Fn::ImportValue", "Ref", "Fn::GetAtt"}:
            text = json.dumps(value[intrinsic])
            return next(found for mark, found in names.items() if mark in text)
        return {key: deployed(item, names) for key, item in value.items()}
    return [deployed(item, names) for item in value] if isinstance(value, list) else value


VALUES = {
    "dns:": "Z0987654321",
    "Users": "eu-west-1_Users12345",
    "DomainName": "d111111abcdef8.cloudfront.net",
    "ApiFirewall": "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/recall/1",
    "Role": "recall-operator",
}


def published(templates: Templates) -> Platform:
    parameters = [item.properties for item in templates.resources("operator-rights", "AWS::SSM::Parameter")]
    value = next(item["Value"] for item in parameters if item["Name"].endswith("/platform"))
    return Platform.model_validate(json.loads(deployed(value, VALUES)))


def test_the_published_document_is_the_operators_own_model(templates: Templates) -> None:
    knobs = Environment.load(environment_path(templates.environment))
    found = published(templates)
    assert found.cluster.name == knobs.cluster.name
    assert found.aws.account_id == knobs.account_id
    assert found.aws.bedrock_region == knobs.region
    assert found.dns.zone_name == knobs.dns.zone_name
    assert found.dns.hosted_zone_id in {"Z0987654321", knobs.dns.hosted_zone_id}
    assert found.identity.token_issuer == f"https://cognito-idp.{knobs.region}.amazonaws.com/eu-west-1_Users12345"
    assert found.web.distribution.dns_name == "d111111abcdef8.cloudfront.net"
    assert bool(found.ingress.annotations) is knobs.web.firewall.enabled
    assert found.workload.image.startswith(f"{knobs.account_id}.dkr.ecr.{knobs.region}.amazonaws.com/")


def test_the_operators_role_has_exactly_the_operators_own_policy(templates: Templates) -> None:
    holder = templates.one("operator-rights", "AWS::IAM::Policy").properties
    assert deployed(holder["PolicyDocument"], VALUES) == policy_document(published(templates))


def test_models_in_another_region_are_allowed_there_alone(assemblies: Path) -> None:
    elsewhere = Templates("emulated", assemblies / "emulated")
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        document = elsewhere.one("operator-rights", kind).properties["PolicyDocument"]
        named = {flat(item) for statement in document["Statement"] for item in listed(statement["Resource"])}
        models = {item for item in named if item.startswith("arn:aws:bedrock:")}
        assert models
        # The geography of us-west-2 is that of the foundation models; everything else is in the region itself.
        assert {item.split(":")[3] for item in models} <= {"us-west-2", "us-*"}
        assert {item.split(":")[3] for item in named - models if item.startswith("arn:aws:dynamodb")} == {"us-east-1"}


def test_the_operators_role_is_for_its_service_account_alone(templates: Templates) -> None:
    (role,) = templates.resources("operator-rights", "AWS::IAM::Role")
    cluster = published(templates).cluster.name
    for statement in role.properties["AssumeRolePolicyDocument"]["Statement"]:
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {
            "aws:RequestTag/eks-cluster-name": cluster,
            "aws:RequestTag/kubernetes-namespace": "recall-system",
            "aws:RequestTag/kubernetes-service-account": "recall-operator",
        }
    association = templates.one("operator-rights", "AWS::EKS::PodIdentityAssociation").properties
    assert association["ClusterName"] == cluster
    assert association["RoleArn"] == {"Fn::GetAtt": [role.name, "Arn"]}


# IAM, "IAM and AWS STS quotas": inline policies of a role together, and one managed policy, without white space.
INLINE_LIMIT, MANAGED_LIMIT = 10_240, 6_144


def test_policies_fit_into_iam(templates: Templates) -> None:
    platform = published(templates)
    for policy, limit in (
        (policy_document(platform), INLINE_LIMIT),
        (boundary_document(platform, "global"), MANAGED_LIMIT),
    ):
        assert len(json.dumps(policy, separators=(",", ":"))) <= limit
