"""All parts of one instance together: look at them, plan, take them down, apply; everything by the parts' names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from recall_operator.errors import Failure, classify
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.models.status import ConditionStatus
from recall_operator.reconcile.deletion import Takedowns
from recall_operator.reconcile.deletion import verdict as deletion_verdict
from recall_operator.reconcile.status import Verdict
from recall_operator.requests.asking import Asking, asked_by
from recall_operator.resources.catalogue import PARTS
from recall_operator.resources.part import apply
from recall_operator.resources.plan import PartState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recall_operator.resources.part import AnyPart, Clients, Subject
    from recall_operator.resources.plan import Assessment, Change

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seen:
    """What one look found of one part: the observation, or why there is none."""

    observed: Any
    failure: Failure | None = None


class AllParts:
    """The parts, in the order of the catalogue, and the doors through which they are seen and changed."""

    def __init__(self, clients: Clients, parts: Sequence[AnyPart] = PARTS) -> None:
        self._clients = clients
        self._parts = parts
        self.names = tuple(part.name for part in parts)

    async def assess(self, subject: Subject) -> dict[str, Assessment | Failure]:
        """Observe and plan all parts, by name, and change nothing: what `plan` shows."""
        return self.plan(subject, await self.observe(subject))

    async def assess_deletion(self, subject: Subject, abandoned: frozenset[str] = frozenset()) -> Takedowns:
        """Observe all parts and say what a deletion still has to do, and change nothing."""
        return self.takedowns(subject, await self.observe(subject), abandoned)

    def takedowns(self, subject: Subject, seen: Mapping[str, Seen], abandoned: frozenset[str]) -> Takedowns:
        """Say what of each part, as it was seen, a deletion still has to do."""
        parts = {
            part.name: seen[part.name].failure or part.delete(subject, seen[part.name].observed) for part in self._parts
        }
        return Takedowns(parts, abandoned)

    async def look(self, subject: Subject) -> tuple[dict[str, Seen], dict[str, Assessment | Failure]]:
        """Observe and plan: from memory the parts that were in order and, so seen, are; freshly all others."""
        remembered = _calm(subject, self._parts)
        with asked_by(Asking(subject.instance.key, remembered=True)):
            seen = await self.observe(subject, remembered, quiet=True)
        again = [part for part in self._parts if part not in remembered]
        while True:
            seen |= await self.observe(subject, again)
            remembered = [part for part in remembered if part not in again]
            assessments = self.plan(subject, seen)
            # What one part newly tells may put another out of order that was looked at from memory.
            again = [part for part in remembered if not in_order(assessments[part.name])]
            if not again:
                return seen, assessments

    async def observe(
        self, subject: Subject, parts: Sequence[AnyPart] | None = None, *, quiet: bool = False
    ) -> dict[str, Seen]:
        """Look at `parts`, or at all; `quiet` for looks whose failures only lead to another look."""
        chosen = self._parts if parts is None else parts

        async def look(part: AnyPart) -> Seen:
            try:
                return Seen(await part.observe(subject, self._clients))
            except Exception as error:
                return Seen(None, classify(error) if quiet else failure_of(part.name, error))

        found = await asyncio.gather(*(look(part) for part in chosen))
        return {part.name: item for part, item in zip(chosen, found, strict=True)}

    def plan(self, subject: Subject, seen: Mapping[str, Seen]) -> dict[str, Assessment | Failure]:
        """Plan all parts from what was seen of them; each hears what the others told."""
        outputs: dict[str, str] = {}
        for part in self._parts:
            if seen[part.name].failure is None:
                outputs |= part.outputs(subject, seen[part.name].observed)
        return {
            part.name: seen[part.name].failure or part.plan(subject, seen[part.name].observed, outputs)
            for part in self._parts
        }

    async def apply(self, todo: Mapping[str, Sequence[Change]]) -> dict[str, Failure]:
        """Apply the parts' changes, parts side by side, each part's in order; return the failures by part."""

        async def work(name: str, changes: Sequence[Change]) -> Failure | None:
            try:
                for change in changes:
                    _log.info("change", part=name, action=change.action.value, kind=change.kind, name=change.name)
                    await apply(change, self._clients)
            except Exception as error:
                return failure_of(name, error)
            return None

        results = await asyncio.gather(*(work(name, changes) for name, changes in todo.items()))
        return {name: failure for name, failure in zip(todo, results, strict=True) if failure}

    def verdicts(
        self, assessments: Mapping[str, Assessment | Failure], failures: Mapping[str, Failure]
    ) -> list[Verdict]:
        """Return what the status says of each part; `failures` happened while it was changed."""
        return [
            Verdict.failed(part.condition, found)
            if isinstance(found := assessments[part.name], Failure)
            else Verdict.of(part.condition, found, failures.get(part.name))
            for part in self._parts
            if not _unasked(assessments[part.name])
        ]

    def deletion_verdicts(
        self,
        subject: Subject,
        takedowns: Takedowns,
        left: Mapping[str, Assessment | Failure],
        failures: Mapping[str, Failure],
    ) -> list[Verdict]:
        """Return what the status says of each part on its way out; `left` is what is still there of it."""
        return [
            deletion_verdict(
                part,
                subject,
                takedowns,
                failures.get(part.name),
                () if isinstance(found := left[part.name], Failure) else found.resources,
            )
            for part in self._parts
            if not _unasked(left[part.name])
        ]

    def changes(self, takedowns: Takedowns) -> dict[str, tuple[Change, ...]]:
        """Return what of a deletion may be done now."""
        return takedowns.changes(self._parts)


def failure_of(part: str, error: Exception) -> Failure:
    """Return what an error means for a part, and log it: with its traceback when nobody foresaw it."""
    failure = classify(error)
    unknown = failure.reason == "InternalError"
    _log.warning("part failed", part=part, reason=failure.reason, error=str(error), exc_info=unknown)
    return failure


def in_order(found: Assessment | Failure) -> bool:
    """Whether a part is ready and nothing has to be done to it."""
    return not isinstance(found, Failure) and found.state is PartState.READY and not found.changes


def _calm(subject: Subject, parts: Sequence[AnyPart]) -> list[AnyPart]:
    """Return the parts that were in order when they were last looked at; none when somebody wants a fresh look."""
    instance = subject.instance
    if instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION) != instance.status.last_handled_reconcile_at:
        return []
    good = {item.type for item in instance.status.conditions if item.status is ConditionStatus.TRUE}
    return [part for part in parts if part.condition in good]


def _unasked(found: Assessment | Failure) -> bool:
    return not isinstance(found, Failure) and found.unasked
