"""Cognito's pre token generation trigger (event version 2): puts the user's tier into both tokens.

The tier stands in the users table of the RecallInstance whose app client signs in; the client's name says which that
is. Nobody is kept out by this function: without an answer in time the user signs in as `free`, and the API, which reads
the tier itself, goes on giving what was paid for. It runs as AWS Lambda with nothing but boto3 beside it.

Source of the event: Cognito Developer Guide, "Pre token generation Lambda trigger". Cognito waits 5 s for an answer.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import boto3
from botocore.config import Config

CLAIM: Final = "tier"
FREE: Final = "free"
TIERS: Final = frozenset({FREE, "premium"})
LIMIT_SECONDS: Final = float(os.environ.get("RECALL_TIER_LIMIT_SECONDS", "2"))
"""Time for both questions together; Cognito itself gives up, and refuses the sign-in, after 5 s."""

_TABLES: Final[dict[str, str]] = json.loads(os.environ.get("RECALL_USERS_TABLES", "{}"))
"""Users tables with names of their own, by the client's name before its `@`."""

_SETTINGS: Final = Config(connect_timeout=1, read_timeout=LIMIT_SECONDS, retries={"total_max_attempts": 2})
_cognito = boto3.client("cognito-idp", config=_SETTINGS)
_dynamodb = boto3.client("dynamodb", config=_SETTINGS)
_workers = ThreadPoolExecutor(max_workers=4)
_tables: dict[str, str] = {}
"""Users table by client id: a client's instance never changes."""


def users_table(client_name: str) -> str:
    """Return the users table of the instance whose client bears this name: `recall.<cluster>.<namespace>.<name>@<uid>`.

    Raises:
        ValueError: the client is no instance's.
    """
    instance, at, _uid = client_name.partition("@")
    if not at or not instance.startswith("recall."):
        raise ValueError("the client is no RecallInstance's")
    return _TABLES.get(instance) or f"{instance}.users"


def find_tier(user_pool_id: str, client_id: str, subject: str) -> str:
    """Return the tier that the users table gives the user; `free` when it gives none.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS did not answer, or refused.
        ValueError: the client is no instance's.
    """
    if client_id not in _tables:
        found = _cognito.describe_user_pool_client(UserPoolId=user_pool_id, ClientId=client_id)
        _tables[client_id] = users_table(found["UserPoolClient"]["ClientName"])
    answer = _dynamodb.get_item(
        TableName=_tables[client_id],
        Key={"pk": {"S": f"USER#{subject}"}, "sk": {"S": "PROFILE"}},
        ProjectionExpression="tier",
    )
    tier = answer.get("Item", {}).get("tier", {}).get("S", FREE)
    return tier if tier in TIERS else FREE


def handler(event: dict[str, Any], _context: object = None) -> dict[str, Any]:
    """Answer the trigger; never raises."""
    tier = FREE
    try:
        client_id, subject = event["callerContext"]["clientId"], event["request"]["userAttributes"]["sub"]
        tier = _workers.submit(find_tier, event["userPoolId"], client_id, subject).result(LIMIT_SECONDS)
    except Exception as error:  # whatever it is, people must be able to sign in
        # Neither the user nor the error's text: it may hold what the table holds.
        print(json.dumps({"message": "The tier was not found: signed in as free.", "error": type(error).__name__}))  # noqa: T201
    claims = {"claimsToAddOrOverride": {CLAIM: tier}}
    event["response"] = {
        "claimsAndScopeOverrideDetails": {"idTokenGeneration": claims, "accessTokenGeneration": claims}
    }
    return event
