"""What the operator reports in `status` of a RecallInstance."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from recall_operator.models.base import ResourceModel


class ConditionStatus(StrEnum):
    """Kubernetes' three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ResourceModel):
    """One condition, as Kubernetes' API conventions define it."""

    type: str = Field(max_length=64, description="Name of the condition, such as Ready or TablesReady.")
    status: ConditionStatus = Field(description="True, False, or Unknown while it is being worked on.")
    reason: str = Field(
        max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$", description="One word for programs, in CamelCase."
    )
    message: str = Field(max_length=4096, description="Sentence for people; names the remedy when something is wrong.")
    observed_generation: int = Field(ge=0, description="Generation of the spec that the condition speaks of.")
    last_transition_time: str = Field(
        description="When the condition's status last changed.", json_schema_extra={"format": "date-time"}
    )


class Urls(ResourceModel):
    """Where the instance answers."""

    web: str = Field(max_length=512, description="The web app.")
    api: str = Field(max_length=512, description="The API.")
    sign_in: str = Field(max_length=512, description="The hosted sign-in pages.")


class ResourceStatus(ResourceModel):
    """One thing that the operator keeps for the instance."""

    kind: str = Field(max_length=64, description="What it is, such as Table or Deployment.")
    name: str = Field(max_length=512, description="Its name.")
    id: str | None = Field(default=None, max_length=512, description="The id that AWS gave it.")
    arn: str | None = Field(default=None, max_length=2048, description="Its Amazon Resource Name.")
    state: str = Field(max_length=64, description="Its state in its owner's own words, such as ACTIVE.")


class RecallInstanceStatus(ResourceModel):
    """State of the instance as the operator last saw it."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec that this status speaks of."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=24,
        description="Ready, Reconciling, Stalled, and one condition for each part.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    urls: Urls | None = Field(default=None, description="Where the instance answers.")
    version: str | None = Field(default=None, max_length=512, description="Tag of the API's image that is asked for.")
    resources: list[ResourceStatus] = Field(
        default_factory=list,
        max_length=64,
        description="Everything that the operator keeps for the instance.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    last_handled_reconcile_at: str | None = Field(
        default=None,
        max_length=128,
        description="Last value of annotation recall.kug.la/reconcile-requested-at that was acted upon.",
    )
