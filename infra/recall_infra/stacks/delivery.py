"""What GitHub Actions may do: one repository, one branch or environment, no keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from recall_infra.names import delivery_role_name, parameter_names, repository_name, site_bucket_name
from recall_infra.rights import explain
from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import DeliveryKnobs, Environment
    from recall_infra.stacks.web import Web

PART: Final = Part("delivery", lasting=True)
ISSUER: Final = "token.actions.githubusercontent.com"


class Delivery(RecallStack):
    """GitHub's identity provider, and the role of jobs that deploy."""

    def __init__(self, app: Construct, environment: Environment, knobs: DeliveryKnobs, web: Web) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: the role of GitHub Actions.")
        account, region = environment.account_id, environment.region
        if knobs.make_provider:
            iam.OidcProviderNative(self, "GitHub", url=f"https://{ISSUER}", client_ids=["sts.amazonaws.com"])
        role = iam.Role(
            self,
            "Role",
            role_name=delivery_role_name(environment),
            description=f"GitHub Actions of {knobs.repository}",
            max_session_duration=cdk.Duration.hours(1),
            # Source: GitHub docs, "Configuring OpenID Connect in Amazon Web Services".
            assumed_by=iam.WebIdentityPrincipal(
                f"arn:aws:iam::{account}:oidc-provider/{ISSUER}",
                {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": knobs.subject}},
            ),
        )
        statements = [
            # AWS bounds it by no resource; the token it gives is good only for the repositories below.
            iam.PolicyStatement(sid="RegistrySignIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
            iam.PolicyStatement(
                sid="Images",
                actions=[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:DescribeImageScanFindings",
                    "ecr:DescribeImages",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                resources=[
                    f"arn:aws:ecr:{region}:{account}:repository/{repository_name(environment, name)}"
                    for name in environment.registry.repositories
                ],
            ),
            iam.PolicyStatement(
                sid="SiteList", actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{site_bucket_name(environment)}"]
            ),
            iam.PolicyStatement(
                sid="SiteFiles",
                actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                resources=[f"arn:aws:s3:::{site_bucket_name(environment)}/*"],
            ),
            iam.PolicyStatement(
                sid="SiteCaches",
                actions=["cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"],
                resources=[f"arn:aws:cloudfront::{account}:distribution/{web.distribution.distribution_id}"],
            ),
            iam.PolicyStatement(
                sid="Cluster",
                actions=["eks:DescribeCluster"],
                resources=[f"arn:aws:eks:{region}:{account}:cluster/{environment.cluster.name}"],
            ),
            iam.PolicyStatement(
                sid="PlatformDocument",
                actions=["ssm:GetParameters"],
                resources=[f"arn:aws:ssm:{region}:{account}:parameter{name}" for name in parameter_names(environment)],
            ),
        ]
        policy = iam.Policy(self, "Rights", roles=[role], statements=statements)
        explain(policy, [statement.to_statement_json() for statement in statements])
        cdk.CfnOutput(self, "DeliveryRole", value=role.role_arn)
