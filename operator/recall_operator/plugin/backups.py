"""`kubectl recall backup` and `backups`: ask for a backup of an instance, and see what there is and where."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from recall_operator.backups.plan import size_text
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND, RecallBackup
from recall_operator.models.base import API_VERSION, GROUP
from recall_operator.plugin.cluster import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_operator.models.backup import TableBackup
    from recall_operator.plugin.cluster import Cluster


def manifest(namespace: str, instance: str, tables: Sequence[str], policy: str, now: datetime) -> dict[str, Any]:
    """Return the RecallBackup that asks for a backup of an instance; its name says of what, and when (in UTC)."""
    name = f"{instance}-{now.astimezone(UTC):%Y%m%d-%H%M%S}"
    spec: dict[str, Any] = {"instanceName": instance, "deletionPolicy": policy}
    if tables:
        spec["tables"] = list(tables)
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": BACKUP_KIND, "metadata": metadata, "spec": spec}


def ask(cluster: Cluster, namespace: str, instance: str, tables: Sequence[str], policy: str) -> dict[str, Any]:
    """Make a RecallBackup of an instance and return it as it is stored.

    Raises:
        CommandError: there is no such instance.
        ApiServerError: the API server refused it.
    """
    cluster.instance(namespace, instance)
    return cluster.create(manifest(namespace, instance, tables, policy, datetime.now(UTC)))


def wait(cluster: Cluster, namespace: str, name: str, timeout_seconds: float) -> dict[str, Any]:
    """Return a RecallBackup once it is Ready.

    Raises:
        CommandError: it is Stalled or gone, or was not Ready in time; what its condition says is in the message.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = cluster.get(ObjectKey(BACKUP_KIND, namespace, name))
        if found is None:
            raise CommandError(f"RecallBackup {name} was deleted meanwhile.")
        states = {item["type"]: item for item in found.get("status", {}).get("conditions", [])}
        ready = states.get("Ready", {"status": "Unknown", "message": "No operator has seen it."})
        if ready["status"] == "True":
            return found
        if states.get("Stalled", {}).get("status") == "True":
            raise CommandError(f"RecallBackup {name}: {ready['message']}")
        if time.monotonic() >= deadline:
            raise CommandError(f"RecallBackup {name} is not Ready after {timeout_seconds:.0f} s: {ready['message']}")
        time.sleep(0.5)


def backups(cluster: Cluster, namespace: str | None, instance: str | None) -> list[RecallBackup]:
    """Return the RecallBackups of a namespace (None: of all), of one instance or of all, the newest last."""
    found = [RecallBackup.model_validate(item) for item in cluster.backups(namespace)]
    wanted = [item for item in found if instance in (None, item.spec.instance_name)]
    return sorted(wanted, key=lambda item: (item.metadata.creation_timestamp or "", item.metadata.name))


def known_bytes(found: Sequence[RecallBackup]) -> int:
    """Return the size of all backups whose size is known."""
    return sum(table.size_bytes or 0 for item in found for table in item.status.tables)


def reference(name: str) -> str:
    """Return a RecallBackup's name as `kubectl -o name` writes it."""
    return f"{BACKUP_KIND.lower()}.{GROUP}/{name}"


def text(found: Sequence[RecallBackup]) -> str:
    """Return the backups for people: a line for each, and one for each of its tables."""
    return "\n".join(line for item in found for line in _lines(item)) or "No backups."


def _lines(backup: RecallBackup) -> list[str]:
    ready = next((item for item in backup.status.conditions if item.type == "Ready"), None)
    word = f"{ready.reason}" if ready else "NotSeenYet"
    head = f"{backup.metadata.name}  of {backup.spec.instance_name}  {word}"
    if backup.status.size:
        head += f"  {backup.status.size}"
    trouble = [f"  {ready.message}"] if ready and ready.status.value != "True" else []
    return [head, *trouble, *map(_table_line, backup.status.tables)]


def _table_line(table: TableBackup) -> str:
    size = size_text([table]) or "?"
    return f"  {table.table:8}  {table.state or 'REQUESTED':9}  {size:>9}  {table.backup_arn or '(none)'}"


def document(found: Sequence[RecallBackup]) -> list[dict[str, Any]]:
    """Return the backups for programs."""
    return [
        {
            "name": item.metadata.name,
            "instance": item.spec.instance_name,
            "deletionPolicy": item.spec.deletion_policy.value,
            "conditions": [each.model_dump(mode="json", by_alias=True) for each in item.status.conditions],
            "tables": [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in item.status.tables],
        }
        for item in found
    ]
