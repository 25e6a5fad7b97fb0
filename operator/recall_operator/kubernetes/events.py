"""Events that people see in `kubectl describe`: one for what happened, and its count when it goes on happening.

`events.k8s.io/v1`: the same word about the same instance within an hour is one Event with a series, written at its
second, fourth, eighth … time, so that a fault that lasts costs the API server almost nothing.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from recall_operator.errors import ApiServerError
from recall_operator.models.base import API_VERSION, GROUP, KIND
from recall_operator.models.status import ConditionStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_operator.kubernetes.client import KubernetesCaller
    from recall_operator.models.instance import Metadata
    from recall_operator.models.status import Condition

_log = structlog.get_logger(__name__)

SERIES_SECONDS: Final = 3600.0
"""How long a series goes on; Kubernetes forgets an Event an hour after it was last written."""
MOST_SERIES: Final = 2000
_NOTE_LIMIT: Final = 1024
"""In bytes. Source: Kubernetes' validation of Event.note (Go's `len` of a string)."""


@dataclass
class _Series:
    manifest: dict[str, Any]
    began: float
    count: int = 1


class Events:
    """Tells what became of instances and backups."""

    def __init__(
        self, kubernetes: KubernetesCaller, reporter: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kubernetes = kubernetes
        self._reporter = reporter
        self._clock = clock
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()

    async def tell(self, metadata: Metadata, ready: Condition, kind: str = KIND, *, warning: bool = False) -> None:
        """Tell how ready an object of a `kind` of ours is. One that can't be written is only logged.

        Args:
            metadata: of the object.
            ready: its condition; one that is False is a warning.
            kind: of the object.
            warning: whether it is a warning though the condition is not False.
        """
        key = (metadata.uid, ready.reason, ready.message)
        series = self._series.get(key)
        if series is None or self._clock() - series.began > SERIES_SECONDS:
            series = _Series(self._manifest(metadata, ready, kind, warning=warning), self._clock())
            self._series[key] = series
            while len(self._series) > MOST_SERIES:
                self._series.popitem(last=False)
        else:
            series.count += 1
            if series.count & (series.count - 1):  # Not a power of two.
                return
            series.manifest["series"] = {"count": series.count, "lastObservedTime": _now()}
        try:
            await self._kubernetes.apply(series.manifest)
        except ApiServerError as error:
            _log.warning("event not written", error=str(error))

    def _manifest(self, metadata: Metadata, ready: Condition, kind: str, *, warning: bool) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": metadata.namespace, "name": f"{metadata.name}.{time.time_ns():x}"},
            "eventTime": _now(),
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": self._reporter[:128],
            "type": "Warning" if warning or ready.status is ConditionStatus.FALSE else "Normal",
            "reason": ready.reason,
            "action": "Reconcile",
            "note": ready.message.encode()[:_NOTE_LIMIT].decode(errors="ignore"),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": kind,
                "namespace": metadata.namespace,
                "name": metadata.name,
                "uid": metadata.uid,
            },
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
