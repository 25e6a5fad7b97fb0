"""The domain and the region's certificate: they outlive the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53

from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

PART: Final = Part("dns", lasting=True)


class Dns(RecallStack):
    """The zone, who may issue certificates for it, and the certificate of load balancers."""

    zone: route53.IHostedZone

    def __init__(self, app: Construct, environment: Environment) -> None:
        """Make it, or use a zone that is there."""
        super().__init__(app, environment, PART, "Recall: zone and certificate. Kept when the cluster is destroyed.")
        knobs = environment.dns
        if knobs.hosted_zone_id:
            self.zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=knobs.hosted_zone_id, zone_name=knobs.zone_name
            )
        else:
            made = route53.PublicHostedZone(self, "Zone", zone_name=knobs.zone_name)
            made.apply_removal_policy(self.kept)
            route53.CaaAmazonRecord(self, "CertificateAuthority", zone=made)
            cdk.CfnOutput(self, "NameServers", value=cdk.Fn.join(" ", made.hosted_zone_name_servers or []))
            self.zone = made
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=knobs.zone_name,
            # A wildcard stands for one label: api.<host> needs one of its own below each host.
            subject_alternative_names=[f"*.{knobs.zone_name}", *(f"*.{host}" for host in knobs.hostnames)],
            validation=acm.CertificateValidation.from_dns(self.zone),
        )
        cdk.CfnOutput(self, "HostedZoneId", value=self.zone.hosted_zone_id)
        cdk.CfnOutput(self, "CertificateArn", value=self.certificate.certificate_arn)
