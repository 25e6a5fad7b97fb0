"""What has to be done for a RecallBackup, from what was asked, recorded and seen. All of it is pure.

CreateBackup has no token that makes it happen once. Instead the status records `requestedAt` before the request is
made, and after a request nothing is asked for again until a minute has passed in which ListBackups showed no backup of
the object's own name. So a lost answer, a crash or a second operator makes no second backup.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from recall_operator.models.backup import TableBackup, TableRole
from recall_operator.reconcile.status import Verdict
from recall_operator.resources.plan import Action, AwsCall, Change, PartState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.backups.sightings import Sighting
    from recall_operator.errors import Failure
    from recall_operator.models.backup import RecallBackup
    from recall_operator.resources.tables import ObservedTable

PART: Final = "backup"
"""Its name in metrics, where an instance has its parts."""
CERTAIN_SECONDS: Final = 60.0
"""How long after a request a backup that does not show may still appear: AWS states no bound for its lists."""
PATIENCE_SECONDS: Final = 600.0
"""A deletion that takes longer is called blocked."""
HOW_TO: Final = "docs/how-to/back-up-and-restore.md"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_READABLE: Final = ("ACTIVE", "UPDATING")
"""States of a table that can be backed up."""


@dataclass(frozen=True)
class Source:
    """One table of the instance as it is now."""

    table_name: str
    table: ObservedTable | None
    instance_uid: str


@dataclass(frozen=True)
class Seen:
    """What one look found."""

    backups: Mapping[TableRole, tuple[Sighting, ...]]
    """By table, oldest first. Never more than one, unless somebody used the very name."""
    sources: Mapping[TableRole, Source] | None = None
    """The instance's tables; None when there is no instance. Looked at only while a backup is still to be made."""


@dataclass(frozen=True)
class Plan:
    """What one pass has to do, and what to say if it succeeds."""

    verdict: Verdict
    tables: tuple[TableBackup, ...]
    """For the status."""
    changes: Mapping[TableRole, Change] = field(default_factory=dict)


def stamp(moment: datetime) -> str:
    """Return a moment as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime(_TIME)


def entry(role: TableRole, table_name: str, requested_at: str, seen: Sighting) -> TableBackup:
    """Return what the status says of a backup that was seen."""
    return TableBackup(
        table=role,
        table_name=table_name,
        requested_at=requested_at,
        backup_arn=seen.arn,
        state=seen.state,
        size_bytes=seen.size_bytes,
        created_at=stamp(seen.created_at),
    )


def size_text(tables: Iterable[TableBackup]) -> str | None:
    """Return the size of all backups together; None while one of them is not known."""
    sizes = [item.size_bytes for item in tables]
    if not sizes or None in sizes:
        return None
    size, unit = float(sum(item or 0 for item in sizes)), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _verdict(state: PartState, reason: str, message: str, *, terminal: bool = False) -> Verdict:
    return Verdict("Ready", state, reason, message, terminal)


def undecided(recorded: TableBackup, now: datetime) -> bool:
    """Whether a request was made so lately that its backup may still appear."""
    return (now - datetime.fromisoformat(recorded.requested_at)).total_seconds() < CERTAIN_SECONDS


def table_of(seen: Sighting) -> str:
    """Return the name of the table that a backup is of: `arn:…:table/<name>/backup/<id>`."""
    return seen.arn.split("/")[1]


def _why_not(backup: RecallBackup, role: TableRole, source: Source | None) -> Verdict | None:
    """Return why a table can't be backed up now; None when it can."""
    name, namespace = backup.spec.instance_name, backup.metadata.namespace
    broken, instance = PartState.BROKEN, f"RecallInstance {name}"
    if source is None:
        remedy = "Create it, or delete this RecallBackup and make one with the name of an instance there is"
        return _verdict(broken, "InstanceNotFound", f"{instance} is not in namespace {namespace}. {remedy}.")
    table = source.table
    if table is None:
        other = ", ".join(item for item in TableRole if item is not role)
        return _verdict(
            broken,
            "TableNotFound",
            f"Table {source.table_name} of {instance} does not exist; nothing was backed up. It is tried again. See "
            f"`kubectl recall status {name}`; to back up the other table alone, make a RecallBackup with spec.tables: "
            f"[{other}].",
        )
    if table.owner is None or table.owner.uid != source.instance_uid:
        whose = f"belongs to {table.owner}" if table.owner else "is not marked as its own"
        return _verdict(
            broken,
            "NotOwned",
            f"Table {source.table_name} {whose}, so it is not backed up for {instance}. Let the instance become "
            f"Ready first: `kubectl recall status {name}`.",
        )
    if table.state not in _READABLE:
        return _verdict(
            PartState.PROGRESSING, "Waiting", f"Table {source.table_name} is {table.state}; it is backed up after that."
        )
    return None


def _creation(name: str, role: TableRole, table: str) -> Change:
    call = AwsCall("dynamodb", "create_backup", {"TableName": table, "BackupName": name})
    return Change(PART, Action.CREATE, "Backup", f"{role} of {table}", (call,))


def _lost(recorded: TableBackup) -> Verdict:
    return _verdict(
        PartState.BROKEN,
        "BackupLost",
        f"Backup {recorded.backup_arn} of table {recorded.table_name} is gone from AWS: somebody deleted it. A moment "
        "that is past can't be backed up again; delete this RecallBackup and make another.",
        terminal=True,
    )


def _done(tables: tuple[TableBackup, ...]) -> Verdict:
    moments = [datetime.fromisoformat(item.created_at) for item in tables if item.created_at]
    apart = (max(moments) - min(moments)).total_seconds()
    text = f"Backed up at {stamp(min(moments))}" + (f", {apart:.0f} s apart." if len(tables) > 1 else ".")
    return _verdict(PartState.READY, "Available", text)


