"""Rights on more than single things: each statement with the reason, where cdk-nag and the tests look for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Acknowledgment, Validations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import IConstruct

WILDCARD_REASONS: Final[Mapping[str, str]] = {
    # The tier trigger.
    "Tier": "names of instances are not known beforehand; one cluster's users tables, one attribute of them",
    # The boundary of instances' roles: it gives nothing, it limits.
    "Tables": "a boundary for all instances: which tables each may use stands in its own role",
    "TablesKeys": "a boundary: keys are named by instances, and usable through DynamoDB alone",
    "UserKeys": "a boundary: which key wraps users' data keys stands in each role; a named user's data key alone",
    "Models": "a boundary: which models each instance may call stands in its own role; how far, in models.residency",
    "Profiles": "AWS bounds the listing of inference profiles by no resource",
    "Guardrails": "a boundary: which guardrail each instance uses stands in its own role",
    # external-dns.
    "Zones": "AWS bounds route53:ListHostedZones by no resource",
    # GitHub Actions.
    "RegistrySignIn": "AWS bounds ecr:GetAuthorizationToken by no resource",
    "SiteFiles": "all files of the one bucket of the web app",
    # The operator (recall_operator.permissions.operator_policy).
    "Associations": "ids of Pod Identity associations are AWS's choice; those of the one cluster",
    "BackupsDelete": "backups of tables with names that the operator gives, of the one cluster",
    "BackupsList": "AWS bounds dynamodb:ListBackups by no resource",
    "BackupsMake": "a user may name tables freely",
    "BackupsRead": "a user may name tables freely; descriptions show no items",
    "CertificatesDelete": "ARNs of certificates are AWS's choice; only those with the cluster's tag",
    "CertificatesList": "AWS bounds acm:ListCertificates by no resource",
    "CertificatesMark": "ARNs of certificates are AWS's choice; only Recall's own tags",
    "CertificatesRead": "ARNs of certificates are AWS's choice; reading shows nothing secret",
    "CertificatesRequest": "there is no ARN before there is a certificate; only with the cluster's tag",
    "GuardrailsKeep": "ids of guardrails are AWS's choice; only those with the cluster's tag",
    "GuardrailsMake": "there is no ARN before there is a guardrail; only with the cluster's tag",
    "GuardrailsRead": "ids of guardrails are AWS's choice",
    "Lists": "AWS bounds account-wide lists by no resource",
    "Marks": "tagging is bounded by the tags' names: Recall's own and no others",
    "MarksRead": "tags show no data",
    "RolesGrant": "roles of the one cluster's instances, only with the boundary",
    "RolesKeep": "roles of the one cluster's instances",
    "RolesPass": "roles of the one cluster's instances, to EKS Pod Identity alone",
    "RolesRead": "roles of the one cluster's instances",
    "TablesDelete": "a user may name tables freely; only those with the cluster's tag",
    "TablesEncrypt": "users name keys; usable through DynamoDB alone",
    "TablesFill": "AWS wants it of whoever restores (access.restores)",
    "TablesKeep": "a user may name tables freely",
    "TablesRead": "a user may name tables freely; descriptions show no items",
    "TablesRestore": "AWS wants it of whoever restores (access.restores)",
    "TablesTag": "some implementations check it against no resource; tags show no data",
}
"""Why a statement, by its Sid, names more than single resources."""


def explain(holder: IConstruct, statements: Iterable[Mapping[str, Any]]) -> None:
    """Tell cdk-nag why the statements of a policy name more than single resources.

    Raises:
        KeyError: a statement has a wildcard and no reason.
    """
    for statement in statements:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            if "*" in resource:
                say(holder, f"IAM5[Resource::{resource}]", WILDCARD_REASONS[statement["Sid"]])


def say(construct: IConstruct, rule: str, reason: str) -> None:
    """Tell cdk-nag why one of its rules is broken."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason))
