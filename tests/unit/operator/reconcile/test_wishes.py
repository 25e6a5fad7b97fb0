"""Annotations: pause, dry run, poll interval, parts left behind; and a status that never lies."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.annotations import ABANDON, DRY_RUN, PAUSED, POLL_INTERVAL, wishes
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.reconcile.plan_status import plan_status
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.plan import Action, Change, Difference
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fakes import World
from tests.unit.operator.reconcile.kstatus import kstatus

HOST = {"hostname": "beta.example.org"}
PARTS = ["tables", "signIn", "branding", "guardrail", "access", "dns", "workload"]
GITOPS = Path(__file__).parents[4] / "deploy/examples/gitops/argocd"


def annotate(world: World, key: ObjectKey, **values: str) -> None:
    names = {"paused": PAUSED, "dry_run": DRY_RUN, "abandon": ABANDON, "poll": POLL_INTERVAL}
    world.kubernetes.objects[key]["metadata"]["annotations"] = {names[name]: text for name, text in values.items()}


def argo(instance: dict[str, Any]) -> str:
    runtime = lupa.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals().obj = runtime.table_from(instance, recursive=True)
    return str(runtime.execute((GITOPS / "health.lua").read_text())["status"])


def seen(world: World, key: ObjectKey) -> tuple[str, str]:
    instance = world.kubernetes.objects[key]
    return kstatus(instance), argo(instance)


async def test_a_paused_instance_is_left_alone_and_says_so() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    before = world.aws.state()
    annotate(world, key, paused="true")
    world.kubernetes.put_instance({"hostname": "gamma.example.org"})
    assert await world.once(key) is Outcome.SETTLED
    assert world.aws.state() == before
    ready = world.kubernetes.condition(key)
    assert (ready["status"], ready["reason"]) == ("Unknown", "ReconcilePaused")
    assert world.kubernetes.condition(key, "Paused")["status"] == "True"
    # What is said of the parts is of the generation that was looked at.
    assert world.kubernetes.condition(key, "TablesReady")["observedGeneration"] == 1
    assert world.kubernetes.objects[key]["status"]["observedGeneration"] == 2
    assert seen(world, key) == ("InProgress", "Suspended")
    annotate(world, key)
    await world.settle(key)
    assert world.kubernetes.condition(key)["reason"] == "AllPartsReady"
    assert "Paused" not in {item["type"] for item in world.kubernetes.objects[key]["status"]["conditions"]}


async def test_a_paused_deletion_waits() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    annotate(world, key, paused="true")
    world.kubernetes.delete_instance(key)
    await world.once(key)
    assert key in world.kubernetes.objects
    assert "deletion waits" in world.kubernetes.condition(key)["message"]


async def test_a_dry_run_writes_nothing_but_the_status() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    annotate(world, key, dry_run="true")
    assert await world.once(key) is Outcome.SETTLED
    assert world.writes == ["apply RecallInstance status"]
    plan = world.kubernetes.objects[key]["status"]["plan"]
    assert plan["total"] >= 10
    assert {"create"} == {change["action"] for change in plan["changes"]}
    assert world.kubernetes.condition(key, "DryRun")["reason"] == "ChangesPlanned"
    assert seen(world, key) == ("InProgress", "Suspended")
    annotate(world, key)
    await world.settle(key)
    assert "plan" not in world.kubernetes.objects[key]["status"]
    annotate(world, key, dry_run="true")
    await world.once(key)
    assert world.kubernetes.condition(key, "DryRun")["reason"] == "NoChanges"


async def test_a_dry_run_of_a_deletion_marks_what_would_be_lost() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"deletionPolicy": {"tables": "Delete"}})
    await world.settle(key)
    before = world.aws.state()
    annotate(world, key, dry_run="true")
    world.kubernetes.delete_instance(key)
    await world.once(key)
    plan = world.kubernetes.objects[key]["status"]["plan"]
    assert plan["destructive"] == plan["total"] > 0
    assert world.aws.state() == before


changes = some.lists(
    some.builds(
        Change,
        part=some.just("tables"),
        action=some.sampled_from(Action),
        kind=some.just("Table"),
        name=some.text(max_size=100),
        steps=some.just(()),
        differences=some.lists(
            some.builds(Difference, some.just("field"), some.none(), some.text(min_size=1).map(lambda x: x * 999)),
            max_size=80,
        ).map(tuple),
    ),
    max_size=90,
)


@given(found=changes)
def test_a_plan_in_the_status_is_bounded_and_counts_all(found: list[Change]) -> None:
    plan = plan_status(1, found, [])
    assert plan.total == len(found)
    assert len(plan.changes) <= len(found)
    assert sum(len(change.model_dump_json()) for change in plan.changes) < 20_000


@given(text=some.text(max_size=12))
def test_no_poll_interval_is_misread(text: str) -> None:
    found = wishes({POLL_INTERVAL: text}, PARTS)
    assert (found.poll_seconds is None) == bool(found.problems)


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("5m", 300), ("24h", 86400)])
def test_poll_intervals(text: str, seconds: float) -> None:
    assert wishes({POLL_INTERVAL: text}, PARTS).poll_seconds == seconds


async def test_an_annotation_that_is_not_understood_is_reported_and_holds_back() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    annotate(world, key, paused="yes", poll="often", abandon="tablez")
    await world.once(key)
    assert world.aws.tables == {}
    message = world.kubernetes.condition(key, "AnnotationsValid")["message"]
    for words in ('paused is "yes"', 'poll-interval is "often"', "tablez; the parts are tables"):
        assert words in message


def deny(world: World, *operations: str, code: str = "AccessDenied") -> None:
    def before(operation: str) -> None:
        if operation in operations:
            raise refused(code)

    world.aws.before = before


async def test_a_blocked_deletion_names_the_blocker_and_the_way_out_which_works() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"deletionPolicy": {"tables": "Delete"}})
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] = datetime.now(UTC).isoformat()
    deny(world, "delete_table")
    for _ in range(6):
        outcome = await world.once(key)
    assert outcome is Outcome.FAILED  # it goes on trying
    stalled = world.kubernetes.condition(key, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "AccessDenied")
    assert "recall.kug.la/abandon=tables" in stalled["message"]
    assert "docs/how-to/stuck-deletion.md" in stalled["message"]
    assert (Path(__file__).parents[4] / "docs/how-to/stuck-deletion.md").exists()
    assert argo(world.kubernetes.objects[key]) == "Degraded"
    before = copy.deepcopy(world.aws.tables)
    annotate(world, key, abandon="tables")
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.tables == before
    assert not world.aws.roles


async def test_a_part_that_cannot_even_be_read_can_be_abandoned() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    deny(world, "get_role")
    annotate(world, key, abandon=" access ")
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.roles
    assert not world.aws.clients


async def test_pods_on_a_dead_node_are_named_after_a_while() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    deployment = world.kubernetes.objects[ObjectKey("Deployment", "default", "beta-api")]
    deployment["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    async def dead(_: ObjectKey, uid: str) -> None:
        raise AssertionError(f"deleted {uid} again")

    world.kubernetes.delete_instance(key)
    kept = {
        child: item for child, item in world.kubernetes.objects.items() if child.kind in (deployment["kind"], key.kind)
    }
    world.kubernetes.objects = kept
    world.kubernetes.delete = dead  # type: ignore[method-assign]
    world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] = datetime.now(UTC).isoformat()
    await world.once(key)
    assert world.kubernetes.condition(key, "Stalled")["status"] == "False"
    world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert await world.once(key) in (Outcome.MOVED, Outcome.PROGRESSING)
    stalled = world.kubernetes.condition(key, "Stalled")
    assert stalled["reason"] == "DeletionBlocked"
    assert "Deployment beta-api (Terminating)" in stalled["message"]


async def test_every_status_of_a_life_reads_the_same_to_kstatus_and_argo() -> None:
    """Drive an instance through its life, and hold what the tools read after each pass against what is true."""
    world = World()
    key = world.kubernetes.put_instance(HOST)
    instance = world.kubernetes.objects[key]
    assert argo(instance) == "Progressing"
    first = await world.once(key)
    assert (first, seen(world, key)) == (Outcome.MOVED, ("InProgress", "Progressing"))
    await world.settle(key)
    assert seen(world, key) == ("Current", "Healthy")
    world.kubernetes.put_instance({"hostname": "gamma.example.org"})
    assert seen(world, key) == ("InProgress", "Progressing")
    await world.settle(key)
    assert seen(world, key) == ("Current", "Healthy")
    world.kubernetes.put_instance({"hostname": "gamma.elsewhere.net"})
    await world.settle(key)
    assert seen(world, key) == ("Failed", "Degraded")
    world.kubernetes.put_instance(HOST | {"hibernation": {"mode": "Asleep"}})
    await world.settle(key)
    assert seen(world, key) == ("Current", "Healthy")
    deny(world, "get_role")
    await world.once(key)
    assert seen(world, key) == ("InProgress", "Degraded")
    for condition in world.kubernetes.objects[key]["status"]["conditions"]:
        assert condition["observedGeneration"] == world.kubernetes.objects[key]["metadata"]["generation"]


def test_argo_cds_configuration_holds_the_same_health_check() -> None:
    data = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())["data"]
    for kind in ("RecallInstance", "RecallBackup"):
        assert data[f"resource.customizations.health.recall.kug.la_{kind}"] == (GITOPS / "health.lua").read_text()
