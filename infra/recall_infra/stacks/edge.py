"""What CloudFront and Cognito's own domain want in us-east-1: a certificate and the web app's firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_certificatemanager as acm

from recall_infra.stacks.base import Part, RecallStack
from recall_infra.stacks.firewall import FirewallScope, web_acl

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment
    from recall_infra.stacks.dns import Dns

PART: Final = Part("edge", lasting=True, at_the_edge=True)


def web_names(environment: Environment) -> list[str]:
    """Return the names under which the web app is served: the zone, one label below it, and deeper hosts."""
    zone = environment.dns.zone_name
    deeper = [host for host in environment.dns.hostnames if "." in host.removesuffix(f".{zone}")]
    return [zone, f"*.{zone}", *deeper]


class Edge(RecallStack):
    """Certificate and web ACL of the distribution."""

    def __init__(self, app: Construct, environment: Environment, dns: Dns) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: the web app's certificate and firewall, in us-east-1.")
        first, *others = web_names(environment)
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=first,
            subject_alternative_names=others,
            validation=acm.CertificateValidation.from_dns(dns.zone),
        )
        self.firewall_arn: str | None = None
        if environment.web.firewall.enabled:
            self.firewall_arn = web_acl(self, "WebFirewall", environment, FirewallScope.CLOUDFRONT).attr_arn
