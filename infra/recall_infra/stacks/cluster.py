"""The cluster: the dearest part, made for use and destroyed when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from recall_infra.environment import AccessEntryKnobs
from recall_infra.names import delivery_role_name
from recall_infra.stacks.base import Part, RecallStack
from recall_infra.stacks.firewall import FirewallScope, web_acl

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment
    from recall_infra.stacks.delivery import Delivery
    from recall_infra.stacks.network import Network

PART: Final = Part("cluster", lasting=False)
CLUSTER_POLICIES: Final = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
"""AWS's policies that CDK gives the cluster's role. Source: EKS User Guide, "Amazon EKS Auto Mode cluster IAM role"."""
NODE_POLICIES: Final = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")


def _access(environment: Environment) -> list[AccessEntryKnobs]:
    """Return who may use the Kubernetes API: whom the knobs name, and deliveries of the operator."""
    if environment.delivery is None or not environment.delivery.operator:
        return environment.cluster.access
    principal = f"arn:aws:iam::{environment.account_id}:role/{delivery_role_name(environment)}"
    return [*environment.cluster.access, AccessEntryKnobs(principal=principal, policy="ClusterAdmin")]


class Cluster(RecallStack):
    """EKS in Auto Mode. Nothing that must outlive it stands in this stack."""

    def __init__(self, app: Construct, environment: Environment, network: Network, delivery: Delivery | None) -> None:
        """Make it."""
        super().__init__(app, environment, PART, "Recall: EKS Auto Mode cluster. Costs by the hour, holds no data.")
        knobs = environment.cluster
        # EKS would make it itself, and keep logs for ever.
        log_group = self.log_group("ControlPlaneLogs", f"/aws/eks/{knobs.name}/cluster")
        key = kms.Key(
            self,
            "SecretsKey",
            description=f"Encrypts the Kubernetes secrets of {knobs.name}",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),
        )
        public = eks.EndpointAccess.PUBLIC_AND_PRIVATE
        self.cluster = eks.Cluster(
            self,
            "Cluster",
            cluster_name=knobs.name,
            version=eks.KubernetesVersion.of(knobs.version),
            vpc=network.vpc,
            vpc_subnets=[ec2.SubnetSelection(subnet_group_name="private")],
            default_capacity_type=eks.DefaultCapacityType.AUTOMODE,
            compute=eks.ComputeConfig(node_pools=list(knobs.node_pools), node_role=self._node_role()),
            endpoint_access=public.only_from(*knobs.endpoint_addresses)
            if knobs.endpoint_addresses
            else eks.EndpointAccess.PRIVATE,
            secrets_encryption_key=key,
            cluster_logging=[
                eks.ClusterLoggingTypes.API,
                eks.ClusterLoggingTypes.AUDIT,
                eks.ClusterLoggingTypes.AUTHENTICATOR,
                eks.ClusterLoggingTypes.CONTROLLER_MANAGER,
                eks.ClusterLoggingTypes.SCHEDULER,
            ],
        )
        low = self.cluster.node.default_child
        assert isinstance(low, eks.CfnCluster)  # noqa: S101 - a change of CDK must stop the build here
        # Standard: AWS upgrades the cluster at the end of standard support instead of charging six times as much.
        low.upgrade_policy = eks.CfnCluster.UpgradePolicyProperty(support_type="STANDARD")
        low.deletion_protection = knobs.deletion_protection
        # Who deploys gets no rights by that: access is what the knobs name.
        low.add_property_override("AccessConfig.BootstrapClusterCreatorAdminPermissions", False)
        low.add_resource_dependency(log_group.node.default_child)
        for number, entry in enumerate(_access(environment)):
            scope = eks.AccessScopeType.NAMESPACE if entry.namespaces else eks.AccessScopeType.CLUSTER
            policy = eks.AccessPolicy.from_access_policy_name(
                f"AmazonEKS{entry.policy}Policy", access_scope_type=scope, namespaces=entry.namespaces or None
            )
            eks.AccessEntry(
                self, f"Access{number}", cluster=self.cluster, principal=entry.principal, access_policies=[policy]
            )
        if delivery is not None and environment.delivery and environment.delivery.operator:
            self.add_stack_dependency(delivery)  # EKS takes no role that is not there
        self.firewall_arn: str | None = None
        if environment.web.firewall.enabled:
            acl = web_acl(self, "ApiFirewall", environment, FirewallScope.REGIONAL)
            self.firewall_arn = acl.attr_arn
        cdk.CfnOutput(self, "ClusterName", value=knobs.name)

    def _node_role(self) -> iam.Role:
        """Return the nodes' role with the least that Auto Mode asks for; CDK's own has more.

        Source: EKS User Guide, "Amazon EKS Auto Mode node IAM role".
        """
        return iam.Role(
            self,
            "NodeRole",
            description="Nodes of EKS Auto Mode",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in NODE_POLICIES],
        )
