"""kstatus' rules for kinds that it does not know (sigs.k8s.io/cli-utils/pkg/kstatus/status: generic.go, core.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def kstatus(instance: Mapping[str, Any]) -> str:
    """Return Terminating, InProgress, Failed or Current for a whole object."""
    metadata, status = instance["metadata"], instance.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata["generation"]:
        return "InProgress"
    conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    if "Ready" in conditions and conditions["Ready"] != "True":
        return "InProgress"
    return "Current"
