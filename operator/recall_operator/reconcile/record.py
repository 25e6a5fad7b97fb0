"""What the operator writes on an instance itself: its status, the events that tell of it, and its finalizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.status import ConditionStatus
from recall_operator.reconcile.status import EXPIRING, READY, condition, status_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_operator.kubernetes.client import KubernetesCaller
    from recall_operator.kubernetes.events import Events
    from recall_operator.models.instance import Metadata, RecallInstance
    from recall_operator.models.status import Condition, RecallInstanceStatus


class InstanceRecord:
    """Writes on instances; without `events` nobody is told."""

    def __init__(self, kubernetes: KubernetesCaller, events: Events | None = None) -> None:
        self._kubernetes = kubernetes
        self._events = events

    async def report(self, instance: RecallInstance, status: RecallInstanceStatus) -> bool:
        """Tell of the status, and write it if it says something new; return whether it does.

        Raises:
            ApiServerError: it could not be written.
        """
        await self._tell(instance, status)
        if instance.status == status:
            return False
        await self.write(instance.metadata, status)
        return True

    async def write(self, metadata: Metadata, status: RecallInstanceStatus) -> None:
        """Write a status, whatever stands there.

        Raises:
            ApiServerError: it could not be written.
        """
        manifest = status_manifest((metadata.namespace, metadata.name), status)
        await self._kubernetes.apply(manifest, subresource="status")

    async def finalize(self, metadata: Metadata, finalizers: Sequence[str]) -> None:
        """Set the operator's finalizers. The uid keeps this from ever making a new object of the same name.

        Raises:
            ApiServerError: they could not be written.
        """
        place = {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {**place, "finalizers": [*finalizers]}}
        await self._kubernetes.apply(manifest)

    async def warn(self, metadata: Metadata, ending: Condition) -> None:
        """Tell people of an instance's end."""
        if self._events:
            await self._events.tell(metadata, ending, warning=True)

    async def _tell(self, instance: RecallInstance, status: RecallInstanceStatus) -> None:
        """Tell people when Ready changes its word, and again for as long as it is False."""
        if self._events is None:
            return
        ending = condition(status, EXPIRING)
        if ending and condition(instance.status, EXPIRING) is None:
            await self.warn(instance.metadata, ending)
        before, after = condition(instance.status, READY), condition(status, READY)
        if after is None:
            return
        word = (after.status, after.reason)
        if after.status is ConditionStatus.FALSE or before is None or (before.status, before.reason) != word:
            await self._events.tell(instance.metadata, after)
