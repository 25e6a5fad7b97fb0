"""The key of users' data keys: without it, what instances with spec.encryption.perUserKeys store can't be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

PART: Final = Part("keys", lasting=True)


class Keys(RecallStack):
    """A KMS key that IAM policies of this account give rights on: each instance's role, for its own users' keys."""

    def __init__(self, app: Construct, environment: Environment) -> None:
        """Make it."""
        super().__init__(app, environment, PART, "Recall: the key of users' data keys. Losing it loses the memories.")
        key = kms.Key(
            self,
            "UserKeys",
            alias=f"recall-{environment.name}-user-keys",
            description="Wraps the data keys of Recall's users",
            enable_key_rotation=True,
            pending_window=cdk.Duration.days(30),
            removal_policy=self.kept,
        )
        cdk.CfnOutput(self, "UserKeysKeyArn", value=key.key_arn)
