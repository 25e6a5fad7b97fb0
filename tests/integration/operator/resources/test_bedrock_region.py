"""Bedrock in another region than the rest: where guardrails are made, and what an instance's role then allows."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from recall_local.aws.conditions import evaluable
from recall_operator.aws.client import RATES, Aws
from tests.integration.operator.resources.test_guardrail_on_aws import Guarded
from tests.integration.operator.resources.test_parts_on_aws import account, credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME, AWAY = "eu-west-1", "us-east-1"
MODEL = "amazon.nova-lite-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Hello?"}]}]


@pytest.fixture
def guarded(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    """An instance on a platform that has Bedrock elsewhere; the operator has the rights of that platform alone."""
    facts = account(emulator, bedrockRegion=AWAY)
    for name, value in credentials(emulator, facts).items():
        monkeypatch.setenv(name, value)
    aws = Aws(facts.aws.region, dict.fromkeys(RATES, (10_000.0, 10_000)), elsewhere=facts.aws.elsewhere)
    made = Guarded(emulator, facts, aws)
    made.bedrock = emulator.client("bedrock", region_name=AWAY)
    yield made
    aws.close()


async def test_the_guardrail_is_made_there_and_pods_are_told(guarded: Guarded, emulator: Any) -> None:
    await guarded.guard({"words": ["abracadabra"]})
    assert guarded.is_ready(), guarded.condition()
    assert f":{AWAY}:" in guarded.draft()["guardrailArn"]
    at_home = emulator.client("bedrock", region_name=HOME).list_guardrails()["guardrails"]
    assert guarded.guardrail_name not in {item["name"] for item in at_home}
    data = guarded.object("ConfigMap")["data"]
    assert (data["AWS_REGION"], data["RECALL_BEDROCK_REGION"]) == (HOME, AWAY)
    assert guarded.dynamodb.describe_table(TableName=guarded.table)["Table"]["TableArn"].split(":")[3] == HOME


async def test_the_role_that_the_operator_makes_reaches_models_there_and_not_at_home(
    guarded: Guarded, emulator: Any, make_bedrock: Callable[..., Any]
) -> None:
    await guarded.guard({"words": ["abracadabra"]})
    iam, name = emulator.client("iam"), f"pod-{uuid.uuid4().hex[:8]}"
    rights = iam.get_role_policy(RoleName=guarded.role, PolicyName="recall-api")["PolicyDocument"]
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="pod", PolicyDocument=json.dumps(evaluable(rights)))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    bedrock = make_bedrock(emulator.endpoint)
    there, at_home = (bedrock.client(region_name=region, **keys) for region in (AWAY, HOME))
    for model in (MODEL, f"us.{MODEL}"):
        assert there.converse(modelId=model, messages=HELLO)["stopReason"]
        assert bedrock.requests()[-1]["region"] == AWAY
    guard = {"guardrailIdentifier": guarded.id(), "guardrailVersion": "1"}
    assert there.converse(modelId=MODEL, messages=HELLO, guardrailConfig=guard)["stopReason"]
    for model in (MODEL, f"eu.{MODEL}"):
        with pytest.raises(ClientError, match="AccessDenied"):
            at_home.converse(modelId=model, messages=HELLO)
