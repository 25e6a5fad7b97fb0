"""The plan: what would be changed, field by field, and the very calls that change it. All of it is plain data.

A part's `plan` is pure: it makes `Change`s from what is wanted and what is there. Applying runs a change's steps and
decides nothing, so a plan that is printed is the plan that is carried out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.kubernetes.client import ObjectKey
    from recall_operator.models.status import ResourceStatus

KNOWN_AFTER_APPLY = "(known after apply)"


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    RELEASE = "release"
    DELETE = "delete"


_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.ADOPT: "~", Action.RELEASE: "~", Action.DELETE: "-"}


@dataclass(frozen=True)
class Difference:
    """One field that is not as it should be; None stands for absent."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class AwsCall:
    """One request to AWS, in boto3's words."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class KubernetesApply:
    """One server-side apply."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class KubernetesDelete:
    """One deletion of exactly the object that was seen."""

    key: ObjectKey
    uid: str
    version: str | None = None
    """The object's resourceVersion where no change since it was seen may be overlooked; None: whatever it is by now."""


Step = AwsCall | KubernetesApply | KubernetesDelete


@dataclass(frozen=True)
class Change:
    """One change of one resource."""

    part: str
    action: Action
    kind: str
    name: str
    steps: tuple[Step, ...]
    differences: tuple[Difference, ...] = ()
    destructive: bool = False
    """Whether data or something that others rely on would be lost."""
    waits_for: str | None = None
    """What must be there first; a waiting change is shown but not applied."""

    def __str__(self) -> str:
        """Show the change as people read it, one line and one more for each field."""
        notes = [note for note in ("destructive" if self.destructive else None, self._waiting()) if note]
        head = f"{_SIGNS[self.action]} {self.action} {self.kind} {self.name}" + (
            f" ({', '.join(notes)})" if notes else ""
        )
        return "\n".join(
            [head, *(f"    {item.field}: {_text(item.before)} -> {_text(item.after)}" for item in self.differences)]
        )

    def _waiting(self) -> str | None:
        return f"after {self.waits_for}" if self.waits_for else None


class PartState(StrEnum):
    """How a part is."""

    READY = "ready"
    PROGRESSING = "progressing"
    BROKEN = "broken"


@dataclass(frozen=True)
class Assessment:
    """What a part says after one look: how it is, and what has to change."""

    state: PartState
    reason: str
    message: str
    changes: tuple[Change, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    terminal: bool = field(default=False)
    """Whether only a change of the spec (or of what is in the way) can help."""
    waits_for_others: bool = False
    """Whether nothing but another part's progress can move it."""
    unasked: bool = False
    """Whether the spec does not ask for the part: it has no condition then."""


NOT_ASKED: Final = Assessment(PartState.READY, "NotAsked", "The spec does not ask for it.", unasked=True)
"""Of a part that the spec leaves out."""


def progressing(
    reason: str, message: str, resources: tuple[ResourceStatus, ...] = (), *, waits_for_others: bool = False
) -> Assessment:
    """Return the assessment of a part that needs no change but time."""
    return Assessment(PartState.PROGRESSING, reason, message, resources=resources, waits_for_others=waits_for_others)


def _text(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, sort_keys=True, default=str)


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the fields of `wanted` that differ in `found`; fields that are not wanted are not managed."""
    return tuple(Difference(name, found.get(name), value) for name, value in wanted.items() if found.get(name) != value)


def appearing(fields: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the differences of something that does not exist yet."""
    return tuple(Difference(name, None, value) for name, value in fields.items())
