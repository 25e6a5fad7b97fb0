"""The most that any instance's role may do: the permissions boundary that the platform puts around all of them.

With it the operator's right to make roles can't be used to gain rights: whatever a role is given, it can do no more
than the API's contract lists, in this account and its regions, and with models no farther than the residency says.
Source: IAM User Guide, "Permissions boundaries for IAM entities".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recall_api import contract
from recall_operator.models.models_spec import Residency
from recall_operator.resources.access_policy import geography

if TYPE_CHECKING:
    from recall_operator.platform import Platform


def boundary_document(platform: Platform, residency: str) -> dict[str, Any]:
    """Return the boundary as an IAM policy.

    Args:
        platform: where; its user pool's id may be a token of the CDK app.
        residency: the widest that an instance may choose, as `spec.models.residency` writes it.
    """
    region, account = platform.aws.region, platform.aws.account_id
    bedrock_region = platform.aws.bedrock_region
    widest = Residency(residency)
    regions = {
        Residency.REGION: [bedrock_region],
        Residency.GEO: [geography(bedrock_region)],
        # A global profile also asks for the model's ARN without a region.
        Residency.GLOBAL: ["*", ""],
    }[widest]
    # Embeddings are made in Bedrock's region, which "*" and the geography contain.
    models = [f"arn:aws:bedrock:{each}::foundation-model/*" for each in regions]
    if widest is not Residency.REGION:
        models.append(f"arn:aws:bedrock:{bedrock_region}:{account}:inference-profile/*")
    pool = f"arn:aws:cognito-idp:{region}:{account}:userpool/{platform.identity.user_pool_id}"
    statements: list[dict[str, Any]] = [
        _allow(
            "Tables",
            sorted(
                {
                    *contract.MEMORIES_TABLE_ACTIONS,
                    *contract.USERS_TABLE_ACTIONS,
                    *contract.KEYS_TABLE_ACTIONS,
                    *contract.KEYED_USERS_ACTIONS,
                }
            ),
            [f"arn:aws:dynamodb:{region}:{account}:table/*"],
        ),
        _allow("TablesKeys", sorted(contract.TABLE_KEY_ACTIONS), [f"arn:aws:kms:{region}:{account}:key/*"])
        | {"Condition": {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}}},
        # A named user's data key and nothing else that a key may be used for.
        _allow("UserKeys", sorted(contract.USER_KEYS_ACTIONS), [f"arn:aws:kms:*:{account}:key/*"])
        | {"Condition": {"Null": {f"kms:EncryptionContext:{contract.CONTEXT_USER}": "false"}}},
        _allow("Models", sorted(contract.BEDROCK_ACTIONS), models),
        # AWS bounds it by no resource.
        _allow("Profiles", sorted(contract.BEDROCK_DISCOVERY_ACTIONS), ["*"]),
        _allow(
            "Guardrails",
            sorted(contract.GUARDRAIL_ACTIONS),
            [f"arn:aws:bedrock:{bedrock_region}:{account}:guardrail/*"],
        ),
        _allow("UserPool", sorted(contract.USER_POOL_ACTIONS), [pool]),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
