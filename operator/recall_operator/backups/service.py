"""RecallBackups beside the instances: with a watch, a queue and workers of their own, so that neither waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import kopf
import structlog

from recall_operator.backups.controller import BackupReconciler, utc_now
from recall_operator.errors import ApiServerError
from recall_operator.models.backup import BACKUP_KIND, BACKUP_PLURAL
from recall_operator.models.base import GROUP, VERSION
from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.watches import Fingerprints
from recall_operator.requests.rate import any_chance, resync_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from recall_operator.kubernetes.events import Events
    from recall_operator.platform import Platform
    from recall_operator.reconcile.rhythm import Outcome
    from recall_operator.resources.part import Clients

_log = structlog.get_logger(__name__)

WORKERS: Final = 4
"""Few: DynamoDB lets backups be listed five times a second and account."""
LIST_SECONDS: Final = 300.0
"""How often all are listed, as insurance against events that never came."""
RETRY_SECONDS: Final = 30.0


class Backups:
    """Watches RecallBackups and works on them."""

    def __init__(
        self,
        platform: Platform,
        clients: Clients,
        events: Events | None,
        namespaces: Sequence[str] = (),
        *,
        clock: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = any_chance,
    ) -> None:
        """Make the queue and its worker.

        Args:
            platform: what was made once per account.
            clients: the doors. That to AWS remembers nothing: what backups write is no reason to read instances anew.
            events: tells people.
            namespaces: to look after; none means all.
            clock: the time.
            chance: numbers from 0 to 1.
        """
        self._kubernetes = clients.kubernetes
        self._scopes: list[str | None] = [*namespaces] or [None]
        self._chance = chance
        self._reconciler = BackupReconciler(platform, clients, events, clock)
        self._queue = WorkQueue(self._work, workers=WORKERS, background_workers=WORKERS, measured=False, chance=chance)
        self._told = Fingerprints()

    async def _work(self, key: str) -> Outcome:
        return await self._reconciler.reconcile(key, self._queue.set_rhythm)

    def watched(self, handlers: kopf.OperatorRegistry) -> kopf.OperatorRegistry:
        """Return Kopf's registry with the watch of RecallBackups added."""

        async def backup_changed(event: Any, **_: Any) -> None:
            self.changed(event)

        kopf.on.event(GROUP, VERSION, BACKUP_PLURAL, id="backup", registry=handlers)(backup_changed)
        return handlers

    def changed(self, event: Mapping[str, Any]) -> None:
        """Ask for a pass when a RecallBackup is new, changed or gone; the operator's own status is no reason."""
        key = self._told.news(event)
        if key is not None:
            # What was there before, which lists tell (and Kopf, without a type), waits behind what somebody just did.
            self._queue.add(key, background=event.get("type") is None)

    async def list_once(self) -> None:
        """Ask for a pass over every backup that changed without an event, or that nothing is planned for.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        for scope in self._scopes:
            async for item in self._kubernetes.listed(BACKUP_KIND, scope):
                self.changed({"object": item})
                self._queue.ensure(f"{item['metadata']['namespace']}/{item['metadata']['name']}")

    def longest_pass_seconds(self) -> float:
        """Return for how long the longest pass has been under way; 0 when there is none."""
        return self._queue.longest_pass_seconds()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._list_now_and_then())

    async def _list_now_and_then(self) -> None:
        while True:
            try:
                await self.list_once()
                delay = LIST_SECONDS
            except ApiServerError as error:
                # Helm leaves custom resource definitions as they are when it upgrades a chart: instances go on without.
                remedy = f"apply crds/{BACKUP_PLURAL}.{GROUP}.yaml of this release" if error.status == 404 else ""
                _log.warning("list of backups failed", error=str(error), remedy=remedy)
                delay = RETRY_SECONDS
            await asyncio.sleep(resync_delay(self._chance(), delay))
