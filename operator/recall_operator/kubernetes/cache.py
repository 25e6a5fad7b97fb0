"""What the watches told, so that looking at an instance that is in order asks the API server nothing.

Filled by one list of each kind, kept true by the watches and by the answers to the operator's own writes, and filled
anew now and then as insurance against events that never came. It answers only who says that a remembered answer will
do (`recall_operator.requests.asking`); nobody writes on its word: a pass that finds something to do reads it again,
freshly.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.client import KINDS, ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.ownership import MANAGED_BY_LABEL, MANAGER
from recall_operator.requests.asking import asking
from recall_operator.requests.packed import pack, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from recall_operator.kubernetes.client import KubernetesCaller

OWNED_KINDS: Final = tuple(kind for kind in KINDS if kind not in (KIND, BACKUP_KIND, "Lease", "Event", "HTTPRoute"))
"""What is watched. Not HTTPRoute, a kind that many clusters do not have: it is asked for at each pass."""
OWNED_LABELS: Final = f"{MANAGED_BY_LABEL}={MANAGER}"
FILL_SECONDS: Final = 3600.0

_log = structlog.get_logger(__name__)


class KubernetesCache:
    """Stands before the API server and answers what it knows."""

    def __init__(
        self,
        door: KubernetesCaller,
        namespaces: Sequence[str] = (),
        *,
        fill_seconds: float = FILL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet.

        Args:
            door: the API server.
            namespaces: what to list; empty means all.
            fill_seconds: after this long everything is listed anew.
            clock: seconds.
        """
        self._door = door
        self._namespaces: list[str | None] = [*namespaces] or [None]
        self._fill_seconds = fill_seconds
        self._clock = clock
        self._known: dict[str, dict[tuple[str, str], tuple[int, bytes | None]]] = {kind: {} for kind in OWNED_KINDS}
        """By kind and place: the version and the object, or None where one was deleted."""
        self._instances: dict[tuple[str, str], tuple[int, bytes | None]] = {}
        self._filled: dict[str, float] = {}

    async def fill(self) -> None:
        """List each kind whose last list is too long ago; one that can't be listed is tried again the next time."""
        for kind in (KIND, *OWNED_KINDS):
            began = self._clock()
            if began - self._filled.get(kind, float("-inf")) < self._fill_seconds:
                continue
            before = dict(self._of(kind))
            try:
                for namespace in self._namespaces:
                    async for item in self.listed(kind, namespace, "" if kind == KIND else OWNED_LABELS):
                        before.pop(_place(item), None)
            except ApiServerError as error:
                _log.warning("list failed", kind=kind, error=str(error))
                continue
            for place, seen in before.items():
                # Not listed, and nothing was told of it meanwhile: it went without an event.
                if self._of(kind).get(place) == seen:
                    del self._of(kind)[place]
            self._filled[kind] = began

    def note(self, item: Mapping[str, Any], *, deleted: bool = False) -> bool:
        """Take note of an object as a watch, a list or an answer showed it; return whether that is news."""
        known = self._of(item["kind"])
        place, version = _place(item), _version(item)
        if version and version <= known.get(place, (0, None))[0]:
            return False
        if deleted:
            known[place] = (version, None)  # Until the next list: one that began before must not bring it back.
        else:
            metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
            known[place] = (version, pack({**item, "metadata": metadata}))
        return True

    def _of(self, kind: str) -> dict[tuple[str, str], tuple[int, bytes | None]]:
        return self._instances if kind == KIND else self._known[kind]

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """Return one object; None when there is none.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        watched = key.kind == KIND or key.kind in self._known
        if watched and asking().remembered and key.kind in self._filled:
            packed = self._of(key.kind).get((key.namespace, key.name), (0, None))[1]
            found: dict[str, Any] | None = unpack(packed) if packed else None
            return found
        return await self._door.get(key)

    async def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield all objects of a kind, freshly read.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        async for item in self._door.listed(kind, namespace, labels):
            if kind == KIND or kind in self._known:
                self.note(item)
            yield item

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Apply a manifest and return the object as it is then.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        applied = await self._door.apply(manifest, subresource=subresource)
        if applied.get("metadata") and (manifest["kind"] == KIND or manifest["kind"] in self._known):
            self.note({**applied, "kind": manifest["kind"]})
        return applied

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        """Delete one object if it is still the one with this uid and, if that is given, in this version.

        Raises:
            ApiServerError: the API server refused, or did not answer.
        """
        await self._door.delete(key, uid, version)


def _place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _version(item: Mapping[str, Any]) -> int:
    """Return the object's version as a number: they grow with every write (KEP-5504); 0 for one that has none."""
    version = item["metadata"].get("resourceVersion", "")
    return int(version) if version.isdecimal() else 0
