"""How a deletion goes on, as pure functions: what is gone, what blocks it, and the way out that is named then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from recall_operator.annotations import ABANDON
from recall_operator.errors import Failure
from recall_operator.reconcile.status import Verdict
from recall_operator.resources.plan import PartState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.models.status import ResourceStatus
    from recall_operator.resources.part import AnyPart, Subject
    from recall_operator.resources.plan import Change

PATIENCE_SECONDS: Final = 600.0
"""A deletion that takes longer is called blocked: DynamoDB needs a minute or two, pods half a minute to drain."""

HOW_TO: Final = "docs/how-to/stuck-deletion.md"

Takedown = tuple["Change", ...] | Failure | None
"""What one part still has to do: changes (none: gone or kept), why it can't be read, or None: it is still going."""


@dataclass(frozen=True)
class Takedowns:
    """All parts on their way out."""

    parts: Mapping[str, Takedown]
    abandoned: frozenset[str]
    """Left behind as they are, because the user said so."""

    @property
    def gone(self) -> frozenset[str]:
        """Names of the parts that nothing has to be done for any more."""
        return self.abandoned | {name for name, found in self.parts.items() if found == ()}

    @property
    def done(self) -> bool:
        """Whether the instance may go."""
        return self.gone >= self.parts.keys()

    def changes(self, parts: Iterable[AnyPart]) -> dict[str, tuple[Change, ...]]:
        """Return what may be done now: a part waits until those that need it are gone."""
        return {
            part.name: found
            for part in parts
            if part.name not in self.abandoned
            and isinstance(found := self.parts[part.name], tuple)
            and set(part.deleted_after) <= self.gone
        }

    def failures(self) -> dict[str, Failure]:
        """Return why parts could not be read; what is abandoned can't fail."""
        return {
            name: found
            for name, found in self.parts.items()
            if isinstance(found, Failure) and name not in self.abandoned
        }


def verdict(
    part: AnyPart,
    subject: Subject,
    takedowns: Takedowns,
    failure: Failure | None,
    resources: tuple[ResourceStatus, ...],
) -> Verdict:
    """Return what the status says of one part of an instance that is being deleted.

    What AWS or Kubernetes refuses, and what takes too long, is `Stalled` and names the blocker and the way out.
    """

    def going(message: str) -> Verdict:
        return Verdict(part.condition, PartState.PROGRESSING, "Deleting", message, resources=resources)

    if part.name in takedowns.abandoned:
        return going(f"{part.name} is left behind as it is, as annotation {ABANDON} asks.")
    if part.name in takedowns.gone:
        return going(f"{part.name} is deleted or kept.")
    waiting = sorted(set(part.deleted_after) - takedowns.gone)
    if waiting and failure is None:
        return going(f"{part.name} is deleted after {', '.join(waiting)}.")
    refused = failure is not None and (failure.terminal or failure.reason == "AccessDenied")
    if not refused and _age_seconds(subject) < PATIENCE_SECONDS:
        return going(f"{part.name} is being deleted." + (f" {failure.message}" if failure else ""))
    left = ", ".join(f"{item.kind} {item.name} ({item.state})" for item in resources) or part.name
    why = failure.message if failure else f"{left} is still there."
    metadata = subject.instance.metadata
    message = (
        f"{part.name} can't be deleted: {why} Mend that; or leave {part.name} behind as it is with `kubectl annotate "
        f"recallinstance {metadata.name} -n {metadata.namespace} {ABANDON}={part.name}` (see {HOW_TO})."
    )
    reason = failure.reason if failure and refused else "DeletionBlocked"
    return Verdict(part.condition, PartState.BROKEN, reason, message, terminal=True, resources=resources)


def _age_seconds(subject: Subject) -> float:
    since = subject.instance.metadata.deletion_timestamp
    return (subject.now - datetime.fromisoformat(since)).total_seconds() if since else 0.0
