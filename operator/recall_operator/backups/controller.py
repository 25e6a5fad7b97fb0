"""One pass over one RecallBackup: look, decide, record what is asked for, ask, report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from botocore.exceptions import ClientError
from pydantic import ValidationError

from recall_operator.backups.plan import (
    Plan,
    Seen,
    Source,
    deletion_verdict,
    entry,
    plan,
    plan_deletion,
    size_text,
    stamp,
    undecided,
)
from recall_operator.backups.sightings import NOT_FOUND, Sighting, backup_name, find, look
from recall_operator.errors import ApiServerError, Failure, aws_code, classify
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import (
    BACKUP_FINALIZER,
    BACKUP_KIND,
    RecallBackup,
    RecallBackupStatus,
    TableBackup,
    TableRole,
)
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.instance import Metadata, RecallInstance
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import ConditionStatus
from recall_operator.reconcile.rhythm import Outcome, Rhythm
from recall_operator.reconcile.status import READY, Verdict, conditions_of_one
from recall_operator.resources.part import Subject
from recall_operator.resources.plan import AwsCall, PartState
from recall_operator.resources.table_names import table_name
from recall_operator.resources.tables import Tables
from recall_operator.telemetry.metrics import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recall_operator.kubernetes.events import Events
    from recall_operator.platform import Platform
    from recall_operator.reconcile.rhythm import Tell
    from recall_operator.resources.part import Clients
    from recall_operator.resources.plan import Change

_log = structlog.get_logger(__name__)

CONFLICT: Final = 409
"""The API server's answer to a write of an object that has changed since it was read."""
CHECK_SECONDS: Final = 86_400.0
"""A backup does not change by itself: once a day is soon enough to notice that somebody deleted it."""


def utc_now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Refusal:
    """A request that failed."""

    failure: Failure
    certain: bool
    """Whether it certainly made nothing."""


