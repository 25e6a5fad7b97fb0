"""external-dns as an add-on of EKS, for instances that leave their names to it. It goes with the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam

from recall_infra.rights import explain
from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment
    from recall_infra.stacks.cluster import Cluster
    from recall_infra.stacks.dns import Dns

PART: Final = Part("external-dns", lasting=False)
CONFIGURATION: Final = Path(__file__).parents[3] / "deploy" / "examples" / "values" / "external-dns.yaml"
"""What keeps it and the operator out of each other's way (docs/how-to/external-dns.md)."""
_NAMESPACE: Final = "external-dns"
_SERVICE_ACCOUNT: Final = "external-dns"


class ExternalDns(RecallStack):
    """The add-on, and the role of its service account."""

    def __init__(self, app: Construct, environment: Environment, cluster: Cluster, dns: Dns) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: external-dns. Goes with the cluster; records stay.")
        self.add_stack_dependency(cluster)
        role = iam.Role(
            self,
            "Role",
            description="external-dns",
            assumed_by=iam.SessionTagsPrincipal(
                iam.ServicePrincipal(
                    "pods.eks.amazonaws.com",
                    conditions={
                        "StringEquals": {
                            "aws:RequestTag/eks-cluster-name": environment.cluster.name,
                            "aws:RequestTag/kubernetes-namespace": _NAMESPACE,
                            "aws:RequestTag/kubernetes-service-account": _SERVICE_ACCOUNT,
                        }
                    },
                )
            ),
        )
        statements = [
            iam.PolicyStatement(
                sid="Records",
                actions=["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"],
                resources=[f"arn:aws:route53:::hostedzone/{dns.zone.hosted_zone_id}"],
            ),
            iam.PolicyStatement(sid="Zones", actions=["route53:ListHostedZones"], resources=["*"]),
        ]
        policy = iam.Policy(self, "Rights", roles=[role], statements=statements)
        explain(policy, [statement.to_statement_json() for statement in statements])
        settings = yaml.safe_load(CONFIGURATION.read_text()) | {"domainFilters": [environment.dns.zone_name]}
        eks.CfnAddon(
            self,
            "Addon",
            cluster_name=environment.cluster.name,
            addon_name="external-dns",
            resolve_conflicts="OVERWRITE",
            configuration_values=json.dumps(settings, sort_keys=True),
            pod_identity_associations=[
                eks.CfnAddon.PodIdentityAssociationProperty(service_account=_SERVICE_ACCOUNT, role_arn=role.role_arn)
            ],
        )
