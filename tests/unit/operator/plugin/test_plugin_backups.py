"""kubectl recall backup and backups: what they make, what they wait for, what they say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.backups.controller import BackupReconciler
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.ownership import Owner
from recall_operator.plugin import backups, cost, main
from recall_operator.plugin.cluster import CommandError
from recall_operator.plugin.orphans import READERS
from tests.unit.operator.fakes import World
from tests.unit.operator.plugin.test_plugin import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_operator.kubernetes.client import ObjectKey

HOST = {"hostname": "beta.example.org"}


async def finish(world: World, key: ObjectKey) -> None:
    for _ in range(6):
        await BackupReconciler(world.platform, world.clients).reconcile(f"{key.namespace}/{key.name}")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def recall(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the plugin on a cluster in memory; return its exit status."""
    monkeypatch.setattr(main, "Cluster", lambda *_: FakeCluster(world))
    return lambda *words: main.main(words)


def test_a_backup_is_named_after_its_instance_and_the_moment() -> None:
    made = backups.manifest("default", "beta", ["users"], "Delete", datetime(2026, 5, 1, 12, 0, 7, tzinfo=UTC))
    assert made["metadata"] == {"name": "beta-20260501-120007", "namespace": "default"}
    assert made["spec"] == {"instanceName": "beta", "deletionPolicy": "Delete", "tables": ["users"]}
    longest = backups.manifest("default", "b" * 50, [], "Retain", datetime.now(UTC))
    assert len(longest["metadata"]["name"]) <= 80


def test_backup_makes_a_recall_backup_and_says_its_name(world: World, recall: Any, capsys: Any) -> None:
    world.kubernetes.put_instance(HOST)
    assert recall("backup", "beta", "--table", "users", "-o", "name") == 0
    (made,) = FakeCluster(world).backups()
    assert capsys.readouterr().out == f"recallbackup.recall.kug.la/{made['metadata']['name']}\n"
    assert made["spec"] == {"instanceName": "beta", "tables": ["users"], "deletionPolicy": "Retain"}


def test_a_backup_of_no_instance_is_refused_in_one_line(world: World, recall: Any, capsys: Any) -> None:
    assert recall("backup", "beta") == 1
    assert capsys.readouterr().err == "kubectl recall backup: none\n"
    assert FakeCluster(world).backups() == []


async def test_wait_returns_when_it_is_ready_and_says_why_it_will_not_be(world: World) -> None:
    instance, cluster = world.kubernetes.put_instance(HOST), FakeCluster(world)
    await world.settle(instance)
    key = world.kubernetes.put_backup()
    with pytest.raises(CommandError, match=r"not Ready after 0 s: No operator has seen it"):
        backups.wait(cluster, "default", "before", 0)  # type: ignore[arg-type]
    await finish(world, key)
    assert backups.wait(cluster, "default", "before", 0)["status"]["size"] == "4.0 KiB"  # type: ignore[arg-type]
    world.kubernetes.objects[key]["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "message": "Backup x is gone."}, {"type": "Stalled", "status": "True"},
    ]  # fmt: skip
    with pytest.raises(CommandError, match=r"RecallBackup before: Backup x is gone\."):
        backups.wait(cluster, "default", "before", 60)  # type: ignore[arg-type]
    world.kubernetes.objects.pop(key)
    with pytest.raises(CommandError, match="deleted meanwhile"):
        backups.wait(cluster, "default", "before", 60)  # type: ignore[arg-type]


async def test_backups_are_listed_with_sizes_and_arns(world: World, recall: Any, capsys: Any) -> None:
    await world.settle(world.kubernetes.put_instance(HOST))
    await finish(world, world.kubernetes.put_backup())
    world.kubernetes.put_backup("of-another", instanceName="gamma")
    capsys.readouterr()
    assert recall("backups", "beta") == 0
    head, memories, users = capsys.readouterr().out.splitlines()
    assert head == "before  of beta  Available  4.0 KiB"
    assert (memories.split()[:4], users.split()[0]) == (["memories", "AVAILABLE", "2.0", "KiB"], "users")
    assert memories.split()[-1] in world.aws.backups
    assert recall("backups") == 0
    assert "of-another  of gamma  NotSeenYet" in capsys.readouterr().out
    assert recall("backups", "beta", "-o", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert {item["backupArn"] for item in found["tables"]} == set(world.aws.backups)


def test_a_failing_backup_says_why_in_the_list(world: World) -> None:
    key = world.kubernetes.put_backup()
    condition = {"type": "Ready", "status": "False", "reason": "TableNotFound", "message": "Table x does not exist."}
    condition |= {"observedGeneration": 1, "lastTransitionTime": "2026-05-01T12:00:00Z"}  # type: ignore[dict-item]
    world.kubernetes.objects[key]["status"] = {"conditions": [condition]}
    listed = backups.text(backups.backups(FakeCluster(world), "default", None))  # type: ignore[arg-type]
    assert listed == "before  of beta  TableNotFound\n  Table x does not exist."


async def test_orphans_know_whose_backup_it_was(world: World) -> None:
    await world.settle(world.kubernetes.put_instance(HOST))
    key = world.kubernetes.put_backup()
    await finish(world, key)
    world.aws._create_backup("recall.test.default.beta.users", "by-hand")

    class Pages:
        def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
            yield {"BackupSummaries": list(world.aws.backups.values())}

    class Session:
        def client(self, _: str) -> Any:
            return self

        def get_paginator(self, _: str) -> Pages:
            return Pages()

    found = READERS["backups"](Session(), world.platform)
    uid = world.kubernetes.objects[key]["metadata"]["uid"]
    assert [item.owner for item in found] == [Owner("test", "default", "before", uid)] * 2
    assert {item.name for item in found} < set(world.aws.backups)


def test_backups_cost_what_they_weigh_awake_and_asleep() -> None:
    table, spec = cost.load_prices(None), RecallInstanceSpec.model_validate(HOST)
    line = cost.monthly(spec, cost.Usage(0, 0, 0, 30.0), table)[-1]
    assert line.awake == line.hibernated == pytest.approx(3.0)
    assert not [x for x in cost.monthly(spec, cost.Usage(0, 0, 0), table) if "RecallBackups" in x.what]
