"""spec.expiresAfter: announced, put off by editing, then deleted with each part's policy kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from recall_operator.annotations import DRY_RUN, PAUSED
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.events import Events
from recall_operator.models.durations import parse
from recall_operator.models.instance import RecallInstance
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.plugin.planning import plan_manifest
from recall_operator.plugin.tree import tree
from recall_operator.reconcile.expiry import LONGEST_NOTICE, expires_at, is_expired, next_moment, notice_at
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome, Rhythm
from tests.unit.operator.fakes import World
from tests.unit.operator.plugin.test_plugin import FakeCluster, manifest

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey

HOST = {"hostname": "beta.example.org"}
GONE = {"tables": "Delete"}


def age(world: World, key: ObjectKey, **ago: float) -> None:
    """Let the instance have been made some time ago."""
    created = datetime.now(UTC) - timedelta(**ago)
    world.kubernetes.objects[key]["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(world: World, key: ObjectKey) -> set[str]:
    return {item["type"] for item in world.kubernetes.objects[key]["status"]["conditions"]}


def events(world: World) -> list[tuple[str, str]]:
    found = [item for key, item in world.kubernetes.objects.items() if key.kind == "Event"]
    return [(item["type"], item["reason"]) for item in found]


def instance(life: str, created: datetime) -> RecallInstance:
    metadata = {"name": "a", "namespace": "b", "uid": "c", "generation": 1, "creationTimestamp": created.isoformat()}
    return RecallInstance.model_validate({"metadata": metadata, "spec": HOST | {"expiresAfter": life}})


@given(hours=some.integers(0, 99), minutes=some.integers(0, 99), seconds=some.integers(0, 99))
def test_a_duration_is_the_sum_of_what_it_names(hours: int, minutes: int, seconds: int) -> None:
    text = "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if count) or "0s"
    assert parse(text) == timedelta(hours=hours, minutes=minutes, seconds=seconds)


@pytest.mark.parametrize("text", ["", "72", "3d", "1m1h", "-1h", "1.5h", "1 h", "P3D", "1h\n"])
def test_what_is_no_duration_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="write hours, minutes and seconds"):
        parse(text)


@pytest.mark.parametrize("life", ["9s", "0h", "8760h1s", "99999h"])
def test_a_life_is_from_ten_seconds_to_a_year(life: str) -> None:
    with pytest.raises(ValidationError, match="is not from 10s to 8760h"):
        RecallInstanceSpec.model_validate(HOST | {"expiresAfter": life})


lives = some.integers(10, 8760 * 3600).map(lambda seconds: f"{seconds // 3600}h{seconds % 3600}s")


moments = some.integers(0, 10**9).map(lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


@given(life=lives, created=moments)
def test_the_end_is_announced_before_it_comes_and_each_moment_is_foreseen(life: str, created: datetime) -> None:
    found = instance(life, created)
    notice, end = notice_at(found), expires_at(found)
    assert notice is not None
    assert end == created + parse(life)
    assert created < notice < end
    assert end - notice <= LONGEST_NOTICE
    just_before = timedelta(microseconds=1)
    assert next_moment(found, created) == notice
    assert next_moment(found, notice) == end
    assert next_moment(found, end) is None
    assert not is_expired(found, end - just_before)
    assert is_expired(found, end)


async def test_without_a_life_nothing_ever_ends() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    age(world, key, days=4000)
    await world.settle(key)
    assert "expiresAt" not in world.kubernetes.objects[key]["status"]
    assert "Expiring" not in conditions(world, key)


async def test_an_instance_tells_its_end_and_is_looked_at_when_the_notice_is_due() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "72h"})
    age(world, key, hours=10)
    await world.settle(key)
    status = world.kubernetes.objects[key]["status"]
    created = datetime.fromisoformat(world.kubernetes.objects[key]["metadata"]["creationTimestamp"])
    assert datetime.fromisoformat(status["expiresAt"]) == created + timedelta(hours=72)
    assert "Expiring" not in conditions(world, key)
    assert f"expires at {status['expiresAt']}" in tree(world.kubernetes.objects[key])
    told: dict[str, Rhythm] = {}
    assert await Reconciler(world.platform, world.clients).reconcile("default/beta", told.__setitem__)
    assert told["default/beta"].within_seconds == pytest.approx((72 - 18 - 10) * 3600, abs=5)


async def test_a_near_end_is_announced_and_put_off_by_an_edit() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "72h"})
    age(world, key, hours=60)
    reconciler = Reconciler(world.platform, world.clients, events=Events(world.kubernetes, "pod"))
    while await reconciler.reconcile("default/beta") is not Outcome.SETTLED:
        pass
    said = world.kubernetes.condition(key, "Expiring")
    assert (said["status"], said["reason"]) == ("True", "ExpiresSoon")
    assert "Kept by spec.deletionPolicy: tables." in said["message"]
    assert "raise spec.expiresAfter" in said["message"]
    assert world.kubernetes.condition(key)["status"] == "True"
    assert events(world).count(("Warning", "ExpiresSoon")) == 1
    world.kubernetes.put_instance(HOST | {"expiresAfter": "168h"})
    await world.settle(key)
    assert "Expiring" not in conditions(world, key)


async def test_what_has_expired_is_deleted_and_its_tables_are_kept_by_default() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "72h"})
    await world.settle(key)
    tables = set(world.aws.tables)
    age(world, key, hours=72)
    reconciler = Reconciler(world.platform, world.clients, events=Events(world.kubernetes, "pod"))
    assert await reconciler.reconcile("default/beta") is Outcome.MOVED
    assert "deletionTimestamp" in world.kubernetes.objects[key]["metadata"]
    assert events(world) == [("Warning", "Expired")]
    assert await world.settle(key) is Outcome.GONE
    assert key not in world.kubernetes.objects
    assert set(world.aws.tables) == tables
    assert not world.aws.roles


async def test_tables_that_may_go_go() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h", "deletionPolicy": GONE})
    await world.settle(key)
    age(world, key, hours=1)
    assert await world.settle(key) is Outcome.GONE
    assert not world.aws.tables


async def test_one_that_expires_before_it_was_ever_made_leaves_nothing() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h"})
    age(world, key, hours=2)
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.writes == []


async def test_a_paused_instance_outlives_its_end_and_says_so() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h"})
    await world.settle(key)
    age(world, key, hours=2)
    metadata = world.kubernetes.objects[key]["metadata"]
    metadata["annotations"] = {PAUSED: "true"}
    assert await world.once(key) is Outcome.SETTLED
    assert "deletionTimestamp" not in metadata
    assert "was over" in world.kubernetes.condition(key, "Paused")["message"]
    metadata["annotations"] = {}
    assert await world.settle(key) is Outcome.GONE


async def test_a_dry_run_shows_the_deletion_and_does_not_do_it() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h", "deletionPolicy": GONE})
    await world.settle(key)
    before = world.aws.state()
    age(world, key, hours=2)
    world.kubernetes.objects[key]["metadata"]["annotations"] = {DRY_RUN: "true"}
    await world.once(key)
    first = world.kubernetes.objects[key]["status"]["plan"]["changes"][0]
    assert (first["action"], first["kind"], first["destructive"]) == ("delete", "RecallInstance", True)
    assert world.kubernetes.objects[key]["status"]["plan"]["total"] > 1
    assert world.aws.state() == before
    assert key in world.kubernetes.objects


async def test_an_extension_that_comes_while_the_deletion_is_under_way_wins() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h"})
    await world.settle(key)
    age(world, key, hours=2)
    metadata = world.kubernetes.objects[key]["metadata"]
    metadata["resourceVersion"] = "7"

    def extend(what: str) -> None:
        if what == "delete RecallInstance":
            world.kubernetes.put_instance(HOST | {"expiresAfter": "72h"})
            metadata["resourceVersion"] = "8"

    world.kubernetes.before = extend
    assert await world.once(key) is Outcome.FAILED
    assert await world.settle(key) is Outcome.SETTLED
    assert "deletionTimestamp" not in metadata
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_a_refused_deletion_shows_and_is_tried_again() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"expiresAfter": "1h"})
    await world.settle(key)
    age(world, key, hours=2)

    def refuse(what: str) -> None:
        if what == "delete RecallInstance":
            raise ApiServerError(403, "Forbidden", "no right to delete")

    world.kubernetes.before = refuse
    assert await world.once(key) is Outcome.FAILED
    said = world.kubernetes.condition(key, "Expiring")
    assert said["reason"] == "AccessDenied"
    assert "service account" in said["message"]
    world.kubernetes.before = lambda _: None
    assert await world.settle(key) is Outcome.GONE


async def test_a_plan_shows_the_end_and_that_a_shorter_life_is_over_at_once() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"deletionPolicy": GONE})
    await world.settle(key)
    age(world, key, hours=2)
    cluster: Any = FakeCluster(world)
    wanted = manifest(expiresAfter="72h", deletionPolicy=GONE)
    longer = await plan_manifest(wanted, cluster, world.platform, world.aws)
    assert 'spec.expiresAfter: (absent) -> "72h"' in longer.text()
    assert "Expires at " in longer.text()
    assert not longer.changes
    assert longer.document()["expiresAt"] == longer.expires_at
    shorter = await plan_manifest(manifest(expiresAfter="1h", deletionPolicy=GONE), cluster, world.platform, world.aws)
    assert "- delete RecallInstance beta (destructive)" in shorter.text()
    assert any(change.kind == "Table" for change in shorter.changes)
