"""One life of the operator's process: the real queues, watchers and reconcilers between two doors."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from recall_operator.aws.inventory import Inventory
from recall_operator.aws.record_batches import RecordBatches
from recall_operator.backups.service import Backups
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.cache import KubernetesCache
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.watches import Watcher
from recall_operator.requests.late_writes import LateWrites
from recall_operator.requests.rate import RESYNC_SECONDS
from recall_operator.resources.part import Clients
from tests.faults.doors import LATENCY_SECONDS, AwsDoor, Call, KubernetesDoor, Site, never

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.faults.world import FaultWorld

_LIST_AGAIN_SECONDS = 5.0


class Process:
    """Starts when it is made; ends when the world or a fault says so."""

    def __init__(self, world: FaultWorld) -> None:
        self.world = world
        self.alive = True
        door = AwsDoor(self._through, lambda: world.aws, world.past_aws)
        clock = asyncio.get_running_loop().time
        self._cache = KubernetesCache(
            KubernetesDoor(self._through, lambda: world.kubernetes, lambda: world.kubernetes), clock=clock
        )
        clients = Clients(
            Inventory(
                RecordBatches(door),
                world.platform.cluster.name,
                late_seconds=world.late_seconds,
                clock=clock,
                chance=lambda: 0.5,
            ),
            self._cache,
        )
        reconciler = Reconciler(
            world.platform, clients, late_writes=LateWrites(clock, longest_seconds=world.late_seconds)
        )
        self._queue = WorkQueue(reconciler.reconcile, chance=lambda: 0.5)
        self._watcher = Watcher(self._queue, self._cache)
        self._backups = Backups(world.platform, Clients(door, self._cache), None, clock=world.now, chance=lambda: 0.5)
        self._tasks = [
            asyncio.create_task(work) for work in (self._work(), self._list_now_and_then(), self._backups.run())
        ]

    def deliver(self, event: Mapping[str, Any]) -> None:
        """Hand a watch event over."""
        if self.alive:
            watches = {KIND: self._watcher.instance_changed, BACKUP_KIND: self._backups.changed}
            watches.get(event["object"]["kind"], self._watcher.owned_changed)(event)

    async def end(self, restart_after: float | None = None) -> Any:
        """End the process here and now, and let its successor start; never returns to the caller."""
        self.alive = False
        self.world.succeed(self, self.world.restart_seconds if restart_after is None else restart_after)
        return await never()

    async def stop(self) -> None:
        """Take away what is left of it; nothing that it still tries leaves its doors."""
        self.alive = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        await self._cache.fill()
        await self._queue.run()

    async def _list_now_and_then(self) -> None:
        """Do what `recall_operator.main` does: list at the start and at every resync."""
        while True:
            try:
                async for item in self._cache.listed(KIND, None):
                    self._queue.ensure(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
                await self._cache.fill()
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
