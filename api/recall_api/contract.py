"""What the operator must give the API: tables, keys, environment names, ports and paths.

This is the only module of the API that the operator may import (an import contract checks it). It holds plain
data, so that a change on either side that breaks the other fails in type checks and tests, not in a cluster.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

# --- Tables -------------------------------------------------------------------------------------------------------

PARTITION_KEY: Final = "pk"
"""Partition key of both tables (string): `USER#<sub>`."""

SORT_KEY: Final = "sk"
"""Sort key of both tables (string): the kind of item and its id, such as `MEM#<ulid>`."""

TIME_TO_LIVE_ATTRIBUTE: Final = "expiresAt"
"""Attribute that holds the second (Unix time) after which DynamoDB may delete an item."""

MEMORIES_TABLE_ACTIONS: Final = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""IAM actions that the API calls on the memories table; the operator grants exactly these."""

USERS_TABLE_ACTIONS: Final = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""IAM actions that the API calls on the users table; the operator grants exactly these."""

USER_POOL_ACTIONS: Final = ("cognito-idp:AdminDeleteUser",)
"""IAM actions on the user pool: who deletes an account deletes its sign-in too."""

BEDROCK_ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""IAM actions behind Converse, ConverseStream and InvokeModel, granted on the models the instance allows.

Source: Service Authorization Reference, Amazon Bedrock.
"""

BEDROCK_DISCOVERY_ACTIONS: Final = ("bedrock:ListInferenceProfiles",)
"""IAM actions that have no resource: which inference profiles the account has.

Source: Service Authorization Reference, Amazon Bedrock.
"""

GUARDRAIL_ACTIONS: Final = ("bedrock:ApplyGuardrail",)
"""IAM actions on the instance's guardrail, granted only when it has one."""

# --- Network ------------------------------------------------------------------------------------------------------

API_PORT: Final = 8080
"""Port of the public API in the pod."""

METRICS_PORT: Final = 9090
"""Port of `/metrics` in the pod; never routed from outside the cluster."""

LIVENESS_PATH: Final = "/health/live"
READINESS_PATH: Final = "/health/ready"
METRICS_PATH: Final = "/metrics"

DRAIN_SECONDS: Final = 25
"""Time that a stopping pod gives running answers before it closes them."""

USER_ID: Final = 65532
"""Unix user and group of the container; it owns nothing in the image."""

# --- Sign-in ------------------------------------------------------------------------------------------------------

SIGN_IN_SCOPES: Final = ("openid", "email", "profile")
"""OAuth scopes that the app client allows and the API asks for."""

REQUIRED_SCOPE: Final = "openid"
"""Scope without which an access token is refused."""


class Environment(StrEnum):
    """Environment variables that the operator sets and the API reads; values are strings."""

    INSTANCE = "RECALL_INSTANCE"
    """`<namespace>/<name>` of the RecallInstance."""
    HOSTNAME = "RECALL_HOSTNAME"
    """Host name of the web app, such as `beta.example.org`; the API is `api.` before it."""
    WEB_ORIGINS = "RECALL_WEB_ORIGINS"
    """Comma-separated origins (scheme, host, port) whose pages may call the API."""
    MEMORIES_TABLE = "RECALL_MEMORIES_TABLE"
    USERS_TABLE = "RECALL_USERS_TABLE"
    TOKEN_ISSUER = "RECALL_TOKEN_ISSUER"  # noqa: S105 - a name, not a secret
    """Exact `iss` of access tokens."""
    JWKS_URL = "RECALL_JWKS_URL"
    """Address of the issuer's public keys."""
    SIGN_IN_URL = "RECALL_SIGN_IN_URL"
    """Base address of the hosted sign-in pages (`/oauth2/authorize` and so on lie below it)."""
    USER_POOL_ID = "RECALL_USER_POOL_ID"
    CLIENT_ID = "RECALL_CLIENT_ID"
    """App client id; access tokens of any other client are refused."""
    CHAT_MODELS = "RECALL_CHAT_MODELS"
    """Comma-separated Bedrock model ids that users may choose; the first is the default."""
    EMBEDDING_MODEL = "RECALL_EMBEDDING_MODEL"
    EMBEDDING_DIMENSIONS = "RECALL_EMBEDDING_DIMENSIONS"
    RESIDENCY = "RECALL_RESIDENCY"
    """`region`, `geo` or `global`: how far prompts may travel (Bedrock inference profiles)."""
    GUARDRAIL_ID = "RECALL_GUARDRAIL_ID"
    """Empty when the instance has no guardrail."""
    GUARDRAIL_VERSION = "RECALL_GUARDRAIL_VERSION"
