"""What a user does while faults happen: every way through an instance's life."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.faults.world import BACKUP, HEIR, KEY, OLD_MEMORY, OLD_TABLE, FaultWorld

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST: Final[dict[str, Any]] = {"hostname": "beta.example.org"}
_GUARDED: Final = _HOST | {"models": {"guardrail": {"policy": {"managedWordLists": ["PROFANITY"]}}}}
_ERASE: Final = _GUARDED | {"deletionPolicy": {"tables": "Delete"}, "tables": {"deletionProtection": True}}
_KEEP: Final = _GUARDED | {
    "deletionPolicy": dict.fromkeys(("tables", "signIn", "access", "dns", "guardrail"), "Retain")
}
_CHANGED: Final[dict[str, Any]] = {
    "hostname": "gamma.example.org",
    "api": {"replicas": 3, "image": "registry.example.org/recall-api:2"},
    "tables": {"pointInTimeRecovery": False, "deletionProtection": True},
    "signIn": {"accessTokenMinutes": 15, "callbackUrls": ["https://a.org/x"]},
    "models": {"residency": "global", "guardrail": {"policy": {"words": ["one", "two"]}}},
}
_CERTIFIED: Final = _HOST | {"certificate": {"mode": "ACM"}}
_LOSABLE: Final[dict[str, Any]] = _HOST | {"deletionPolicy": {"tables": "Delete"}}
_BROUGHT_BACK: Final = _LOSABLE | {
    "tables": {role: {"restoreFrom": {"backup": BACKUP.name}} for role in ("memories", "users")}
}
MEMORY: Final = "a memory that must be kept"


@dataclass(frozen=True, eq=False)
class Flow:
    """One thing that a user does."""

    name: str
    before: dict[str, Any] | None
    """The instance as it is, settled, when the user acts; None when there is none."""
    act: Callable[[FaultWorld], None]
    tables: int
    """How many tables there must be at the end, and of those that were there before, with their data."""
    gone: bool = False
    """Whether the instance is to be gone at the end."""
    memory: str | None = None
    """What the tables must hold at the end; None: what they held before."""
    then: tuple[Callable[[FaultWorld], None], ...] = ()
    """What else was done before, each of it settled, when the user acts."""
    backups: int = 0
    """How many backups there must be at the end, with the data of the tables that were there before."""

    async def prepare(self, world: FaultWorld) -> None:
        """Bring the world to where the user acts."""
        world.start()
        if self.before is not None:
            world.put(self.before)
            await world.converge(at_least=world.late_seconds)
            for name in world.own()["tables"]:
                world.put_memory(name, MEMORY)
        for act in self.then:
            act(world)
            await world.converge(at_least=world.late_seconds)

    def check(self, world: FaultWorld) -> None:
        """Check what the flow promises of data and of the instance.

        Raises:
            AssertionError: a promise is broken.
        """
        tables = world.own()["tables"]
        assert len(tables) == self.tables, f"{len(tables)} tables instead of {self.tables}: {sorted(tables)}"
        memory = self.memory or (MEMORY if self.before is not None else None)
        held = [table.get("items") for name, table in tables.items() if f".{HEIR.name}." not in name]
        assert all(items == (memory and [memory]) for items in held), "data was lost"
        backups = world.own()["backups"]
        assert len(backups) == self.backups, f"{len(backups)} backups instead of {self.backups}: {backups}"
        assert all(repr([MEMORY]) in item for item in backups), "a backup holds something else"
        assert (KEY not in world.kubernetes.objects) == self.gone


def _put(spec: dict[str, Any]) -> Callable[[FaultWorld], None]:
    return lambda world: world.put(spec)


def _restored(world: FaultWorld) -> dict[str, Any]:
    """Return a manifest whose tables begin as a backup and as another table at its latest moment."""
    memories = {"restoreFrom": {"backupArn": world.backup}}
    users = {"restoreFrom": {"pointInTime": {"sourceTable": OLD_TABLE}}}
    return _HOST | {"deletionPolicy": {"tables": "Delete"}, "tables": {"memories": memories, "users": users}}


def _back_up_and_think_better(world: FaultWorld) -> None:
    """Make a RecallBackup and delete it while its backups are being made."""

    def delete() -> None:
        if BACKUP in world.kubernetes.objects:
            world.delete_backup()

    world.back_up()
    asyncio.get_running_loop().call_later(0.2, delete)


def _hand_over(world: FaultWorld) -> None:
    """Let another instance have the names, and look soon whether it has them."""
    world.hand_over(_HOST)
    asyncio.get_running_loop().call_later(2.5, world.ask)


def _rebuild(world: FaultWorld) -> None:
    """Lose the cluster without a word, and apply the same manifest to a new one."""
    for key in [key for key in world.kubernetes.objects if key.name in (KEY.name, f"{KEY.name}-api")]:
        del world.kubernetes.objects[key]
    world.put(_KEEP | {"adoption": "Adopt"})


def _expire(world: FaultWorld) -> None:
    """Give the instance a life that is over already."""
    world.kubernetes.objects[KEY]["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    world.put(_ERASE | {"expiresAfter": "1h"})


def _think_better(world: FaultWorld, spec: dict[str, Any] = _ERASE) -> None:
    """Create an instance and delete it while it is being made."""

    def delete() -> None:
        if KEY in world.kubernetes.objects:
            world.delete()

    world.put(spec)
    asyncio.get_running_loop().call_later(0.3, delete)


FLOWS: Final = (
    Flow("create", None, _put(_GUARDED), tables=2),
    Flow("change", _GUARDED, _put(_CHANGED), tables=2),
    Flow("hibernate", _HOST, _put(_HOST | {"hibernation": {"mode": "Asleep"}}), tables=2),
    Flow("wake", _HOST | {"hibernation": {"mode": "Asleep"}}, _put(_HOST), tables=2),
    Flow("delete", _ERASE, FaultWorld.delete, tables=0, gone=True),
    Flow("expire", _ERASE, _expire, tables=0, gone=True),
    Flow("retain", _HOST, FaultWorld.delete, tables=2, gone=True),
    Flow("adopt", _KEEP, _rebuild, tables=2),
    Flow("think better", None, _think_better, tables=0, gone=True),
    Flow("certify and rename", _CERTIFIED, _put(_CERTIFIED | {"hostname": "gamma.example.org"}), tables=2),
    Flow("restore", None, lambda world: world.put(_restored(world)), tables=2, memory=OLD_MEMORY),
    Flow("hand over", _HOST, _hand_over, tables=4),
    Flow("back up", _HOST, FaultWorld.back_up, tables=2, backups=2),
    Flow("delete backup", _HOST, FaultWorld.delete_backup, tables=2, then=(FaultWorld.back_up,)),
    Flow("back up and think better", _HOST, _back_up_and_think_better, tables=2),
    Flow(
        "bring back", _LOSABLE, _put(_BROUGHT_BACK), tables=2, then=(FaultWorld.back_up, FaultWorld.delete), backups=2
    ),
    Flow("restore and think better", None, lambda world: _think_better(world, _restored(world)), tables=0, gone=True),
)
