"""The `Platform` document: made here of what the stacks made, read by the operator. One model on both sides."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from recall_infra.names import boundary_name, registry_host, repository_name
from recall_operator.platform import (
    CLOUDFRONT_ZONE,
    AccessFacts,
    AliasTarget,
    AwsFacts,
    ClusterFacts,
    DnsFacts,
    IdentityFacts,
    IngressFacts,
    Platform,
    WebFacts,
    WorkloadFacts,
)

if TYPE_CHECKING:
    from recall_infra.environment import Environment

FIREWALL_ANNOTATION: Final = "alb.ingress.kubernetes.io/wafv2-acl-arn"
"""Source: EKS User Guide, "Create an IngressClass to configure an Application Load Balancer" (Auto Mode)."""


def api_image(environment: Environment) -> str:
    """Return the image of the API when an instance names none: that of this release, from the account's registry."""
    repository = repository_name(environment, "recall-api")
    return environment.api_image or f"{registry_host(environment)}/{repository}:{metadata.version('recall')}"


def platform(
    environment: Environment,
    *,
    hosted_zone_id: str,
    user_pool_id: str,
    sign_in_url: str,
    distribution_name: str,
    firewall_arn: str | None,
) -> Platform:
    """Return the document.

    Args:
        environment: the knobs.
        hosted_zone_id: id of the zone; it and the others may be tokens of CDK, which get their values at deployment.
        user_pool_id: id of the user pool.
        sign_in_url: address of the sign-in pages.
        distribution_name: CloudFront's own name of the web app's distribution.
        firewall_arn: web ACL for load balancers, if there is one.
    """
    issuer = f"https://cognito-idp.{environment.region}.amazonaws.com/{user_pool_id}"
    load_balancer_zone = environment.load_balancer_zone
    assert load_balancer_zone is not None  # noqa: S101 - the knobs are checked
    # Not validated: a token is no host name yet. `render` validates what was deployed.
    distribution = AliasTarget.model_construct(dns_name=distribution_name, hosted_zone_id=CLOUDFRONT_ZONE)
    return Platform(
        cluster=ClusterFacts(name=environment.cluster.name),
        aws=AwsFacts(
            account_id=environment.account_id, region=environment.region, bedrock_region=environment.bedrock_region
        ),
        dns=DnsFacts(hosted_zone_id=hosted_zone_id, zone_name=environment.dns.zone_name),
        identity=IdentityFacts(
            user_pool_id=user_pool_id,
            token_issuer=issuer,
            jwks_url=f"{issuer}/.well-known/jwks.json",
            sign_in_url=sign_in_url,
        ),
        web=WebFacts(distribution=distribution),
        ingress=IngressFacts(
            annotations={FIREWALL_ANNOTATION: firewall_arn} if firewall_arn else {},
            load_balancer_zone_id=load_balancer_zone,
        ),
        workload=WorkloadFacts(image=api_image(environment)),
        access=AccessFacts(
            permissions_boundary_arn=f"arn:aws:iam::{environment.account_id}:policy/{boundary_name(environment)}",
            restores=environment.restores,
        ),
    )


def document(found: Platform) -> dict[str, Any]:
    """Return the document as it is published: what is absent is left out."""
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)
