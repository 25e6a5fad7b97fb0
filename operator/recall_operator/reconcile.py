"""One pass over one instance: look at all parts, plan, apply, report. Deletion is a branch of the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from recall_operator.aws_inventory import remembered_reads
from recall_operator.errors import Failure, classify
from recall_operator.kubernetes_api import ObjectKey
from recall_operator.metrics import DRIFT_FOUND, DRIFT_MENDED, READY_SECONDS, RECONCILE_SECONDS
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.instance import FINALIZER, RECONCILE_REQUESTED_ANNOTATION, Metadata, RecallInstance
from recall_operator.models.status import ConditionStatus
from recall_operator.ownership import Owner
from recall_operator.plan import PartState
from recall_operator.resources.catalogue import PARTS
from recall_operator.resources.part import Clients, Subject, apply
from recall_operator.status import Verdict, acknowledged, refused, reported, status_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recall_operator.models.status import RecallInstanceStatus
    from recall_operator.plan import Assessment, Change
    from recall_operator.platform import Platform
    from recall_operator.resources.part import AnyPart

_log = structlog.get_logger(__name__)


class Outcome(Enum):
    """What a pass left behind: when to look again."""

    SETTLED = auto()
    """As wanted, or nothing that trying again would mend: look again at the slow resync."""
    MOVED = auto()
    """Not there yet, but further than before: look again at once."""
    PROGRESSING = auto()
    """Not there yet, and nothing new to tell: look again soon, and less and less often."""
    FAILED = auto()
    """An error that may pass: back off."""
    GONE = auto()
    """There is no such instance: forget it."""


@dataclass(frozen=True)
class Seen:
    """What one look found of one part: the observation, or why there is none."""

    observed: Any
    failure: Failure | None = None


class Reconciler:
    """Makes instances true to their specs, one pass at a time. What it remembers is for metrics only."""

    def __init__(self, platform: Platform, clients: Clients, parts: Sequence[AnyPart] = PARTS) -> None:
        self._platform = platform
        self._clients = clients
        self._parts = parts
        self._new: set[str] = set()
        """Uids of instances that this process saw first and that are not Ready yet."""

    async def reconcile(self, key: str) -> Outcome:
        """Make one pass over the instance at `key` (`<namespace>/<name>`) and say when to look again.

        Raises:
            ApiServerError: the instance could not be read, or its status or finalizer not be written.
        """
        with structlog.contextvars.bound_contextvars(instance=key), RECONCILE_SECONDS.time():
            namespace, name = key.split("/", 1)
            found = await self._clients.kubernetes.get(ObjectKey(KIND, namespace, name))
            if found is None:
                return Outcome.GONE
            try:
                instance = RecallInstance.model_validate(found)
            except ValidationError as error:
                return await self._refuse(Metadata.model_validate(found["metadata"]), error)
            subject = self._subject(instance)
            return await (self._delete(subject) if instance.deleting else self._keep(subject))

    def _subject(self, instance: RecallInstance) -> Subject:
        metadata = instance.metadata
        owner = Owner(self._platform.cluster.name, metadata.namespace, metadata.name, metadata.uid)
        return Subject(instance, self._platform, owner)

    async def assess(self, subject: Subject) -> dict[str, Assessment | Failure]:
        """Observe and plan all parts, by name, and change nothing: what `plan` shows."""
        return self._plan(subject, await self._observe(subject))

    async def _keep(self, subject: Subject) -> Outcome:
        subject = await self._claim(subject)
        settled = _settled(subject)
        seen, assessments = await self._look(subject, settled=settled)
        todo = {
            name: [change for change in assessment.changes if change.waits_for is None]
            for name, assessment in assessments.items()
            if not isinstance(assessment, Failure)
        }
        failures = await self._apply(todo)
        if settled:
            for name in (name for name, changes in todo.items() if changes):
                DRIFT_FOUND.labels(name).inc()
                if name not in failures:
                    DRIFT_MENDED.labels(name).inc()
        verdicts = [
            Verdict.failed(part.condition, found)
            if isinstance(found := assessments[part.name], Failure)
            else Verdict.of(part.condition, found, failures.get(part.name))
            for part in self._parts
        ]
        if not settled and all(item.state is PartState.READY for item in verdicts):
            self._count_first_ready(subject.instance.metadata)
        moved = await self._report(subject, reported(subject, verdicts, _now()))
        return _outcome(verdicts, failed=bool(failures) or any(item.failure for item in seen.values()), moved=moved)

    def _count_first_ready(self, metadata: Metadata) -> None:
        if metadata.uid in self._new:
            self._new.discard(metadata.uid)
            created = datetime.fromisoformat(metadata.creation_timestamp or _now())
            READY_SECONDS.observe((datetime.now(UTC) - created).total_seconds())

    async def _look(
        self, subject: Subject, *, settled: bool
    ) -> tuple[dict[str, Seen], dict[str, Assessment | Failure]]:
        """Observe and plan; from remembered reads only what then turns out to be all in order."""
        if settled:
            with remembered_reads():
                seen = await self._observe(subject)
            assessments = self._plan(subject, seen)
            if all(not isinstance(item, Failure) and _in_order(item) for item in assessments.values()):
                return seen, assessments
        seen = await self._observe(subject)
        return seen, self._plan(subject, seen)

    async def _delete(self, subject: Subject) -> Outcome:
        """Take the parts down, dependents first; when all are gone or kept, let the instance go."""
        if FINALIZER not in subject.instance.metadata.finalizers:
            return Outcome.GONE
        self._new.discard(subject.instance.metadata.uid)
        seen = await self._observe(subject)
        plans: dict[str, tuple[Change, ...] | None] = {
            part.name: part.delete(subject, seen[part.name].observed)
            for part in self._parts
            if seen[part.name].failure is None
        }
        gone = {name for name, changes in plans.items() if changes == ()}
        if len(gone) == len(self._parts):
            await self._finalize(subject, [])
            _log.info("instance deleted")
            return Outcome.GONE
        todo = {part.name: list(plans.get(part.name) or ()) for part in self._parts if set(part.deleted_after) <= gone}
        failures = await self._apply(todo)
        failures |= {name: item.failure for name, item in seen.items() if item.failure}
        verdicts = [self._deletion_verdict(part, gone, failures.get(part.name)) for part in self._parts]
        moved = await self._report(subject, reported(subject, verdicts, _now()))
        return _outcome(verdicts, failed=bool(failures), moved=moved)

    @staticmethod
    def _deletion_verdict(part: AnyPart, gone: set[str], failure: Failure | None) -> Verdict:
        if failure:
            return Verdict.failed(part.condition, failure)
        message = f"{part.name} is deleted or kept." if part.name in gone else f"{part.name} is being deleted."
        return Verdict(part.condition, PartState.PROGRESSING, "Deleting", message)

    async def _claim(self, subject: Subject) -> Subject:
        """Put the finalizer on before anything is made, and say in the status that a new generation was seen."""
        instance = subject.instance
        if FINALIZER not in instance.metadata.finalizers:
            self._new.add(instance.metadata.uid)
            await self._finalize(subject, [FINALIZER])
        if instance.status.observed_generation == instance.metadata.generation:
            return subject
        status = acknowledged(subject, _now())
        await self._report(subject, status)
        return self._subject(instance.model_copy(update={"status": status}))

    async def _observe(self, subject: Subject) -> dict[str, Seen]:
        async def look(part: AnyPart) -> Seen:
            try:
                return Seen(await part.observe(subject, self._clients))
            except Exception as error:
                return Seen(None, self._failure(part.name, error))

        found = await asyncio.gather(*(look(part) for part in self._parts))
        return {part.name: item for part, item in zip(self._parts, found, strict=True)}

    def _plan(self, subject: Subject, seen: Mapping[str, Seen]) -> dict[str, Assessment | Failure]:
        outputs: dict[str, str] = {}
        for part in self._parts:
            if seen[part.name].failure is None:
                outputs |= part.outputs(subject, seen[part.name].observed)
        return {
            part.name: seen[part.name].failure or part.plan(subject, seen[part.name].observed, outputs)
            for part in self._parts
        }

    async def _apply(self, todo: Mapping[str, Sequence[Change]]) -> dict[str, Failure]:
        """Apply the parts' changes, parts side by side, each part's in order; return the failures by part."""

        async def work(name: str, changes: Sequence[Change]) -> Failure | None:
            try:
                for change in changes:
                    _log.info("change", part=name, action=change.action.value, kind=change.kind, name=change.name)
                    await apply(change, self._clients)
            except Exception as error:
                return self._failure(name, error)
            return None

        results = await asyncio.gather(*(work(name, changes) for name, changes in todo.items()))
        return {name: failure for name, failure in zip(todo, results, strict=True) if failure}

    @staticmethod
    def _failure(part: str, error: Exception) -> Failure:
        failure = classify(error)
        unknown = failure.reason == "InternalError"
        _log.warning("part failed", part=part, reason=failure.reason, error=str(error), exc_info=unknown)
        return failure

    async def _report(self, subject: Subject, status: RecallInstanceStatus) -> bool:
        """Write the status if it says something new; return whether it does."""
        instance = subject.instance
        if instance.status == status:
            return False
        place = (instance.metadata.namespace, instance.metadata.name)
        await self._clients.kubernetes.apply(status_manifest(place, status), subresource="status")
        return True

    async def _refuse(self, metadata: Metadata, error: ValidationError) -> Outcome:
        fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        message = f"The stored object can't be read: {fields}. Correct these fields."
        status = refused(metadata.generation, (), message, _now())
        await self._clients.kubernetes.apply(
            status_manifest((metadata.namespace, metadata.name), status), subresource="status"
        )
        return Outcome.SETTLED

    async def _finalize(self, subject: Subject, finalizers: list[str]) -> None:
        """Set the operator's finalizers. The uid keeps this from ever making a new object of the same name."""
        metadata = subject.instance.metadata
        place = {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {**place, "finalizers": finalizers}}
        await self._clients.kubernetes.apply(manifest)


def _in_order(assessment: Assessment) -> bool:
    return assessment.state is PartState.READY and not assessment.changes


def _settled(subject: Subject) -> bool:
    """Whether the instance was in order, as this spec wants it, when it was last looked at."""
    instance = subject.instance
    ready = next((item for item in instance.status.conditions if item.type == "Ready"), None)
    asked = instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION)
    return (
        ready is not None
        and ready.status is ConditionStatus.TRUE
        and ready.observed_generation == instance.metadata.generation
        and asked == instance.status.last_handled_reconcile_at
    )


def _outcome(verdicts: Sequence[Verdict], *, failed: bool, moved: bool) -> Outcome:
    if any(item.terminal for item in verdicts):
        return Outcome.SETTLED
    if failed:
        return Outcome.FAILED
    if all(item.state is PartState.READY for item in verdicts):
        return Outcome.SETTLED
    return Outcome.MOVED if moved else Outcome.PROGRESSING


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
