"""Kopf's watches, which only put keys into the queue: no handler of ours ever changes anything.

Event handlers alone make Kopf write nothing of its own: no finalizer, no annotation, no PATCH.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import kopf

from recall_operator.kubernetes.cache import OWNED_KINDS
from recall_operator.kubernetes.client import KINDS
from recall_operator.models.base import GROUP, PLURAL, VERSION
from recall_operator.ownership import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from recall_operator.telemetry.metrics import WATCH_SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.kubernetes.cache import KubernetesCache
    from recall_operator.reconcile.queue import WorkQueue


def fingerprint(metadata: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of an instance's metadata calls for a pass when it changes; the operator's own status does not."""
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        tuple(metadata.get("finalizers", ())),
        tuple(sorted(metadata.get("annotations", {}).items())),
    )


class Fingerprints:
    """What was last told of each object, so that only what changes it calls for a pass."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Any, ...]] = {}

    def news(self, event: Mapping[str, Any]) -> str | None:
        """Take note of an event; return the object's key if it is new, changed or gone, else None."""
        metadata = event["object"]["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if event.get("type") == "DELETED":
            self._last.pop(key, None)
            return key
        seen = fingerprint(metadata)
        if self._last.get(key) == seen:
            return None
        self._last[key] = seen
        return key

    def untold(self, listed: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """Return what of a list, as fingerprints by key, no event told."""
        return {key: seen for key, seen in listed.items() if self._last.get(key) != seen}


class Watcher:
    """Turns events into keys, and lets the cache know what they show."""

    def __init__(self, queue: WorkQueue, cache: KubernetesCache) -> None:
        self._queue = queue
        self._cache = cache
        self._told = Fingerprints()
        self._missed: dict[str, tuple[Any, ...]] = {}
        self._heard_at = time.monotonic()
        WATCH_SILENT_SECONDS.set_function(lambda: time.monotonic() - self._heard_at)

    def instance_changed(self, event: Mapping[str, Any]) -> None:
        """Ask for a pass when an instance is new, changed or gone."""
        self._heard_at = time.monotonic()
        self._cache.note(event["object"], deleted=event.get("type") == "DELETED")
        key = self._told.news(event)
        if key is not None:
            # Kopf's events of what it lists have no type: everything at the start is the background.
            self._queue.add(key, background=event.get("type") is None)

    def compare(self, listed: Mapping[str, tuple[Any, ...]]) -> tuple[list[str], list[str]]:
        """Compare a list of all instances, as fingerprints by key, with what events told.

        Returns:
            The keys of instances that changed without an event so far, and those of them of which the comparison
            before this one said the same: no event will come, the watch is dead.
        """
        missed = self._told.untold(listed)
        lost = [key for key, seen in missed.items() if self._missed.get(key) == seen]
        self._missed = missed
        return list(missed), lost

    def owned_changed(self, event: Mapping[str, Any]) -> None:
        """Ask for a pass over the instance that an object belongs to."""
        metadata = event["object"]["metadata"]
        news = self._cache.note(event["object"], deleted=event.get("type") == "DELETED")
        instance = metadata.get("labels", {}).get(INSTANCE_LABEL)
        if instance and news:
            self._queue.add(f"{metadata['namespace']}/{instance}", background=event.get("type") is None)


def registry(watcher: Watcher) -> kopf.OperatorRegistry:
    """Return Kopf's registry with the watches of instances and of all that they own."""
    handlers = kopf.OperatorRegistry()

    def login(**details: Any) -> kopf.ConnectionInfo | None:
        """Connect as `KubernetesApi` does; a registry of one's own comes without Kopf's ways to log in."""
        return kopf.login_via_client(**details)

    async def instance_changed(event: Any, **_: Any) -> None:
        watcher.instance_changed(event)

    async def owned_changed(event: Any, **_: Any) -> None:
        watcher.owned_changed(event)

    kopf.on.login(registry=handlers)(login)
    kopf.on.event(GROUP, VERSION, PLURAL, id="instance", registry=handlers)(instance_changed)
    for kind in OWNED_KINDS:
        api_version, plural = KINDS[kind]
        group, _, version = api_version.rpartition("/")
        labels = {MANAGED_BY_LABEL: MANAGER}
        kopf.on.event(group, version, plural, id=plural, labels=labels, registry=handlers)(owned_changed)
    return handlers


def settings() -> kopf.OperatorSettings:
    """Return Kopf's settings: it watches, and does nothing else.

    `worker_limit` stays unset: with a limit, idle workers hold their slots for five seconds each (measured: two
    objects a second). `inactivity_timeout` ends a watch that has gone silent.
    """
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.queueing.worker_limit = None
    # A thousand instances own eight thousand objects: no more than a page of them, and of their workers, at a time.
    chosen.queueing.idle_timeout = 0.5
    chosen.watching.chunk_size = 250
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.inactivity_timeout = 70
    chosen.networking.request_timeout = 30
    return chosen
