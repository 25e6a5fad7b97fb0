"""What the operator may do, how far its roles reach, and what it is told. It goes with the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm

from recall_infra import publish
from recall_infra.names import boundary_name, certificate_parameter_name, platform_parameter_name
from recall_infra.rights import explain
from recall_infra.stacks.base import Part, RecallStack
from recall_operator.permissions.access_boundary import boundary_document
from recall_operator.permissions.operator_policy import policy_document

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment
    from recall_infra.stacks.cluster import Cluster
    from recall_infra.stacks.dns import Dns
    from recall_infra.stacks.identity import Identity
    from recall_infra.stacks.web import Web

PART: Final = Part("operator-rights", lasting=False)
NAMESPACE: Final = "recall-system"
SERVICE_ACCOUNT: Final = "recall-operator"


class OperatorRights(RecallStack):
    """The operator's role with exactly the operator's own policy, tied to its service account by EKS Pod Identity."""

    def __init__(
        self, app: Construct, environment: Environment, cluster: Cluster, dns: Dns, identity: Identity, web: Web
    ) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: the operator's role and its Platform document.")
        self.add_stack_dependency(cluster)
        self.platform = publish.platform(
            environment,
            hosted_zone_id=dns.zone.hosted_zone_id,
            user_pool_id=identity.pool.user_pool_id,
            sign_in_url=identity.sign_in_url,
            distribution_name=web.distribution.distribution_domain_name,
            firewall_arn=cluster.firewall_arn,
        )
        # The lowest level of CDK: it writes a policy as it is given, and the others rewrite it.
        bounds = boundary_document(self.platform, environment.models.residency)
        boundary = iam.CfnManagedPolicy(
            self,
            "Boundary",
            managed_policy_name=boundary_name(environment),
            description="The most that roles of Recall instances may do",
            policy_document=bounds,
        )
        role = iam.Role(
            self,
            "Role",
            role_name=f"recall-{environment.name}-operator",
            description="Recall's operator",
            assumed_by=iam.SessionTagsPrincipal(
                iam.ServicePrincipal(
                    "pods.eks.amazonaws.com",
                    conditions={
                        "StringEquals": {
                            "aws:RequestTag/eks-cluster-name": environment.cluster.name,
                            "aws:RequestTag/kubernetes-namespace": NAMESPACE,
                            "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
                        }
                    },
                )
            ),
        )
        rights = policy_document(self.platform)
        holder = iam.CfnPolicy(
            self, "Rights", roles=[role.role_name], policy_name="recall-operator", policy_document=rights
        )
        explain(boundary, bounds["Statement"])
        explain(holder, rights["Statement"])
        association = eks.CfnPodIdentityAssociation(
            self,
            "Association",
            cluster_name=environment.cluster.name,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
            role_arn=role.role_arn,
        )
        association.node.add_dependency(boundary)
        ssm.StringParameter(
            self,
            "Platform",
            parameter_name=platform_parameter_name(environment),
            description="Recall's Platform document, which the operator mounts",
            string_value=self.to_json_string(publish.document(self.platform)),
        )
        ssm.StringParameter(
            self,
            "Certificate",
            parameter_name=certificate_parameter_name(environment),
            description="Certificate of the load balancers",
            string_value=dns.certificate.certificate_arn,
        )
        cdk.CfnOutput(self, "PlatformParameter", value=platform_parameter_name(environment))
        cdk.CfnOutput(self, "OperatorRole", value=role.role_arn)