class BackupReconciler:
    """Makes RecallBackups come true, one pass at a time. It remembers nothing."""

    def __init__(
        self,
        platform: Platform,
        clients: Clients,
        events: Events | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._platform = platform
        self._clients = clients
        self._events = events
        self._clock = clock

    async def reconcile(self, key: str, tell: Tell = lambda _key, _rhythm: None) -> Outcome:
        """Make one pass over the RecallBackup at `key` (`<namespace>/<name>`) and say when to look again.

        Raises:
            ApiServerError: it could not be read, or its status or finalizer not be written.
        """
        with structlog.contextvars.bound_contextvars(backup=key):
            namespace, name = key.split("/", 1)
            found = await self._clients.kubernetes.get(ObjectKey(BACKUP_KIND, namespace, name))
            if found is None:
                return Outcome.GONE
            try:
                backup = RecallBackup.model_validate(found)
            except ValidationError as error:
                return await self._refuse(Metadata.model_validate(found["metadata"]), error)
            try:
                outcome = await (self._delete(backup) if backup.deleting else self._keep(backup))
            except ApiServerError as error:
                if error.status != CONFLICT:
                    raise
                outcome = Outcome.PROGRESSING  # It is another than was read: look again.
            tell(key, Rhythm(CHECK_SECONDS if outcome is Outcome.SETTLED else None))
            return outcome

    async def _keep(self, backup: RecallBackup) -> Outcome:
        deletes = backup.spec.deletion_policy is DeletionPolicy.DELETE
        if deletes is not (BACKUP_FINALIZER in backup.metadata.finalizers):
            await self._finalize(backup.metadata, [BACKUP_FINALIZER] if deletes else [])
            return Outcome.MOVED  # The object has another resource version now.
        name, now = backup_name(self._platform.cluster.name, backup.metadata), self._clock()
        try:
            planned = plan(backup, name, await self._observe(backup, name, now), now)
        except Exception as error:
            return await self._report_failure(backup, self._failure(error))
        if not planned.changes:
            moved = await self._report(backup, planned.verdict, planned.tables)
            return _outcome(planned.verdict, moved=moved)
        return await self._ask(backup, planned)

    async def _ask(self, backup: RecallBackup, planned: Plan) -> Outcome:
        """Record the requests, then make them side by side: the moments are to be as close as possible."""
        # Of two operators that both mean to ask, one is told here that it is too late.
        metadata = await self._apply_status(backup.metadata, self._asking(backup, planned))
        answers = await asyncio.gather(*(self._create(change) for change in planned.changes.values()))
        results = dict(zip(planned.changes, answers, strict=True))
        entries = [_after(item, backup.recorded(item.table), results.get(item.table)) for item in planned.tables]
        failures = [item.failure for item in results.values() if isinstance(item, _Refusal)]
        verdict = Verdict.failed(READY, failures[0]) if failures else planned.verdict
        recorded = backup.model_copy(update={"metadata": metadata})
        await self._write(recorded, verdict, [item for item in entries if item])
        return (Outcome.SETTLED if verdict.terminal else Outcome.FAILED) if failures else Outcome.MOVED

    def _asking(self, backup: RecallBackup, planned: Plan) -> RecallBackupStatus:
        """Return the status before a request; what was wrong the last time stays until the answer is there."""
        before = backup.status
        status = self._status(backup, planned.verdict, planned.tables)
        ready = next((item for item in before.conditions if item.type == READY), None)
        again = ready is not None and ready.status is ConditionStatus.FALSE
        if again and before.observed_generation == backup.metadata.generation:
            return status.model_copy(update={"conditions": before.conditions})
        return status

    async def _create(self, change: Change) -> Sighting | _Refusal:
        (step,) = change.steps
        assert isinstance(step, AwsCall)  # noqa: S101 - plan makes no other
        _log.info("change", part=change.part, action=change.action.value, kind=change.kind, name=change.name)
        try:
            answer = await self._clients.aws.call(step.service, step.operation, **step.parameters)
        except Exception as error:
            return _Refusal(self._failure(error), certain=_is_answer(error))
        CHANGES.labels(change.part, change.action).inc()
        return Sighting.of(answer["BackupDetails"])

    async def _observe(self, backup: RecallBackup, name: str, now: datetime) -> Seen:
        roles = backup.spec.tables
        first = await asyncio.gather(*(self._recorded(backup, name, role) for role in roles))
        backups = dict(zip(roles, first, strict=True))
        missing = [role for role in roles if not backups[role] and _to_be_made(backup.recorded(role), now)]
        if not missing:
            return Seen(backups)
        sources = await self._sources(backup)
        for role in missing if sources else ():
            # A status that was lost must not make a second backup.
            if backup.recorded(role) is None:
                backups[role] = await find(self._clients.aws, name, sources[role].table_name, backup.metadata)
        return Seen(backups, sources)

    async def _recorded(self, backup: RecallBackup, name: str, role: TableRole) -> tuple[Sighting, ...]:
        recorded = backup.recorded(role)
        if recorded is None:
            return ()
        if recorded.backup_arn is None:
            return await find(self._clients.aws, name, recorded.table_name, backup.metadata)
        found = await look(self._clients.aws, name, recorded.backup_arn)
        return (found,) if found else ()

    async def _sources(self, backup: RecallBackup) -> dict[TableRole, Source]:
        """Return the instance's tables; nothing when there is no instance."""
        metadata = backup.metadata
        found = await self._clients.kubernetes.get(ObjectKey(KIND, metadata.namespace, backup.spec.instance_name))
        if found is None:
            return {}
        instance = RecallInstance.model_validate(found)
        subject = Subject.of(instance, self._platform)
        observed = await Tables().observe(subject, self._clients)
        return {role: Source(table_name(subject, role), observed.tables[role], subject.owner.uid) for role in TableRole}

    async def _delete(self, backup: RecallBackup) -> Outcome:
        """Delete the backups if they are to be deleted, then let the object go."""
        metadata = backup.metadata
        if BACKUP_FINALIZER not in metadata.finalizers:
            return Outcome.GONE
        if backup.spec.deletion_policy is DeletionPolicy.RETAIN:
            await self._finalize(metadata, [])
            return Outcome.GONE
        name, now = backup_name(self._platform.cluster.name, metadata), self._clock()
        try:
            recorded = backup.status.tables
            # By name only: an ARN in the status may be anybody's.
            lists = await asyncio.gather(
                *(find(self._clients.aws, name, item.table_name, metadata) for item in recorded)
            )
            changes = plan_deletion(backup, Seen({x.table: y for x, y in zip(recorded, lists, strict=True)}), now)
            if changes == {}:
                await self._finalize(metadata, [])
                _log.info("backup deleted")
                return Outcome.GONE
            failure = await self._remove([item for each in (changes or {}).values() for item in each])
        except ApiServerError:
            raise
        except Exception as error:
            failure = self._failure(error)
        moved = await self._report(backup, deletion_verdict(backup, failure, now), backup.status.tables)
        return Outcome.FAILED if failure else Outcome.MOVED if moved or changes else Outcome.PROGRESSING

    async def _remove(self, changes: list[Change]) -> Failure | None:
        failure: Failure | None = None
        for change in changes:
            for step in change.steps:
                assert isinstance(step, AwsCall)  # noqa: S101 - plan makes no other
                _log.info("change", part=change.part, action=change.action.value, kind=change.kind, name=change.name)
                try:
                    await self._clients.aws.call(step.service, step.operation, **step.parameters)
                    CHANGES.labels(change.part, change.action).inc()
                except Exception as error:
                    if aws_code(error) != NOT_FOUND:  # Deleted already, and listed for a moment longer.
                        failure = self._failure(error)
        return failure

    @staticmethod
    def _failure(error: Exception) -> Failure:
        failure = classify(error)
        _log.warning(
            "backup failed", reason=failure.reason, error=str(error), exc_info=failure.reason == "InternalError"
        )
        return failure

    async def _report_failure(self, backup: RecallBackup, failure: Failure) -> Outcome:
        verdict = Verdict.failed(READY, failure)
        await self._report(backup, verdict, backup.status.tables)
        return Outcome.SETTLED if verdict.terminal else Outcome.FAILED

    async def _report(self, backup: RecallBackup, verdict: Verdict, tables: Sequence[TableBackup]) -> bool:
        """Write the status if it says something new; return whether it does."""
        if self._status(backup, verdict, tables) == backup.status:
            return False
        await self._write(backup, verdict, tables)
        return True

    def _status(self, backup: RecallBackup, verdict: Verdict, tables: Sequence[TableBackup]) -> RecallBackupStatus:
        generation, now = backup.metadata.generation, stamp(self._clock())
        return RecallBackupStatus(
            observed_generation=generation,
            conditions=conditions_of_one(verdict, backup.status.conditions, generation, now),
            tables=list(tables),
            size=size_text(tables) if verdict.state is PartState.READY else backup.status.size,
        )

    async def _write(self, backup: RecallBackup, verdict: Verdict, tables: Sequence[TableBackup]) -> None:
        status = self._status(backup, verdict, tables)
        await self._tell(backup, status)
        await self._apply_status(backup.metadata, status)

    async def _apply_status(self, metadata: Metadata, status: RecallBackupStatus) -> Metadata:
        """Write the status of the very version that was read; return the metadata as it is then.

        A write that comes late must not put an old status over a newer one: a day would pass until the next look.
        """
        place = {"namespace": metadata.namespace, "name": metadata.name, "resourceVersion": metadata.resource_version}
        manifest = {
            "apiVersion": API_VERSION,
            "kind": BACKUP_KIND,
            "metadata": place,
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        applied = await self._clients.kubernetes.apply(manifest, subresource="status")
        return Metadata.model_validate(applied["metadata"])

    async def _tell(self, backup: RecallBackup, status: RecallBackupStatus) -> None:
        """Tell people when Ready changes its word, and again for as long as it is False."""
        before = next((item for item in backup.status.conditions if item.type == READY), None)
        after = next(item for item in status.conditions if item.type == READY)
        changed = before is None or (before.status, before.reason) != (after.status, after.reason)
        if self._events and (changed or after.status is ConditionStatus.FALSE):
            await self._events.tell(backup.metadata, after, BACKUP_KIND)

    async def _refuse(self, metadata: Metadata, error: ValidationError) -> Outcome:
        fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        text = f"The stored object can't be read: {fields}. Correct these fields."
        verdict = Verdict(READY, PartState.BROKEN, "InvalidSpec", text, terminal=True)
        conditions = conditions_of_one(verdict, (), metadata.generation, stamp(self._clock()))
        status = RecallBackupStatus(observed_generation=metadata.generation, conditions=conditions)
        await self._apply_status(metadata, status)
        return Outcome.SETTLED

    async def _finalize(self, metadata: Metadata, finalizers: list[str]) -> None:
        """Set the operator's finalizers. The uid keeps this from ever making a new object of the same name."""
        place = {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}
        version = {"resourceVersion": metadata.resource_version}
        whole = {**place, **version, "finalizers": finalizers}
        manifest = {"apiVersion": API_VERSION, "kind": BACKUP_KIND, "metadata": whole}
        await self._clients.kubernetes.apply(manifest)


def _to_be_made(recorded: TableBackup | None, now: datetime) -> bool:
    """Whether a backup that was not found is one that may be asked for, rather than one that was lost."""
    return recorded is None or (recorded.backup_arn is None and not undecided(recorded, now))


def _is_answer(error: Exception) -> bool:
    """Whether `error` is AWS's word that nothing was done, rather than silence or a fault on its side."""
    if not isinstance(error, ClientError):
        return False
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)) < 500


def _after(asked: TableBackup, before: TableBackup | None, result: Sighting | _Refusal | None) -> TableBackup | None:
    """Return what to record of a request: its answer; that it was made, when its backup may still appear."""
    if isinstance(result, Sighting):
        return entry(asked.table, asked.table_name, asked.requested_at, result)
    return before if isinstance(result, _Refusal) and result.certain else asked


def _outcome(verdict: Verdict, *, moved: bool) -> Outcome:
    if verdict.state is PartState.READY or verdict.terminal:
        return Outcome.SETTLED
    if verdict.state is PartState.BROKEN:
        return Outcome.FAILED
    return Outcome.MOVED if moved else Outcome.PROGRESSING
