"""What the operator itself may do on AWS: each action once, with why, on as little as can be named beforehand.

`python -m recall_operator.permissions.operator_policy --platform platform.yaml` prints the policy as JSON. The CDK app
attaches it to the operator's role, and so does the local stack, where it is enforced.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recall_operator.models.base import GROUP
from recall_operator.ownership import CLUSTER_TAG
from recall_operator.platform import Platform
from recall_operator.resources.access import role_prefix
from recall_operator.resources.table_names import TABLE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Grant:
    """Some actions on some resources; each action with the reason for it."""

    sid: str
    actions: Mapping[str, str]
    resources: tuple[str, ...]
    condition: Mapping[str, Any] = field(default_factory=dict)


def grants(platform: Platform) -> tuple[Grant, ...]:
    """Return everything that the operator may do, for one platform."""
    region, account, cluster = platform.aws.region, platform.aws.account_id, platform.cluster.name
    boundary = platform.access.permissions_boundary_arn
    # A user may name tables freely, so the name can't bound the right; the owner's tag bounds what destroys data.
    tables = (f"arn:aws:dynamodb:{region}:{account}:table/*",)
    roles = (f"arn:aws:iam::{account}:role/{role_prefix(cluster)}*",)
    guardrails = (f"arn:aws:bedrock:{platform.aws.bedrock_region}:{account}:guardrail/*",)
    associations = (f"arn:aws:eks:{region}:{account}:podidentityassociation/{cluster}/*",)
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else {}
    return (
        Grant(
            "TablesRead",
            {
                "dynamodb:DescribeTable": "whether a table is there, and how",
                "dynamodb:DescribeContinuousBackups": "whether point-in-time recovery is on",
                "dynamodb:DescribeTimeToLive": "whether expired items are deleted",
            },
            tables,
        ),
        Grant(
            "TablesKeep",
            {
                "dynamodb:CreateTable": "make an instance's tables",
                "dynamodb:UpdateContinuousBackups": "switch point-in-time recovery as the spec says",
                "dynamodb:UpdateTimeToLive": "let expired items be deleted",
                "dynamodb:UpdateTable": "switch deletion protection, billing and key as the spec says",
            },
            tables,
        ),
        *_backup_grants(region, account, cluster),
        *(_restore_grants(region, account) if platform.access.restores else ()),
        Grant(
            "TablesEncrypt",
            {
                "kms:CreateGrant": "let DynamoDB go on using the key that spec.tables.kmsKeyArn names",
                "kms:DescribeKey": "DynamoDB looks at the key before it uses it",
                **dict.fromkeys(_KEY_USE, "DynamoDB wants whoever chooses a table's key to be allowed this on it"),
            },
            (f"arn:aws:kms:{region}:{account}:key/*",),
            {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
        ),
        Grant(
            "TablesDelete",
            {"dynamodb:DeleteTable": "only where spec.deletionPolicy.tables is Delete, and only this cluster's tables"},
            tables,
            # Not IfExists: a table without tags is somebody else's.
            {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}},
        ),
        # Tagging is not bounded by the resource (some implementations check it against none), but by the tags: the
        # operator's own and no others. Reading tags shows no data.
        Grant(
            "TablesTag",
            {"dynamodb:TagResource": "mark tables as the instance's or released, and with the tags that the spec adds"},
            ("*",),
        ),
        Grant(
            "MarksRead",
            {
                "dynamodb:ListTagsOfResource": "who owns a table",
                "bedrock:ListTagsForResource": "who owns a guardrail",
            },
            ("*",),
        ),
        # Account-wide lists, shared by all instances; neither can be bounded by a resource.
        Grant(
            "Lists",
            {
                "tag:GetResources": "which tables and certificates are there and whose they are, in one list",
                "iam:GetAccountAuthorizationDetails": "all instances' roles with their policies, in one list",
                "bedrock:ListGuardrails": "find an instance's guardrail by its name, and its versions",
            },
            ("*",),
        ),
        Grant(
            "Marks",
            {
                "dynamodb:UntagResource": "take the mark of release off when a table is adopted",
                "eks:TagResource": "mark associations as the instance's",
                "bedrock:TagResource": "mark guardrails as the instance's or released",
                "bedrock:UntagResource": "take the mark of release off when a guardrail is adopted",
            },
            ("*",),
            {"ForAllValues:StringLike": {"aws:TagKeys": f"{GROUP}/*"}},
        ),
        Grant(
            "AppClients",
            {
                "cognito-idp:ListUserPoolClients": "find an instance's client by its name",
                "cognito-idp:DescribeUserPoolClient": "see whether it is as the spec says",
                "cognito-idp:CreateUserPoolClient": "make it",
                "cognito-idp:UpdateUserPoolClient": "mend it",
                "cognito-idp:DeleteUserPoolClient": "take it away with its instance",
                "cognito-idp:DescribeManagedLoginBrandingByClient": "see how its sign-in pages look",
                "cognito-idp:CreateManagedLoginBranding": "give them the look of spec.signIn.branding",
                "cognito-idp:UpdateManagedLoginBranding": "mend that",
            },
            (f"arn:aws:cognito-idp:{region}:{account}:userpool/{platform.identity.user_pool_id}",),
        ),
        Grant("GuardrailsRead", {"bedrock:GetGuardrail": "see whether a guardrail is as the spec says"}, guardrails),
        Grant(
            "GuardrailsMake",
            {"bedrock:CreateGuardrail": "make one from spec.models.guardrail.policy, marked as this cluster's"},
            ("*",),
            {"StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": cluster}},
        ),
        Grant(
            "GuardrailsKeep",
            {
                "bedrock:UpdateGuardrail": "let its draft follow the policy",
                "bedrock:CreateGuardrailVersion": "fix the draft in a version, which the API uses",
                "bedrock:DeleteGuardrail": "take old versions away, and the guardrail with its instance",
            },
            guardrails,
            {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}},
        ),
        Grant(
            "RolesRead",
            {
                "iam:GetRole": "whether an instance's role is there, whose it is, and who may take it",
                "iam:GetRolePolicy": "what the role may do",
            },
            roles,
        ),
        Grant(
            "RolesGrant",
            {
                "iam:CreateRole": "make an instance's role",
                "iam:PutRolePolicy": "give it exactly the API's needs",
                **(
                    {"iam:PutRolePermissionsBoundary": "bound a role made before there was a boundary"}
                    if boundary
                    else {}
                ),
            },
            roles,
            bounded,
        ),
        Grant(
            "RolesKeep",
            {
                "iam:TagRole": "mark it as the instance's",
                "iam:UpdateAssumeRolePolicy": "mend who may take it",
                "iam:DeleteRolePolicy": "empty it before it is deleted",
                "iam:DeleteRole": "take it away with its instance",
            },
            roles,
        ),
        Grant(
            "RolesPass",
            {"iam:PassRole": "hand the role to EKS Pod Identity, and to nothing else"},
            roles,
            {"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}},
        ),
        Grant(
            "Associations",
            {
                "eks:ListPodIdentityAssociations": "find the association of an instance's service account",
                "eks:CreatePodIdentityAssociation": "tie the role to the service account",
                "eks:DescribePodIdentityAssociation": "see whose it is and which role it gives",
                "eks:UpdatePodIdentityAssociation": "mend the role it gives",
                "eks:DeletePodIdentityAssociation": "take it away with its instance",
            },
            (f"arn:aws:eks:{region}:{account}:cluster/{cluster}", *associations),
        ),
        *_certificate_grants(region, account, cluster),
        Grant(
            "Names",
            {
                "route53:ListResourceRecordSets": "what stands at an instance's names, and whose it is",
                "route53:ChangeResourceRecordSets": "write, mend and delete them together with their ownership records",
            },
            (f"arn:aws:route53:::hostedzone/{platform.dns.hosted_zone_id}",),
        ),
    )


def _certificate_grants(region: str, account: str, cluster: str) -> tuple[Grant, ...]:
    # Conditions and resource types: Service Authorization Reference, AWS Certificate Manager.
    certificates = (f"arn:aws:acm:{region}:{account}:certificate/*",)
    return (
        Grant("CertificatesList", {"acm:ListCertificates": "find an instance's certificates by their names"}, ("*",)),
        Grant(
            "CertificatesRead",
            {
                "acm:DescribeCertificate": "whether one is issued, what proves it, and what shows it",
                "acm:ListTagsForCertificate": "who owns a certificate",
            },
            certificates,
        ),
        Grant(
            "CertificatesRequest",
            {"acm:RequestCertificate": "make an instance's certificate (spec.certificate.mode ACM)"},
            ("*",),
            {"StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": cluster, "acm:ValidationMethod": "DNS"}},
        ),
        Grant(
            "CertificatesMark",
            {
                "acm:AddTagsToCertificate": "mark certificates as the instance's or released",
                "acm:RemoveTagsFromCertificate": "take the mark of release off when one is adopted",
            },
            certificates,
            {"ForAllValues:StringLike": {"aws:TagKeys": f"{GROUP}/*"}},
        ),
        Grant(
            "CertificatesDelete",
            {"acm:DeleteCertificate": "take it away with its instance, or when another replaces it"},
            certificates,
            {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}},
        ),
    )


_KEY_USE: Final = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""Source: DynamoDB Developer Guide, Encryption at rest usage notes, "Key policy for a customer managed key"."""


