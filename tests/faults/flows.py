"""What a user does while faults happen: every way through an instance's life."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.faults.world import KEY, FaultWorld

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST: Final[dict[str, Any]] = {"hostname": "beta.example.org"}
_ERASE: Final = _HOST | {"deletionPolicy": {"tables": "Delete"}, "tables": {"deletionProtection": True}}
_KEEP: Final = _HOST | {"deletionPolicy": dict.fromkeys(("tables", "signIn", "access", "dns"), "Retain")}
_CHANGED: Final[dict[str, Any]] = {
    "hostname": "gamma.example.org",
    "api": {"replicas": 3, "image": "registry.example.org/recall-api:2"},
    "tables": {"pointInTimeRecovery": False, "deletionProtection": True},
    "signIn": {"accessTokenMinutes": 15, "callbackUrls": ["https://a.org/x"]},
    "models": {"residency": "global"},
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

    async def prepare(self, world: FaultWorld) -> None:
        """Bring the world to where the user acts."""
        world.start()
        if self.before is not None:
            world.put(self.before)
            await world.converge()
            for name in world.own()["tables"]:
                world.aws.tables[name]["items"] = [MEMORY]

    def check(self, world: FaultWorld) -> None:
        """Check what the flow promises of data and of the instance.

        Raises:
            AssertionError: a promise is broken.
        """
        tables = world.own()["tables"]
        assert len(tables) == self.tables, f"{len(tables)} tables instead of {self.tables}: {sorted(tables)}"
        if self.before is not None:
            assert all(table.get("items") == [MEMORY] for table in tables.values()), "data was lost"
        assert (KEY not in world.kubernetes.objects) == self.gone


def _put(spec: dict[str, Any]) -> Callable[[FaultWorld], None]:
    return lambda world: world.put(spec)


def _rebuild(world: FaultWorld) -> None:
    """Lose the cluster without a word, and apply the same manifest to a new one."""
    for key in [key for key in world.kubernetes.objects if key.name in (KEY.name, f"{KEY.name}-api")]:
        del world.kubernetes.objects[key]
    world.put(_KEEP | {"adoption": "Adopt"})


def _think_better(world: FaultWorld) -> None:
    """Create an instance and delete it while it is being made."""

    def delete() -> None:
        if KEY in world.kubernetes.objects:
            world.delete()

    world.put(_ERASE)
    asyncio.get_running_loop().call_later(0.3, delete)


FLOWS: Final = (
    Flow("create", None, _put(_HOST), tables=2),
    Flow("change", _HOST, _put(_CHANGED), tables=2),
    Flow("hibernate", _HOST, _put(_HOST | {"hibernation": {"mode": "Asleep"}}), tables=2),
    Flow("wake", _HOST | {"hibernation": {"mode": "Asleep"}}, _put(_HOST), tables=2),
    Flow("delete", _ERASE, FaultWorld.delete, tables=0, gone=True),
    Flow("retain", _HOST, FaultWorld.delete, tables=2, gone=True),
    Flow("adopt", _KEEP, _rebuild, tables=2),
    Flow("think better", None, _think_better, tables=0, gone=True),
)
