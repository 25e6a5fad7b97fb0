"""What the operator reports in `status` of a RecallInstance."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

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


class HibernationStatus(ResourceModel):
    """Whether the instance sleeps by its windows, and until when."""

    asleep: bool = Field(description="Whether the pods are to be gone now.")
    next_transition_at: str | None = Field(
        default=None,
        description="When sleep next begins or ends; absent when no window foresees it.",
        json_schema_extra={"format": "date-time"},
    )


class PlannedChange(ResourceModel):
    """One change that a pass would make."""

    part: str = Field(max_length=64, description="Part of the instance, such as tables.")
    action: str = Field(max_length=16, description="create, update, adopt, release or delete.")
    kind: str = Field(max_length=64, description="What would be changed, such as Table.")
    name: str = Field(max_length=512, description="Its name.")
    destructive: bool = Field(default=False, description="Whether something would be lost.")
    waits_for: str | None = Field(default=None, max_length=128, description="What must be there first.")
    fields: list[Annotated[str, Field(max_length=512)]] = Field(
        default_factory=list,
        max_length=64,
        description="Each field that would change: its name, its value, its new value.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PlanStatus(ResourceModel):
    """What a pass would do; shown with annotation recall.kug.la/dry-run."""

    observed_generation: int = Field(ge=0, description="Generation of the spec that was planned.")
    total: int = Field(ge=0, description="Number of all changes, also of those left out below.")
    destructive: int = Field(ge=0, description="Number of changes by which something would be lost.")
    changes: list[PlannedChange] = Field(
        default_factory=list,
        max_length=64,
        description="The changes, as many as fit into 16 KiB.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    problems: list[Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=list,
        max_length=24,
        description="Parts that can't be planned, and why.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


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
    hibernation: HibernationStatus | None = Field(
        default=None, description="Whether the instance sleeps, with spec.hibernation.mode Scheduled."
    )
    expires_at: str | None = Field(
        default=None,
        description="When the instance is deleted, with spec.expiresAfter.",
        json_schema_extra={"format": "date-time"},
    )
    plan: PlanStatus | None = Field(
        default=None, description="What a pass would change; only with annotation recall.kug.la/dry-run."
    )
