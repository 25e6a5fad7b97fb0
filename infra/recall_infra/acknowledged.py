"""Rules of cdk-nag that are broken on purpose, each with the reason; those on single policies stand in `rights`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Validations

from recall_infra.rights import say
from recall_infra.stacks.cluster import CLUSTER_POLICIES, NODE_POLICIES

if TYPE_CHECKING:
    from recall_infra.stacks.all_stacks import Stacks


def acknowledge(stacks: Stacks) -> None:
    """Tell cdk-nag what is meant."""
    knobs = stacks.network.environment_knobs
    if knobs.network.flow_logs == "off":
        say(stacks.network, "VPC7", "network.flowLogs is off: decided in the environment's file")
    if not knobs.web.countries:
        say(stacks.web, "CFR1", "web.countries is empty: every country is served, decided in the environment's file")
    if not knobs.web.firewall.enabled:
        say(stacks.web, "CFR2", "web.firewall.enabled is false: decided in the environment's file")
    if knobs.identity.mfa != "required":
        say(
            stacks.identity, "COG2", "identity.mfa leaves the second factor to users: decided in the environment's file"
        )
    say(
        stacks.identity,
        "COG8",
        "the Essentials plan is enough: Plus adds risk scores at more than three times the price",
    )
    Validations.of(stacks.web).acknowledge(
        Acknowledgment(
            id="Annotation::@aws-cdk/aws-cloudfront-origins:listBucketSecurityRisk",
            reason="there is a default root object, so nobody is shown the list",
        )
    )
    for name in CLUSTER_POLICIES:
        say(
            stacks.cluster,
            managed_policy_rule(name),
            "EKS Auto Mode asks for AWS's own policy, which AWS keeps up with Auto Mode",
        )
    for name in NODE_POLICIES:
        say(
            stacks.cluster,
            managed_policy_rule(name),
            "the least that AWS offers for nodes of Auto Mode: join, and pull images",
        )


def managed_policy_rule(name: str) -> str:
    """Return cdk-nag's finding for one of AWS's own policies."""
    return f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]"