def _backup_grants(region: str, account: str, cluster: str) -> tuple[Grant, ...]:
    tables = f"arn:aws:dynamodb:{region}:{account}:table"
    return (
        Grant("BackupsMake", {"dynamodb:CreateBackup": "back up a table as a RecallBackup asks"}, (f"{tables}/*",)),
        Grant(
            "BackupsRead",
            {"dynamodb:DescribeBackup": "whether a backup is ready, and how large; it shows no items"},
            (f"{tables}/*/backup/*",),
        ),
        # AWS bounds it by no resource.
        Grant("BackupsList", {"dynamodb:ListBackups": "find a backup whose answer was lost, by its name"}, ("*",)),
        # A backup bears no tags and its ARN not its own name, so only the table's name can bound this right: that
        # which the operator gives. Backups of tables that a spec names stay until somebody else deletes them.
        Grant(
            "BackupsDelete",
            {"dynamodb:DeleteBackup": "only where a RecallBackup's spec.deletionPolicy is Delete"},
            (f"{tables}/{TABLE_PREFIX}.{cluster}.*/backup/*",),
        ),
    )


_RESTORE_DATA: Final = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""Source: DynamoDB Developer Guide, Using IAM with DynamoDB backup and restore."""


def _restore_grants(region: str, account: str) -> tuple[Grant, ...]:
    tables = f"arn:aws:dynamodb:{region}:{account}:table/*"
    data = {
        f"dynamodb:{name}": "AWS lets only those restore who may do this to the new table" for name in _RESTORE_DATA
    }
    return (
        # Not bounded by the resource: some implementations check these against none.
        Grant(
            "TablesRestore",
            {
                "dynamodb:RestoreTableFromBackup": "fill a new table from a backup (restoreFrom)",
                "dynamodb:RestoreTableToPointInTime": "fill a new table from a moment of another (restoreFrom)",
            },
            ("*",),
        ),
        Grant("TablesFill", data, (tables,)),
    )


def policy_document(platform: Platform) -> dict[str, Any]:
    """Return the IAM policy for the operator's role on `platform`."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": grant.sid,
                "Effect": "Allow",
                "Action": list(grant.actions),
                "Resource": list(grant.resources),
                **({"Condition": dict(grant.condition)} if grant.condition else {}),
            }
            for grant in grants(platform)
        ],
    }


def main() -> int:
    """Print the policy for a platform document; return the process' exit status."""
    parser = argparse.ArgumentParser(description="Print the operator's IAM policy as JSON.")
    parser.add_argument("--platform", type=Path, required=True, help="the Platform document")
    options = parser.parse_args()
    sys.stdout.write(json.dumps(policy_document(Platform.load(options.platform)), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
