"""Which kinds of the account's resources cost money, and by which rows of the table of prices; the others do not.

A test holds this against the templates: what is added to a stack needs a row here before it can be deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::CloudFront::Distribution": ("distribution_gib", "distribution_requests_million"),
    "AWS::CloudFront::Function": ("distribution_functions_million",),
    "AWS::Cognito::UserPool": ("user_month",),
    "AWS::EC2::EIP": ("public_address_hour",),
    "AWS::EC2::NatGateway": ("nat_gateway_hour", "nat_gateway_gib"),
    "AWS::EC2::VPCEndpoint": ("interface_endpoint_hour",),
    "AWS::ECR::Repository": ("image_gib_month",),
    # Nodes, their disks and the load balancer are made by the cluster itself.
    "AWS::EKS::Cluster": (
        "cluster_hour",
        "vcpu_hour",
        "gib_hour",
        "node_disk_gib_month",
        "load_balancer_hour",
        "load_balancer_capacity_unit_hour",
        "transfer_gib",
    ),
    "AWS::KMS::Key": ("kms_key_month",),
    "AWS::Logs::LogGroup": ("log_gib",),
    "AWS::Route53::HostedZone": ("zone_month",),
    "AWS::S3::Bucket": ("site_gib_month",),
    "AWS::WAFv2::WebACL": ("firewall_month", "firewall_rule_month", "firewall_requests_million"),
}
"""Fields of `AccountPrices` and `Prices`, by the kind of resource that AWS bills so. Source: the page at each price."""

FREE: Final[Mapping[str, str]] = {
    "AWS::Budgets::Budget": "budgets without actions",
    "AWS::CE::AnomalyMonitor": "Cost Anomaly Detection",
    "AWS::CE::AnomalySubscription": "Cost Anomaly Detection",
    "AWS::CertificateManager::Certificate": "public certificates",
    "AWS::CloudFront::OriginAccessControl": "part of its distribution",
    "AWS::CloudFront::ResponseHeadersPolicy": "part of its distribution",
    "AWS::Cognito::UserPoolDomain": "part of its pool; its certificate is a public one",
    "AWS::Cognito::UserPoolIdentityProvider": "billed by the users who come so, with all others",
    "AWS::EC2::FlowLog": "billed by what it writes: its log group",
    "AWS::EC2::InternetGateway": "billed by what passes: data sent to the internet",
    "AWS::EC2::Route": "part of the VPC",
    "AWS::EC2::RouteTable": "part of the VPC",
    "AWS::EC2::SecurityGroup": "part of the VPC",
    "AWS::EC2::Subnet": "part of the VPC",
    "AWS::EC2::SubnetRouteTableAssociation": "part of the VPC",
    "AWS::EC2::VPC": "a VPC itself",
    "AWS::EC2::VPCGatewayAttachment": "part of the VPC",
    "AWS::EKS::AccessEntry": "part of the cluster",
    "AWS::EKS::Addon": "billed by its pods, which take nodes",
    "AWS::EKS::PodIdentityAssociation": "part of the cluster",
    "AWS::IAM::ManagedPolicy": "IAM",
    "AWS::IAM::OIDCProvider": "IAM",
    "AWS::IAM::Policy": "IAM",
    "AWS::IAM::Role": "IAM",
    "AWS::KMS::Alias": "part of its key",
    "AWS::Lambda::Function": "a million calls a month are free, and a sign-in makes one",
    "AWS::Lambda::Permission": "part of its function",
    "AWS::Route53::RecordSet": "part of its zone; aliases to AWS's own resources are asked free of charge",
    "AWS::S3::BucketPolicy": "part of its bucket",
    "AWS::SSM::Parameter": "standard parameters",
    "AWS::WAFv2::IPSet": "part of its web ACL",
    "AWS::WAFv2::LoggingConfiguration": "billed by what it writes: its log group",
    "Custom::CrossRegionExportReader": "CDK's own: some calls of a function at each deployment",
    "Custom::CrossRegionExportWriter": "CDK's own: some calls of a function at each deployment",
}
"""Kinds that AWS does not bill by themselves, each with why."""
