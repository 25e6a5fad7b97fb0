"""One pass over one instance: look at all parts, plan, apply, report. Deletion is a branch of the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from recall_operator.annotations import DRY_RUN, PAUSED, Wishes, wishes
from recall_operator.errors import Failure
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.models.instance import FINALIZER, RECONCILE_REQUESTED_ANNOTATION, Metadata, RecallInstance
from recall_operator.models.status import ConditionStatus
from recall_operator.reconcile.all_parts import AllParts, failure_of, in_order
from recall_operator.reconcile.expiry import PART, expires_at, expiry_change, is_expired
from recall_operator.reconcile.plan_status import plan_status, problems
from recall_operator.reconcile.record import InstanceRecord
from recall_operator.reconcile.rhythm import Outcome, Tell, outcome_of, rhythm_of
from recall_operator.reconcile.status import (
    EXPIRING,
    READY,
    acknowledged,
    condition,
    farewell,
    held,
    refused,
    reported,
)
from recall_operator.requests.asking import Asking, asked_by
from recall_operator.requests.late_writes import LateWrites
from recall_operator.resources.catalogue import PARTS
from recall_operator.resources.part import Clients, Subject, apply
from recall_operator.resources.plan import PartState
from recall_operator.telemetry.metrics import DRIFT_FOUND, DRIFT_MENDED, READY_SECONDS, RECONCILE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recall_operator.kubernetes.events import Events
    from recall_operator.platform import Platform
    from recall_operator.resources.part import AnyPart
    from recall_operator.resources.plan import Change

_log = structlog.get_logger(__name__)


class Reconciler:
    """Makes instances true to their specs, one pass at a time. What it remembers is for metrics only."""

    def __init__(
        self,
        platform: Platform,
        clients: Clients,
        parts: Sequence[AnyPart] = PARTS,
        events: Events | None = None,
        late_writes: LateWrites | None = None,
    ) -> None:
        """Remember the doors; without `late_writes` no request is thought to be ever late, as is true in memory."""
        self._late_writes = late_writes or LateWrites(longest_seconds=0.0)
        self._platform = platform
        self._clients = clients
        self._parts = AllParts(clients, parts)
        self._record = InstanceRecord(clients.kubernetes, events)
        self._new: set[str] = set()
        """Uids of instances that this process saw first and that are not Ready yet."""

    async def reconcile(self, key: str, tell: Tell = lambda _key, _rhythm: None) -> Outcome:
        """Make one pass over the instance at `key` (`<namespace>/<name>`) and say when to look again.

        Args:
            key: the instance.
            tell: is told the instance's own rhythm.

        Raises:
            ApiServerError: the instance could not be read, or its status or finalizer not be written.
        """
        with structlog.contextvars.bound_contextvars(instance=key), RECONCILE_SECONDS.time():
            place = ObjectKey(KIND, *key.split("/", 1))
            if await self._glance(key, place, tell):
                return Outcome.SETTLED
            with asked_by(Asking(key)):
                return await self._pass(place, tell)

    async def _glance(self, key: str, place: ObjectKey, tell: Tell) -> bool:
        """Look at an instance from memory; return whether it is in order and its status says so. Writes nothing."""
        with asked_by(Asking(key, remembered=True, background=True)):
            found = await self._clients.kubernetes.get(place)
        try:
            instance = RecallInstance.model_validate(found)
        except ValidationError:
            return False
        asked = wishes(instance.metadata.annotations, self._parts.names)
        subject = Subject.of(instance, self._platform)
        claimed = FINALIZER in instance.metadata.finalizers and not instance.deleting
        claimed = claimed and not is_expired(instance, subject.now)
        if not claimed or asked.paused or asked.dry_run or not _settled(subject):
            return False
        tell(key, rhythm_of(subject, asked))
        with asked_by(Asking(key, remembered=True, oldest_seconds=asked.poll_seconds, settled=True, background=True)):
            assessments = self._parts.plan(subject, await self._parts.observe(subject, quiet=True))
        if not all(in_order(found) for found in assessments.values()):
            return False
        return reported(subject, self._parts.verdicts(assessments, {}), _now(), asked.problems) == instance.status

    async def _pass(self, place: ObjectKey, tell: Tell) -> Outcome:
        """Look freshly at what was not in order, and put it in order."""
        found = await self._clients.kubernetes.get(place)
        if found is None:
            self._late_writes.forget(f"{place.namespace}/{place.name}")
            return Outcome.GONE
        try:
            instance = RecallInstance.model_validate(found)
        except ValidationError as error:
            return await self._refuse(Metadata.model_validate(found["metadata"]), error)
        subject = Subject.of(instance, self._platform)
        asked = wishes(instance.metadata.annotations, self._parts.names)
        tell(instance.key, rhythm_of(subject, asked))
        if asked.paused:
            return await self._pause(subject, asked)
        if asked.dry_run:
            return await self._show_plan(subject, asked)
        if is_expired(instance, subject.now):
            return await self._expire(subject, asked)
        return await (self._delete(subject, asked) if instance.deleting else self._keep(subject, asked))

    async def _pause(self, subject: Subject, asked: Wishes) -> Outcome:
        message = f"Annotation {PAUSED} holds the operator back; remove it to go on."
        if subject.instance.deleting:
            message += " The deletion waits as well."
        if is_expired(subject.instance, subject.now):
            message += f" Its life (spec.expiresAfter) was over at {expires_at(subject.instance)}: then it is deleted."
        await self._record.report(
            subject.instance, held(subject, "Paused", "ReconcilePaused", message, _now(), asked.problems)
        )
        return Outcome.SETTLED

    async def _show_plan(self, subject: Subject, asked: Wishes) -> Outcome:
        """Put into the status what a pass would do, and do nothing else: not even the finalizer is written."""
        expired = is_expired(subject.instance, subject.now)
        if subject.instance.deleting or expired:
            takedowns = await self._parts.assess_deletion(subject, asked.abandoned)
            changes = [expiry_change(subject.instance)] if expired else []
            changes += [change for found in self._parts.changes(takedowns).values() for change in found]
            failures = takedowns.failures()
            troubles = problems(failures)
        else:
            plans = await self._parts.assess(subject)
            failures = {name: plan for name, plan in plans.items() if isinstance(plan, Failure)}
            changes = [change for plan in plans.values() if not isinstance(plan, Failure) for change in plan.changes]
            troubles = problems(plans)
        plan = plan_status(subject.instance.metadata.generation, changes, troubles)
        reason = "PlanFailed" if plan.problems else "ChangesPlanned" if plan.total else "NoChanges"
        message = (
            f"Nothing was changed: {plan.total} changes are planned, {plan.destructive} of them destructive; "
            f"see status.plan. Remove annotation {DRY_RUN} to let the operator go on."
        )
        status = held(subject, "DryRun", reason, message, _now(), asked.problems)
        requested = subject.instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION)
        await self._record.report(
            subject.instance, status.model_copy(update={"plan": plan, "last_handled_reconcile_at": requested})
        )
        return Outcome.FAILED if failures else Outcome.SETTLED

    async def _expire(self, subject: Subject, asked: Wishes) -> Outcome:
        """Delete an instance whose life is over; the next pass sees it being deleted. A refusal shows in its status."""
        try:
            await apply(expiry_change(subject.instance), self._clients)
        except Exception as error:
            failure = failure_of(PART, error)
            message = f"The instance's life (spec.expiresAfter) is over, but it can't be deleted: {failure.message}"
            await self._record.report(
                subject.instance, held(subject, EXPIRING, failure.reason, message, _now(), asked.problems)
            )
            return Outcome.FAILED
        _log.info("instance expired", expires_after=subject.instance.spec.expires_after)
        await self._record.warn(subject.instance.metadata, farewell(subject, _now()))
        return Outcome.MOVED

    async def _keep(self, subject: Subject, asked: Wishes) -> Outcome:
        settled = _settled(subject)
        subject = await self._claim(subject)
        seen, assessments = await self._parts.look(subject)
        todo = {
            name: [change for change in assessment.changes if change.waits_for is None]
            for name, assessment in assessments.items()
            if not isinstance(assessment, Failure)
        }
        failures = await self._apply(subject, todo)
        if settled:
            for name in (name for name, changes in todo.items() if changes):
                DRIFT_FOUND.labels(name).inc()
                if name not in failures:
                    DRIFT_MENDED.labels(name).inc()
        verdicts = self._parts.verdicts(assessments, failures)
        if not settled and all(item.state is PartState.READY for item in verdicts):
            self._count_first_ready(subject.instance.metadata)
        moved = await self._record.report(subject.instance, reported(subject, verdicts, _now(), asked.problems))
        troubles = [*failures.values(), *(item.failure for item in seen.values() if item.failure)]
        moving = any(
            not isinstance(found, Failure)
            and found.state is PartState.PROGRESSING
            and not found.waits_for_others
            and name not in failures
            for name, found in assessments.items()
        )
        return outcome_of(verdicts, failed=any(not item.terminal for item in troubles), moved=moved, moving=moving)

    def _count_first_ready(self, metadata: Metadata) -> None:
        if metadata.uid in self._new:
            self._new.discard(metadata.uid)
            created = datetime.fromisoformat(metadata.creation_timestamp or _now())
            READY_SECONDS.observe((datetime.now(UTC) - created).total_seconds())

    async def _delete(self, subject: Subject, asked: Wishes) -> Outcome:
        """Take the parts down, dependents first; when all are gone, kept or abandoned, let the instance go."""
        if FINALIZER not in subject.instance.metadata.finalizers:
            return Outcome.GONE
        self._new.discard(subject.instance.metadata.uid)
        looked_at = self._late_writes.now()
        seen = await self._parts.observe(subject)
        takedowns = self._parts.takedowns(subject, seen, asked.abandoned)
        if takedowns.done and not self._late_writes.may_follow(subject.instance.key, looked_at):
            await self._record.finalize(subject.instance.metadata, [])
            _log.info("instance deleted", abandoned=sorted(takedowns.abandoned))
            return Outcome.GONE
        failures = await self._apply(subject, self._parts.changes(takedowns)) | takedowns.failures()
        left = self._parts.plan(subject, seen)
        verdicts = self._parts.deletion_verdicts(subject, takedowns, left, failures)
        moved = await self._record.report(subject.instance, reported(subject, verdicts, _now(), asked.problems))
        # A blocked deletion is tried again however long it takes, unless AWS refuses the very request.
        if any(failure.terminal for failure in failures.values()):
            return Outcome.SETTLED
        return Outcome.FAILED if failures else Outcome.MOVED if moved else Outcome.PROGRESSING

    async def _claim(self, subject: Subject) -> Subject:
        """Put the finalizer on before anything is made, and say in the status that a new generation was seen."""
        instance = subject.instance
        if FINALIZER not in instance.metadata.finalizers:
            self._new.add(instance.metadata.uid)
            await self._record.finalize(subject.instance.metadata, [FINALIZER])
        if instance.status.observed_generation == instance.metadata.generation:
            return subject
        status = acknowledged(subject, _now())
        await self._record.report(subject.instance, status)
        return Subject.of(instance.model_copy(update={"status": status}), self._platform)

    async def _apply(self, subject: Subject, todo: Mapping[str, Sequence[Change]]) -> dict[str, Failure]:
        """Apply the parts' changes and take note of writes that may still be on their way; return failures by part."""
        surely_deleted = False
        try:
            failures = await self._parts.apply(todo)
            surely_deleted = subject.instance.deleting and not failures
        finally:
            if any(todo.values()) and not surely_deleted:
                self._late_writes.written(subject.instance.key)
        return failures

    async def _refuse(self, metadata: Metadata, error: ValidationError) -> Outcome:
        fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        message = f"The stored object can't be read: {fields}. Correct these fields."
        status = refused(metadata.generation, (), message, _now())
        await self._record.write(metadata, status)
        return Outcome.SETTLED


def _settled(subject: Subject) -> bool:
    """Whether the instance was in order, as this spec wants it, when it was last looked at."""
    instance = subject.instance
    ready = condition(instance.status, READY)
    asked = instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION)
    return (
        ready is not None
        and ready.status is ConditionStatus.TRUE
        and ready.observed_generation == instance.metadata.generation
        and asked == instance.status.last_handled_reconcile_at
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
