"""The images: they outlive the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr

from recall_infra.names import registry_host, repository_name
from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

PART: Final = Part("registry", lasting=True)
_UNTAGGED_DAYS: Final = 14


class Registry(RecallStack):
    """Repositories whose tags never change their meaning and whose images are scanned."""

    def __init__(self, app: Construct, environment: Environment) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: image repositories. Kept when the cluster is destroyed.")
        self.repositories = [
            ecr.Repository(
                self,
                name.title().replace("-", "").replace("/", "").replace(".", "").replace("_", ""),
                repository_name=repository_name(environment, name),
                image_scan_on_push=True,
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,
                removal_policy=self.kept,
                lifecycle_rules=[
                    ecr.LifecycleRule(
                        rule_priority=1,
                        description="untagged images go",
                        tag_status=ecr.TagStatus.UNTAGGED,
                        max_image_age=cdk.Duration.days(_UNTAGGED_DAYS),
                    ),
                    ecr.LifecycleRule(
                        rule_priority=2,
                        description="old images go",
                        tag_status=ecr.TagStatus.ANY,
                        max_image_count=environment.registry.keep_images,
                    ),
                ],
            )
            for name in environment.registry.repositories
        ]
        cdk.CfnOutput(self, "Registry", value=f"{registry_host(environment)}/recall-{environment.name}")
