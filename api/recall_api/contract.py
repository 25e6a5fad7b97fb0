"""What the operator must give the API: tables, keys, environment names, ports and paths.

This is the only module of the API that the operator may import (an import contract checks it). It holds plain
data, so that a change on either side that breaks the other fails in type checks and tests, not in a cluster.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- Tables -------------------------------------------------------------------------------------------------------

PARTITION_KEY: Final = "pk"
"""Partition key of all tables (string): `USER#<sub>`."""

SORT_KEY: Final = "sk"
"""Sort key of all tables (string): the kind of item and its id, such as `MEM#<ulid>`."""

TIME_TO_LIVE_ATTRIBUTE: Final = "expiresAt"
"""Attribute that holds the second (Unix time) after which DynamoDB may delete an item."""

MEMORIES_TABLE_ACTIONS: Final[Mapping[str, str]] = {
    "dynamodb:BatchGetItem": "read the memories that a search found",
    "dynamodb:BatchWriteItem": "erase an account's items, many at a time",
    "dynamodb:ConditionCheckItem": "keep an index only if its memories are still what it was made from",
    "dynamodb:DeleteItem": "delete memories, and the guard against duplicates with them",
    "dynamodb:GetItem": "read a memory, a conversation, a snapshot of an index",
    "dynamodb:PutItem": "store memories, vectors, messages and snapshots",
    "dynamodb:Query": "list memories, conversations and messages",
    "dynamodb:UpdateItem": "change memories and conversations, count versions",
}
"""IAM actions that the API calls on the memories table, each with why; the operator grants exactly these."""

USERS_TABLE_ACTIONS: Final[Mapping[str, str]] = {
    "dynamodb:BatchGetItem": "read a profile, and whether the account is being deleted, in one go",
    "dynamodb:BatchWriteItem": "erase an account's items, many at a time",
    "dynamodb:DeleteItem": "delete personal access tokens",
    "dynamodb:GetItem": "read profile, tier, usage and tokens",
    "dynamodb:PutItem": "store tokens, spenders and deletions",
    "dynamodb:Query": "list tokens, spenders and deletions that are not done",
    "dynamodb:UpdateItem": "reserve and settle budgets, change profiles",
}
"""The same on the users table."""

KEYS_TABLE_ACTIONS: Final[Mapping[str, str]] = {
    "dynamodb:DeleteItem": "delete a user's wrapped key first of all when the account is deleted",
    "dynamodb:GetItem": "read a user's wrapped key",
    "dynamodb:PutItem": "keep the wrapped key that a user's first write makes",
}
"""The same on the keys table, which there is only with `spec.encryption.perUserKeys`."""

KEYED_USERS_ACTIONS: Final[Mapping[str, str]] = {
    "dynamodb:ConditionCheckItem": "make no data key for an account that is being deleted",
}
"""What the API calls on the users table beside `USERS_TABLE_ACTIONS` when users have keys of their own."""

USER_KEYS_ACTIONS: Final[Mapping[str, str]] = {
    "kms:Decrypt": "unwrap a user's data key",
    "kms:GenerateDataKey": "make a user's data key at the first write",
}
"""IAM actions on the KMS key that wraps users' data keys, granted for this encryption context only."""

CONTEXT_TABLE: Final = "recall:keys-table"
"""Key in the encryption context of every data key; its value is the name of the keys table.

It names the instance by what its keys can't do without, so that an instance that takes the table over can use them.
"""

CONTEXT_USER: Final = "recall:user"
"""Key in the encryption context of every data key; its value is the `sub` of the user."""

TABLE_KEY_ACTIONS: Final[Mapping[str, str]] = {
    "kms:Decrypt": "DynamoDB uses a customer's key of the tables on behalf of who reads or writes",
}
"""IAM actions on a customer's key that encrypts the tables, if there is one.

Source: DynamoDB Developer Guide, Encryption at rest usage notes.
"""

USER_POOL_ACTIONS: Final[Mapping[str, str]] = {
    "cognito-idp:AdminDeleteUser": "who deletes an account deletes its sign-in too",
}
"""IAM actions on the user pool."""

BEDROCK_ACTIONS: Final[Mapping[str, str]] = {
    "bedrock:InvokeModel": "embed memories and questions",
    "bedrock:InvokeModelWithResponseStream": "chat (ConverseStream)",
}
"""IAM actions behind InvokeModel and ConverseStream, granted on the models that the instance allows.

Source: Service Authorization Reference, Amazon Bedrock.
"""

BEDROCK_DISCOVERY_ACTIONS: Final[Mapping[str, str]] = {
    "bedrock:ListInferenceProfiles": "which inference profiles reach the models within the residency",
}
"""IAM actions that have no resource.

Source: Service Authorization Reference, Amazon Bedrock.
"""

GUARDRAIL_ACTIONS: Final[Mapping[str, str]] = {
    "bedrock:ApplyGuardrail": "chat under the instance's guardrail",
}
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
    KEYS_TABLE = "RECALL_KEYS_TABLE"
    """Table of wrapped data keys; set, with the next one, when each user's data is sealed by a key of their own."""
    USER_KEYS_KMS_KEY = "RECALL_USER_KEYS_KMS_KEY"
    """ARN of the KMS key that wraps them."""
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
    BEDROCK_REGION = "RECALL_BEDROCK_REGION"
    """Region in which models and the guardrail are asked, where that is not the region of the rest (`AWS_REGION`)."""
    GUARDRAIL_ID = "RECALL_GUARDRAIL_ID"
    """Empty when the instance has no guardrail."""
    GUARDRAIL_VERSION = "RECALL_GUARDRAIL_VERSION"
    FREE_BUDGET = "RECALL_FREE_BUDGET"
    """What a user of the free tier may spend on models a month, in micro-dollars."""
    PREMIUM_BUDGET = "RECALL_PREMIUM_BUDGET"
    TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
    """Address of an OpenTelemetry collector; OpenTelemetry's own variable."""
