"""What the API's role allows: exactly what the API's contract lists, on what belongs to this instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_operator.models.models_spec import Residency
from recall_operator.resources.guardrail import guardrail_id
from recall_operator.resources.table_names import KEYS, roles, table_arn, table_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.resources.part import Subject

_GUARDRAIL_SID: Final = "Guardrail"
_GEOGRAPHIES: Final = {"us": "us-*", "ca": "ca-*", "eu": "eu-*", "ap": "ap-*", "us-gov": "us-gov-*"}
"""Regions to which an inference profile of a geography may send a prompt, by the start of Bedrock's region."""


def geography(region: str) -> str:
    """Return the pattern of the regions that an inference profile of this region's geography may choose."""
    start = "us-gov" if region.startswith("us-gov") else region.split("-", 1)[0]
    return _GEOGRAPHIES.get(start, region)


def model_resources(subject: Subject) -> list[str]:
    """Return the ARNs of the models that the instance may use, as far as its residency lets prompts travel.

    Calling an inference profile takes the right to the profile and to the model in every region that it may choose
    (Bedrock user guide, "Prerequisites for inference profiles").
    """
    models, aws = subject.instance.spec.models, subject.platform.aws
    regions = {
        Residency.REGION: [aws.bedrock_region],
        Residency.GEO: [geography(aws.bedrock_region)],
        # A global profile also asks for the model's ARN without a region.
        Residency.GLOBAL: ["*", ""],
    }[models.residency]
    chat = [f"arn:aws:bedrock:{region}::foundation-model/{model}" for model in models.chat for region in regions]
    embedding = f"arn:aws:bedrock:{aws.bedrock_region}::foundation-model/{models.embedding.model}"
    profiles = (
        [f"arn:aws:bedrock:{aws.bedrock_region}:{aws.account_id}:inference-profile/*.{model}" for model in models.chat]
        if models.residency is not Residency.REGION
        else []
    )
    return sorted({embedding, *chat, *profiles})


def user_pool_arn(subject: Subject) -> str:
    """Return the ARN of the user pool that the instance's users sign in to."""
    aws = subject.platform.aws
    return f"arn:aws:cognito-idp:{aws.region}:{aws.account_id}:userpool/{subject.platform.identity.user_pool_id}"


def access_policy(
    subject: Subject, outputs: Mapping[str, str], found: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what the API may do: what its contract lists, on this instance's tables, models and guardrail.

    While the guardrail's id is not known, what `found` says of it stays: running pods go on using it.
    """
    statements: list[tuple[str, Iterable[str], list[str]]] = [
        ("Memories", contract.MEMORIES_TABLE_ACTIONS, [table_arn(subject, "memories")]),
        ("Users", contract.USERS_TABLE_ACTIONS, [table_arn(subject, "users")]),
        ("Models", contract.BEDROCK_ACTIONS, model_resources(subject)),
        ("UserPool", contract.USER_POOL_ACTIONS, [user_pool_arn(subject)]),
        ("Profiles", contract.BEDROCK_DISCOVERY_ACTIONS, ["*"]),
    ]
    identifier, kept = guardrail_id(subject, outputs), []
    if identifier:
        aws = subject.platform.aws
        arn = f"arn:aws:bedrock:{aws.bedrock_region}:{aws.account_id}:guardrail/{identifier}"
        statements.append((_GUARDRAIL_SID, contract.GUARDRAIL_ACTIONS, [arn]))
    elif subject.instance.spec.models.guardrail:
        kept = [item for item in (found or {}).get("Statement", ()) if item.get("Sid") == _GUARDRAIL_SID]
    return {
        "Version": "2012-10-17",
        "Statement": [
            *(
                {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}
                for sid, actions, resources in statements
            ),
            *kept,
            _key_statement(subject),
            *_user_key_statements(subject),
        ],
    }


def _key_statement(subject: Subject) -> dict[str, Any]:
    """Return the right to use a customer's key of the instance's own tables.

    Whatever the spec says of a key: one that is taken out of it goes on encrypting the tables.
    """
    aws = subject.platform.aws
    return {
        "Sid": "TablesKey",
        "Effect": "Allow",
        "Action": list(contract.TABLE_KEY_ACTIONS),
        "Resource": [f"arn:aws:kms:{aws.region}:{aws.account_id}:key/*"],
        "Condition": {
            "StringEquals": {
                "kms:ViaService": f"dynamodb.{aws.region}.amazonaws.com",
                # Source: DynamoDB Developer Guide, Encryption at rest usage notes, "DynamoDB encryption context".
                "kms:EncryptionContext:aws:dynamodb:tableName": [table_name(subject, role) for role in roles(subject)],
            }
        },
    }


def _user_key_statements(subject: Subject) -> list[dict[str, Any]]:
    """Return the rights that users' own data keys take, if they have any.

    On the KMS key they hold for data keys of this instance's table and of a named user, and for nothing else that the
    key may be used for. Source: AWS KMS Developer Guide, Condition keys for AWS KMS.
    """
    keys = subject.instance.spec.encryption.per_user_keys
    if keys is None:
        return []
    context = "kms:EncryptionContext:"
    return [
        {
            "Sid": "Keys",
            "Effect": "Allow",
            "Action": list(contract.KEYS_TABLE_ACTIONS),
            "Resource": [table_arn(subject, KEYS)],
        },
        {
            "Sid": "UsersWithKeys",
            "Effect": "Allow",
            "Action": list(contract.KEYED_USERS_ACTIONS),
            "Resource": [table_arn(subject, "users")],
        },
        {
            "Sid": "UserKeys",
            "Effect": "Allow",
            "Action": list(contract.USER_KEYS_ACTIONS),
            "Resource": [keys.kms_key_arn],
            "Condition": {
                "StringEquals": {f"{context}{contract.CONTEXT_TABLE}": table_name(subject, KEYS)},
                "Null": {f"{context}{contract.CONTEXT_USER}": "false"},
                "ForAllValues:StringEquals": {
                    "kms:EncryptionContextKeys": [contract.CONTEXT_TABLE, contract.CONTEXT_USER]
                },
            },
        },
    ]
