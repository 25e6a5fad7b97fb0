"""What a table is filled from: the spec's own words, with the name of a RecallBackup turned into an ARN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.tables_spec import Table
from recall_operator.resources.plan import Assessment, PartState, progressing

if TYPE_CHECKING:
    from recall_operator.models.tables_spec import NamedTable, RestoreFrom
    from recall_operator.resources.part import Clients, Subject


@dataclass(frozen=True)
class Source:
    """What one table is filled from."""

    restore_from: RestoreFrom | None = None
    """With an ARN in place of a name, as far as it is known; None when the table is made empty."""
    trouble: Assessment | None = None
    """Why it can't be used now."""


async def resolve(subject: Subject, role: str, clients: Clients) -> Source:
    """Return what the table of a `role` is filled from.

    Raises:
        ApiServerError: a RecallBackup could not be read.
    """
    table: NamedTable = getattr(subject.instance.spec.tables, role)
    asked = table.restore_from if isinstance(table, Table) else None
    if asked is None or asked.backup is None:
        return Source(asked)
    found = await clients.kubernetes.get(ObjectKey(BACKUP_KIND, subject.instance.metadata.namespace, asked.backup))
    return source_of(role, asked, found, subject.instance.metadata.namespace)


def source_of(role: str, asked: RestoreFrom, backup: dict[str, Any] | None, namespace: str) -> Source:
    """Return what `asked` means, given the stored RecallBackup that it names (None: there is none)."""
    field, name = f"spec.tables.{role}.restoreFrom.backup", asked.backup
    if backup is None:
        remedy = "Create it, or name the backup's ARN in restoreFrom.backupArn of a new instance"
        return Source(asked, _broken("BackupNotFound", f"{field}: {name} is not in namespace {namespace}. {remedy}."))
    if role not in backup["spec"]["tables"]:
        text = f"{field}: RecallBackup {name} holds no backup of the {role} table. Restore from one that does."
        return Source(asked, _broken("BackupNotFound", text))
    status = backup.get("status", {})
    arn = next((item.get("backupArn") for item in status.get("tables", []) if item["table"] == role), None)
    known = asked if arn is None else asked.model_copy(update={"backup": None, "backup_arn": arn})
    ready = next((item for item in status.get("conditions", []) if item["type"] == "Ready"), None)
    if arn and ready and ready["status"] == "True":
        return Source(known)
    if ready and ready["status"] == "False":
        return Source(known, _broken("BackupNotReady", f"{field}: RecallBackup {name}: {ready['message']}"))
    return Source(known, progressing("WaitingForBackup", f"{field}: RecallBackup {name} is not Ready yet."))


def _broken(reason: str, message: str) -> Assessment:
    return Assessment(PartState.BROKEN, reason, message)
