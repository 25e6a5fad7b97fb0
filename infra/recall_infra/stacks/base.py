"""What all stacks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from recall_infra.regions import EDGE_REGION

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

ENVIRONMENT_TAG: Final = "recall.kug.la/environment"
PART_TAG: Final = "recall.kug.la/part"

_RETENTION: Final = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
}


@dataclass(frozen=True)
class Part:
    """How a stack is called and how long it lives."""

    name: str
    lasting: bool
    """Whether it holds what must outlive the cluster."""
    at_the_edge: bool = False
    """Whether it must stand in us-east-1."""


class RecallStack(cdk.Stack):
    """A stack of one environment: named, tagged, protected as its part says."""

    def __init__(self, app: Construct, environment: Environment, part: Part, description: str) -> None:
        region = EDGE_REGION if part.at_the_edge else environment.region
        super().__init__(
            app,
            f"recall-{environment.name}-{part.name}",
            env=cdk.Environment(account=environment.account_id, region=region),
            description=description,
            cross_region_references=environment.region != EDGE_REGION,
            termination_protection=part.lasting and environment.protect,
        )
        self.environment_knobs = environment
        self.part = part
        cdk.Tags.of(self).add(ENVIRONMENT_TAG, environment.name)
        cdk.Tags.of(self).add(PART_TAG, part.name)

    @property
    def kept(self) -> cdk.RemovalPolicy:
        """What happens to data when it leaves the template or the stack is deleted."""
        return cdk.RemovalPolicy.RETAIN if self.environment_knobs.protect else cdk.RemovalPolicy.DESTROY

    def log_group(self, construct_id: str, name: str | None = None) -> logs.LogGroup:
        """Return a new log group that forgets after the environment's days."""
        return logs.LogGroup(
            self,
            construct_id,
            log_group_name=name,
            retention=_RETENTION[self.environment_knobs.log_days],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
