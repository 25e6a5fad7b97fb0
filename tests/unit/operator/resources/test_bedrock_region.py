"""Models and guardrails in a region of their own: asked there, allowed there and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_api.contract import Environment
from recall_api.models.registry import geographies
from recall_operator.aws.client import RATES, Aws
from recall_operator.models.models_spec import Residency
from recall_operator.permissions.access_boundary import boundary_document
from recall_operator.permissions.operator_policy import policy_document
from recall_operator.platform import AwsFacts, Platform
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.workload_manifests import configuration
from tests.unit.operator.fakes import ACCOUNT, World, platform
from tests.unit.operator.permissions.test_policies import subject

if TYPE_CHECKING:
    from recall_operator.resources.part import Subject

HOME, AWAY = "eu-west-1", "us-east-1"
GUARDRAIL = {"id": "gr1", "version": "1"}
TABLES = {"memories": "m", "users": "u"}


def away() -> Platform:
    return platform(aws={"accountId": ACCOUNT, "region": HOME, "bedrockRegion": AWAY})


def there(**models: Any) -> Subject:
    return replace(subject(**models), platform=away())


def resources(document: dict[str, Any], action: str) -> set[str]:
    return {
        resource
        for statement in document["Statement"]
        if any(name.startswith(action) for name in statement["Action"])
        for resource in statement["Resource"]
    }


def test_bedrock_is_asked_where_the_rest_is_unless_the_platform_says_otherwise() -> None:
    facts = AwsFacts(account_id=ACCOUNT, region=HOME)
    assert facts.bedrock_region == HOME
    assert not facts.elsewhere
    assert away().aws.elsewhere == {"bedrock": AWAY}
    assert AwsFacts.model_validate(away().aws.model_dump(by_alias=True)) == away().aws
    with pytest.raises(ValueError, match="bedrockRegion"):
        AwsFacts.model_validate({"accountId": ACCOUNT, "region": HOME, "bedrockRegion": "the moon"})


@pytest.mark.parametrize("by_alias", [True, False])
def test_the_same_region_is_not_written_down_for_earlier_operators_know_no_such_field(by_alias: bool) -> None:
    said = AwsFacts(account_id=ACCOUNT, region=HOME, bedrock_region=HOME).model_dump(by_alias=by_alias)
    assert said == AwsFacts(account_id=ACCOUNT, region=HOME).model_dump(by_alias=by_alias)
    assert not [name for name in said if "edrock" in name]


def test_the_operators_clients_ask_bedrock_there_and_everything_else_at_home() -> None:
    aws = Aws(HOME, elsewhere=away().aws.elsewhere)
    try:
        asked = {name: client.meta.region_name for name, client in aws._clients.items()}
    finally:
        aws.close()
    # Route 53 and IAM have no regions: boto3 says so by a name of its own.
    assert {name: region for name, region in asked.items() if region != HOME} == {
        "bedrock": AWAY,
        "iam": "aws-global",
        "route53": "aws-global",
    }
    assert set(asked) == set(RATES)


def test_the_operator_may_keep_guardrails_there_alone() -> None:
    named = {item for item in resources(policy_document(away()), "bedrock:") if item != "*"}
    assert named == {f"arn:aws:bedrock:{AWAY}:{ACCOUNT}:guardrail/*"}
    others = {item for item in resources(policy_document(away()), "dynamodb:") if item != "*"}
    assert others
    assert all(f":{HOME}:" in item for item in others)


@pytest.mark.parametrize(
    ("residency", "regions"), [("region", {AWAY}), ("geo", {AWAY, "us-*"}), ("global", {AWAY, "*", ""})]
)
def test_prompts_travel_from_there(residency: str, regions: set[str]) -> None:
    found = resources(access_policy(there(residency=residency, guardrail=GUARDRAIL), {}), "bedrock:") - {"*"}
    assert {item.split(":")[3] for item in found} == regions
    assert f"arn:aws:bedrock:{AWAY}:{ACCOUNT}:guardrail/gr1" in found


@given(widest=st.sampled_from(Residency), chosen=st.sampled_from(Residency))
def test_the_boundary_bounds_from_there(widest: Residency, chosen: Residency) -> None:
    bounds = resources(boundary_document(away(), widest.value), "bedrock:Invoke")
    asked = resources(access_policy(there(residency=chosen.value), {}), "bedrock:Invoke")
    order = list(Residency)
    regions = {item.split(":")[3] for item in bounds}
    outside = {item.split(":")[3] for item in asked} - regions
    assert ("*" in regions or not outside) is (order.index(chosen) <= order.index(widest))
    assert widest is Residency.GLOBAL or not any(region.startswith("eu") for region in regions)


def test_rights_and_names_of_profiles_mean_the_same_geography() -> None:
    """The API names a profile by the region's geography; the role allows the regions of that geography."""
    for region, pattern in (("us-east-1", "us-*"), ("eu-central-1", "eu-*"), ("ap-southeast-1", "ap-*")):
        facts = platform(aws={"accountId": ACCOUNT, "region": HOME, "bedrockRegion": region})
        found = resources(access_policy(replace(subject(residency="geo"), platform=facts), {}), "bedrock:Invoke")
        assert f"arn:aws:bedrock:{pattern}::foundation-model/amazon.nova-lite-v1:0" in found
        assert geographies(region)[0] in {"us", "eu", "apac"}


def test_pods_are_told_only_of_another_region() -> None:
    assert configuration(there(), "client", TABLES)[Environment.BEDROCK_REGION.value] == AWAY
    assert configuration(there(), "client", TABLES)["AWS_REGION"] == HOME
    assert Environment.BEDROCK_REGION.value not in configuration(subject(), "client", TABLES)


async def test_a_guardrail_that_is_not_there_is_missed_in_the_region_that_was_asked() -> None:
    world = World(aws=away().aws.model_dump(by_alias=True))
    key = world.kubernetes.put_instance({"hostname": "beta.example.org", "models": {"guardrail": GUARDRAIL}})
    for _ in range(6):
        await world.once(key)
    assert f"does not exist in this account in {AWAY}" in world.kubernetes.condition(key, "GuardrailReady")["message"]