@dataclass(frozen=True)
class _Judgement:
    """What is to be done about one table."""

    entry: TableBackup | None
    """What is known of its backup."""
    trouble: Verdict | None = None
    """Why it is not done."""
    blocks: bool = False
    """Whether no other table is to be backed up either until that is mended."""
    asked: TableBackup | None = None
    """What is to be recorded before `change` is made."""
    change: Change | None = None


def _judge(backup: RecallBackup, name: str, role: TableRole, seen: Seen, now: datetime) -> _Judgement:
    recorded, found = backup.recorded(role), seen.backups.get(role, ())
    source = seen.sources.get(role) if seen.sources else None
    if found:
        table = table_of(found[0])
        known = entry(role, table, recorded.requested_at if recorded else stamp(now), found[0])
        creating = _verdict(PartState.PROGRESSING, "Creating", f"DynamoDB makes the backup of table {table}.")
        return _Judgement(known, creating if found[0].state == "CREATING" else None)
    if recorded is not None and undecided(recorded, now):
        text = f"The backup of table {recorded.table_name} was asked for and does not show yet."
        return _Judgement(recorded, _verdict(PartState.PROGRESSING, "Requested", text))
    if recorded is not None and recorded.backup_arn:
        return _Judgement(recorded.model_copy(update={"state": "DELETED"}), _lost(recorded), blocks=True)
    trouble = _why_not(backup, role, source)
    if trouble or source is None:
        return _Judgement(recorded, trouble, blocks=True)
    asked = TableBackup(table=role, table_name=source.table_name, requested_at=stamp(now))
    waits = _verdict(PartState.PROGRESSING, "Requested", f"DynamoDB is asked to back up table {source.table_name}.")
    return _Judgement(recorded, waits, asked=asked, change=_creation(name, role, source.table_name))


def plan(backup: RecallBackup, name: str, seen: Seen, now: datetime) -> Plan:
    """Say what has to be done for a RecallBackup that is to be there.

    Nothing is asked for until everything that is missing can be: the tables' moments are to be close together.

    Args:
        backup: what is asked for, and what is recorded.
        name: of its backups on AWS.
        seen: what there is.
        now: the moment of the pass.
    """
    judged = {role: _judge(backup, name, role, seen, now) for role in backup.spec.tables}
    blocked = any(item.blocks for item in judged.values())
    changes = {} if blocked else {role: item.change for role, item in judged.items() if item.change}
    entries = (item.asked if role in changes else item.entry for role, item in judged.items())
    tables = tuple(item for item in entries if item)
    troubles = [item.trouble for item in judged.values() if item.trouble and (item.blocks or not blocked)]
    return Plan(_worst(troubles) if troubles else _done(tables), tables, changes)


def _worst(troubles: list[Verdict]) -> Verdict:
    """Return one verdict: the worst one's word, and what all that are as bad have to say."""
    for worst in (
        [item for item in troubles if item.terminal],
        [item for item in troubles if item.state is PartState.BROKEN],
        troubles,
    ):
        if worst:
            break
    return replace(worst[0], message=" ".join(dict.fromkeys(item.message for item in worst)))


def plan_deletion(backup: RecallBackup, seen: Seen, now: datetime) -> dict[TableRole, tuple[Change, ...]] | None:
    """Return what has to be deleted before the object may go; nothing (an empty dict) when it may go now.

    None means to wait: a backup is still being made (DynamoDB deletes none before), or may still appear.
    """
    changes: dict[TableRole, tuple[Change, ...]] = {}
    waits = False
    for role in TableRole:
        found = seen.backups.get(role, ())
        waits |= any(item.state == "CREATING" for item in found)
        if not found and (recorded := backup.recorded(role)):
            # One that was seen to be available has been shown by a read: that none shows it now means that it is gone.
            waits |= recorded.state != "AVAILABLE" and undecided(recorded, now)
        ready = tuple(_removal(role, item) for item in found if item.state != "CREATING")
        if ready:
            changes[role] = ready
    return changes or (None if waits else {})


def _removal(role: TableRole, seen: Sighting) -> Change:
    call = AwsCall("dynamodb", "delete_backup", {"BackupArn": seen.arn})
    return Change(PART, Action.DELETE, "Backup", f"{role} at {seen.arn}", (call,), destructive=True)


def deletion_verdict(backup: RecallBackup, failure: Failure | None, now: datetime) -> Verdict:
    """Return what the status says while the backups are being deleted; what blocks it is named with the way out."""
    since = datetime.fromisoformat(backup.metadata.deletion_timestamp or stamp(now))
    refused = failure is not None and (failure.terminal or failure.reason == "AccessDenied")
    if not refused and (now - since).total_seconds() < PATIENCE_SECONDS:
        return _verdict(PartState.PROGRESSING, "Deleting", "The backups are being deleted." + _because(failure))
    patch = """'{"spec":{"deletionPolicy":"Retain"}}'"""
    why = _because(failure) or " They are still there."
    text = (
        f"The backups can't be deleted.{why} Mend that; or keep them and let the object go with `kubectl "
        f"patch recallbackup {backup.metadata.name} -n {backup.metadata.namespace} --type merge -p {patch}` "
        f"(see {HOW_TO})."
    )
    reason = failure.reason if failure and refused else "DeletionBlocked"
    return _verdict(PartState.BROKEN, reason, text, terminal=True)


def _because(failure: Failure | None) -> str:
    return f" {failure.message}" if failure else ""
