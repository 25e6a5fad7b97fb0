"""One life of the operator's process: the real queue, watcher and reconciler between two doors."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from recall_operator.aws_inventory import Inventory
from recall_operator.aws_records import RecordBatches
from recall_operator.errors import ApiServerError
from recall_operator.models.base import KIND
from recall_operator.queue import WorkQueue
from recall_operator.rate import RESYNC_SECONDS
from recall_operator.reconcile import Reconciler
from recall_operator.resources.part import Clients
from recall_operator.watch import Watcher
from tests.faults.doors import LATENCY_SECONDS, AwsDoor, Call, KubernetesDoor, Site, never

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.faults.world import FaultWorld

RESTART_SECONDS = 1.0
_LIST_AGAIN_SECONDS = 5.0


class Process:
    """Starts when it is made; ends when the world or a fault says so."""

    def __init__(self, world: FaultWorld) -> None:
        self.world = world
        self.alive = True
        door = AwsDoor(self._through, lambda: world.aws, world.past_aws)
        clock = asyncio.get_running_loop().time
        clients = Clients(
            Inventory(RecordBatches(door), world.platform.cluster.name, clock=clock, chance=lambda: 0.5),
            KubernetesDoor(self._through, lambda: world.kubernetes, lambda: world.kubernetes),
        )
        self._clients = clients
        self._queue = WorkQueue(Reconciler(world.platform, clients).reconcile, chance=lambda: 0.5)
        self._watcher = Watcher(self._queue)
        self._tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._list_now_and_then())]

    def deliver(self, event: Mapping[str, Any]) -> None:
        """Hand a watch event over."""
        if self.alive:
            instance = event["object"]["kind"] == KIND
            (self._watcher.instance_changed if instance else self._watcher.owned_changed)(event)

    async def end(self, restart_after: float = RESTART_SECONDS) -> Any:
        """End the process here and now, and let its successor start; never returns to the caller."""
        self.alive = False
        self.world.succeed(self, restart_after)
        return await never()

    async def stop(self) -> None:
        """Take away what is left of it; nothing that it still tries leaves its doors."""
        self.alive = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _list_now_and_then(self) -> None:
        """Do what `recall_operator.main` does: list at the start and at every resync."""
        while True:
            try:
                for item in await self._clients.kubernetes.list_all(KIND, None):
                    self._queue.ensure(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
                delay = RESYNC_SECONDS
            except ApiServerError:
                delay = _LIST_AGAIN_SECONDS
            await asyncio.sleep(delay)

    async def _through(
        self,
        door: str,
        operation: str,
        write: bool,
        act: Callable[[], Awaitable[Any]],
        act_in_the_past: Callable[[], Awaitable[Any]],
    ) -> Any:
        if not self.alive:
            return await never()
        site = self.world.site(door, operation, write)
        await asyncio.sleep(LATENCY_SECONDS)
        if not self.alive:
            return await never()
        if write and door == "aws":
            self.world.remember()
        return await self.world.fault(Call(site, act, act_in_the_past), self)


class Sites:
    """Counts the calls of a run."""

    def __init__(self) -> None:
        self.all: list[Site] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def next(self, door: str, operation: str, write: bool) -> Site:
        """Return the place of a call that is made now."""
        self._counts[door, operation] += 1
        site = Site(door, operation, self._counts[door, operation], write)
        self.all.append(site)
        return site
