"""Where the instance's own secrets and tasks are kept: beside its users, under a key that no user can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.errors import unavailable
from recall_api.identifiers import UserId

if TYPE_CHECKING:
    from recall_api.storage import Table

_PARTITION: Final = "INSTANCE"
_DELETION: Final = "DELETION#"


@dataclass(frozen=True)
class Task:
    """An account whose deletion is not finished."""

    user_id: UserId
    username: str
    passes: int
    """How often everything was swept."""
    due_at: int
    """Unix time in s from which on a pod may take it up."""


class InstanceRepository:
    """Secrets of the instance in the users table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def key(self, name: str, proposed: bytes) -> bytes:
        """Return the key `name`; when there is none yet, `proposed` becomes it, for all pods alike."""
        item = await self._table.get(_PARTITION, name)
        if item is None:
            await self._table.put_new({PARTITION_KEY: _PARTITION, SORT_KEY: name, "key": proposed})
            item = await self._table.get(_PARTITION, name)
        if item is None:
            raise unavailable("Storage")
        return cast("bytes", item["key"])

    def deletion_part(self, user_id: UserId, username: str, due_at: int) -> dict[str, Any]:
        """Return the part of a transaction that makes a deletion a task due at `due_at` (Unix time in s)."""
        return self._table.put_part(
            {
                PARTITION_KEY: _PARTITION,
                SORT_KEY: f"{_DELETION}{user_id}",
                "username": username,
                "passes": 0,
                "dueAt": due_at,
            }
        )

    async def deletions(self) -> list[Task]:
        """Return all deletions that are not finished."""
        return [
            Task(UserId(item[SORT_KEY].removeprefix(_DELETION)), item["username"], item["passes"], item["dueAt"])
            async for page in self._table.pages(_PARTITION, first=_DELETION, last=f"{_DELETION}~")
            for item in page
        ]

    async def claim(self, tasks: list[Task], now: int, lease_seconds: int) -> list[Task]:
        """Return those of the deletions that are due, each for one pod only: it is due again when the lease ends."""
        return [
            task
            for task in tasks
            if task.due_at <= now and await self.extend_deletion(_DELETION + task.user_id, now, now + lease_seconds)
        ]

    async def extend_deletion(self, sort: str, now: int, due_at: int) -> bool:
        """Make a task due at `due_at` if it is due now; say whether it was."""
        changed = await self._table.update(
            _PARTITION,
            sort,
            "SET dueAt = :due",
            condition="dueAt <= :now",
            values={":due": due_at, ":now": now},
        )
        return changed is not None

    async def swept(self, task: Task, due_at: int | None) -> None:
        """Note that everything of an account was swept; sweep again at `due_at`, or never."""
        sort = f"{_DELETION}{task.user_id}"
        if due_at is None:
            await self._table.delete(_PARTITION, sort)
        else:
            values = {":passes": task.passes + 1, ":due": due_at}
            await self._table.update(_PARTITION, sort, "SET passes = :passes, dueAt = :due", values=values)
