"""The commands that change an instance: each one field or one annotation, as a person with kubectl would."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from recall_operator.annotations import RECONCILE_REQUESTED
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.plugin.cluster import CommandError

if TYPE_CHECKING:
    from recall_operator.plugin.cluster import Cluster


def annotate(cluster: Cluster, namespace: str, name: str, annotation: str, value: str | None) -> None:
    """Set an annotation of an instance; None removes it."""
    cluster.instance(namespace, name)
    cluster.patch(ObjectKey(KIND, namespace, name), {"metadata": {"annotations": {annotation: value}}})


def set_hibernation(cluster: Cluster, namespace: str, name: str, mode: str) -> str:
    """Set spec.hibernation.mode and return what to read about it."""
    before = cluster.instance(namespace, name)["spec"].get("hibernation", {})
    cluster.patch(ObjectKey(KIND, namespace, name), {"spec": {"hibernation": {"mode": mode}}})
    text = f"{name}: spec.hibernation.mode is {mode}."
    if before.get("windows") and mode != "Scheduled":
        text += f" Its windows are kept and ignored; back to them: kubectl recall hibernate {name} --scheduled."
    return text + " A manifest in Git that says otherwise will set it back."


def request_reconcile(cluster: Cluster, namespace: str, name: str, timeout_seconds: float) -> dict[str, Any]:
    """Ask for a pass now, wait until it was made, and return the instance after it.

    Raises:
        CommandError: no pass was made in time.
    """
    token = secrets.token_hex(8)
    annotate(cluster, namespace, name, RECONCILE_REQUESTED, token)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        found = cluster.instance(namespace, name)
        if found.get("status", {}).get("lastHandledReconcileAt") == token:
            return found
        time.sleep(0.5)
    raise CommandError(
        f"no pass was made within {timeout_seconds:.0f} s: the operator is down, or the instance is paused "
        f"(see `kubectl recall status {name}`)."
    )
