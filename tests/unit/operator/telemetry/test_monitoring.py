"""The chart's alerts and dashboard speak of metrics that the operator has; liveness notices what it should."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from recall_operator.kubernetes.cache import KubernetesCache
from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.reconcile.watches import Watcher, fingerprint
from recall_operator.telemetry import health
from recall_operator.telemetry.metrics import REGISTRY
from tests.unit.operator.fakes import FakeKubernetes

ROOT = Path(__file__).parents[4]
MONITORING = ROOT / "deploy/chart/monitoring"
REFERENCE = ROOT / "docs/reference/metrics.md"


def families() -> set[str]:
    return {metric.name + ("_total" if metric.type == "counter" else "") for metric in REGISTRY.collect()}


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    alerts = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return shown + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


def spoken_of(text: str) -> set[str]:
    names = set(re.findall(r"\brecall_[a-z_]+", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_alerts_and_dashboard_speak_of_metrics_that_exist() -> None:
    assert generate_latest(REGISTRY)
    assert spoken_of(" ".join(expressions())) <= families()


def test_every_metric_is_on_the_dashboard_and_in_the_reference() -> None:
    assert families() <= spoken_of(" ".join(expressions()))
    assert families() <= spoken_of(REFERENCE.read_text())


def test_every_alert_says_what_to_do() -> None:
    alerts = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    for rule in alerts["groups"][0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def instance(generation: int = 1) -> dict[str, Any]:
    return {
        "kind": "RecallInstance",
        "metadata": {"namespace": "default", "name": "beta", "uid": "u", "generation": generation},
    }


def listed(generation: int = 1) -> dict[str, Any]:
    return {"default/beta": fingerprint(instance(generation)["metadata"])}


async def settled(_: str) -> Outcome:
    return Outcome.SETTLED


def test_a_watch_that_says_nothing_of_a_change_is_dead_at_the_second_list() -> None:
    watcher = Watcher(WorkQueue(settled), KubernetesCache(FakeKubernetes()))
    watcher.instance_changed({"type": "ADDED", "object": instance()})
    assert watcher.compare(listed()) == ([], [])
    assert watcher.compare(listed(2)) == (["default/beta"], [])
    assert watcher.compare(listed(2)) == (["default/beta"], ["default/beta"])
    watcher.instance_changed({"type": "MODIFIED", "object": instance(2)})
    assert watcher.compare(listed(2)) == ([], [])


def test_a_busy_instance_does_not_make_its_watch_look_dead() -> None:
    """Each list may be a moment ahead of the events; only the same change missed twice counts."""
    watcher = Watcher(WorkQueue(settled), KubernetesCache(FakeKubernetes()))
    for generation in range(1, 5):
        assert watcher.compare(listed(generation))[1] == []


@pytest.mark.parametrize(
    ("ill", "says"),
    [
        ({"oldest_seconds": lambda: 601.0}, "waited"),
        ({"longest_pass_seconds": lambda: 601.0}, "under way"),
        ({"dead_watch": "no event told of changes of default/beta"}, "no event"),
        ({"_turned_at": time.monotonic() - 61}, "event loop"),
        ({}, None),
    ],
)
def test_liveness_notices(ill: dict[str, Any], says: str | None) -> None:
    found = health.Health(**ill).ailment()
    assert (found is None) if says is None else (found is not None and says in found)
