"""The network: costs while it is there, holds nothing, goes with the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2

from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

PART: Final = Part("network", lasting=False)

_ENDPOINTS: Final = {
    "bedrock-runtime": ec2.InterfaceVpcEndpointAwsService.BEDROCK_RUNTIME,
    "ecr.api": ec2.InterfaceVpcEndpointAwsService.ECR,
    "ecr.dkr": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "eks": ec2.InterfaceVpcEndpointAwsService.EKS,
    "eks-auth": ec2.InterfaceVpcEndpointAwsService.EKS_AUTH,
    "logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "sts": ec2.InterfaceVpcEndpointAwsService.STS,
}
_FLOWS: Final = {"all": ec2.FlowLogTrafficType.ALL, "rejected": ec2.FlowLogTrafficType.REJECT}


class Network(RecallStack):
    """A VPC over several zones: load balancers in public subnets, nodes in private ones."""

    def __init__(self, app: Construct, environment: Environment) -> None:
        """Make it."""
        super().__init__(
            app, environment, PART, "Recall: VPC, subnets, NAT, endpoints. Costs by the hour, holds no data."
        )
        knobs = environment.network
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(knobs.address_range),
            availability_zones=environment.zones,
            nat_gateways=knobs.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            ],
            # Both are free, and keep tables and image layers off the NAT gateway's bill.
            gateway_endpoints={
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            },
        )
        # Source of the tags: EKS User Guide, "Tag subnets for EKS Auto Mode".
        for subnets, role in ((self.vpc.public_subnets, "elb"), (self.vpc.private_subnets, "internal-elb")):
            for subnet in subnets:
                cdk.Tags.of(subnet).add(f"kubernetes.io/role/{role}", "1")
        self._endpoints(environment)
        if knobs.flow_logs != "off":
            self.vpc.add_flow_log(
                "FlowLogs",
                destination=ec2.FlowLogDestination.to_cloud_watch_logs(self.log_group("FlowLogGroup")),
                traffic_type=_FLOWS[knobs.flow_logs],
            )

    def _endpoints(self, environment: Environment) -> None:
        if not environment.network.interface_endpoints:
            return
        inside = ec2.SecurityGroup(
            self,
            "Endpoints",
            vpc=self.vpc,
            description="HTTPS from the VPC to AWS services",
            allow_all_outbound=False,
        )
        inside.add_ingress_rule(
            ec2.Peer.ipv4(environment.network.address_range), ec2.Port.tcp(443), "HTTPS from the VPC"
        )
        for name in environment.network.interface_endpoints:
            self.vpc.add_interface_endpoint(
                "Endpoint" + name.title().replace(".", "").replace("-", ""),
                service=_ENDPOINTS[name],
                security_groups=[inside],
                open=False,
            )
