"""On one machine too, the emulated Cognito runs the function that tells the tier."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

from recall_local.aws import account
from recall_local.aws.tier_trigger import packed
from tests.integration.api.conftest import CALLBACK, tokens_from_hosted_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Emulator


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_user_who_pays_gets_another_tier_in_both_tokens(emulator: Emulator, tmp_path: Path) -> None:
    platform = account.prepare(
        emulator.endpoint,
        bedrock_endpoint="http://127.0.0.1:1",
        stack_name="tiers",
        edge_port=8080,
        api_image="recall-api:test",
        state_folder=tmp_path,
    )
    pool = platform.identity.user_pool_id
    cognito, dynamodb = emulator.client("cognito-idp"), emulator.client("dynamodb")
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName=f"recall.tiers.default.beta@{uuid.uuid4()}",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid", "email", "profile"],
        CallbackURLs=[CALLBACK],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]["ClientId"]
    table = "recall.tiers.default.beta.users"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    user = account.demo_user(tmp_path)

    def tiers() -> set[str]:
        tokens = tokens_from_hosted_page(emulator.endpoint, client, user.email, user.password)
        return {claims(tokens[kind])["tier"] for kind in ("id_token", "access_token")}

    assert tiers() == {"free"}
    subject = next(
        item["Value"]
        for item in cognito.admin_get_user(UserPoolId=pool, Username=user.email)["UserAttributes"]
        if item["Name"] == "sub"
    )
    profile = {"pk": {"S": f"USER#{subject}"}, "sk": {"S": "PROFILE"}, "tier": {"S": "premium"}}
    dynamodb.put_item(TableName=table, Item=profile)
    assert tiers() == {"premium"}


def test_the_same_code_is_packed_into_the_same_bytes() -> None:
    assert packed() == packed()
