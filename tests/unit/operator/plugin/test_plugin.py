"""kubectl recall, with a cluster and an AWS in memory: what it says, what it never does, how it ends."""

from __future__ import annotations

import json
import tarfile
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.annotations import PAUSED
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.ownership import Owner
from recall_operator.plugin import bundle, cost
from recall_operator.plugin.arguments import parse
from recall_operator.plugin.changes import annotate, request_reconcile, set_hibernation
from recall_operator.plugin.cluster import CommandError, ReadOnlyAws
from recall_operator.plugin.orphans import Marked, orphans
from recall_operator.plugin.planning import manifest_differences, plan_manifest, plan_stored, read_manifests
from recall_operator.plugin.redaction import redacted
from recall_operator.plugin.tree import tree
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = {"hostname": "beta.example.org"}
CANARIES = [
    "canary-password",
    "AKIACANARYCANARY1234"[:20],
    "eyJhbGciOiJub25l.eyJjYW5hcnkiOjF9.c2lnbmF0dXJl",
    "canary@people.example.org",
    "canaryuser:canarypass",
    "canary-from-annotation",
]


class FakeCluster:
    """The plugin's cluster over the objects of a world; `handles` plays an operator that answers requests."""

    def __init__(self, world: World, *, handles: bool = True) -> None:
        self.world = world
        self.namespace = "default"
        self.handles = handles
        self.log = b""
        self.extra: dict[str, list[dict[str, Any]]] = {}

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        found: dict[str, Any] | None = json.loads(json.dumps(self.world.kubernetes.objects.get(key)))
        return found

    def items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        del query
        return self.extra.get(path.rsplit("/", 1)[1], [])

    def backups(self, namespace: str | None = None) -> list[dict[str, Any]]:
        del namespace
        return [item for key, item in self.world.kubernetes.objects.items() if key.kind == BACKUP_KIND]

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        key = self.world.kubernetes.put_backup(manifest["metadata"]["name"], **manifest["spec"])
        return self.world.kubernetes.objects[key]

    def instance(self, namespace: str, name: str) -> dict[str, Any]:
        found = self.get(ObjectKey(KIND, namespace, name))
        if found is None:
            raise CommandError("none")
        return found

    def patch(self, key: ObjectKey, change: dict[str, Any]) -> None:
        live = self.world.kubernetes.objects[key]
        annotations = live["metadata"].setdefault("annotations", {})
        for name, value in change.get("metadata", {}).get("annotations", {}).items():
            annotations.pop(name, None) if value is None else annotations.update({name: value})
            if self.handles and name.endswith("requested-at"):
                live.setdefault("status", {})["lastHandledReconcileAt"] = value
        live["spec"].setdefault("hibernation", {}).update(change.get("spec", {}).get("hibernation", {}))

    def dry_run(self, manifest: dict[str, Any], live: dict[str, Any] | None) -> dict[str, Any]:
        spec = RecallInstanceSpec.model_validate(manifest["spec"])
        metadata = {**manifest["metadata"], "uid": "dry", "generation": 1, **(live["metadata"] if live else {})}
        return {"metadata": metadata, "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True)}

    def request(self, verb: str, path: str, **_: Any) -> bytes:
        if verb != "GET":
            raise ApiServerError(403, "Forbidden", path)
        return self.log


def manifest(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "beta", "namespace": "default"}, "spec": HOST | spec}


async def test_a_plan_of_a_new_instance_creates_and_writes_nothing() -> None:
    world = World()
    plan = await plan_manifest(manifest(), FakeCluster(world), world.platform, world.aws)  # type: ignore[arg-type]
    assert plan.exit_code == 2
    assert "[tables] + create Table recall.test.default.beta.memories" in plan.text()
    assert "dry" not in [item for change in plan.changes for item in change.name.split("@")]
    assert world.writes == []


async def test_a_plan_shows_each_field_of_manifest_and_world() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    world.forget_writes()
    cluster: Any = FakeCluster(world)
    same = await plan_manifest(manifest(), cluster, world.platform, world.aws)
    assert (same.exit_code, same.text()) == (0, "No changes.")
    plan = await plan_manifest(manifest(api={"replicas": 5}), cluster, world.platform, world.aws)
    assert plan.exit_code == 2
    assert "    spec.api.replicas: 2 -> 5" in plan.text()
    assert "    spec.replicas: 2 -> 5" in plan.text()
    assert {"field": "spec.replicas", "before": 2, "after": 5} in [
        field for change in plan.document()["changes"] for field in change["fields"]
    ]
    assert world.writes == []


async def test_a_plan_marks_what_would_be_lost() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST | {"deletionPolicy": {"tables": "Delete"}})
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    live = world.kubernetes.objects[key]
    plan = await plan_stored(live, FakeCluster(world), world.platform, world.aws)  # type: ignore[arg-type]
    assert all(change["destructive"] for change in plan.document()["changes"])
    marked = [line for line in plan.text().splitlines() if "!! DESTRUCTIVE" in line]
    assert any("delete Table recall.test.default.beta.memories" in line for line in marked)


async def test_a_part_that_is_anothers_makes_the_plan_fail() -> None:
    world = World()
    await world.settle(world.kubernetes.put_instance(HOST | {"tables": {"memories": {"name": "shared"}}}, name="first"))
    cluster: Any = FakeCluster(world)
    wanted = manifest(tables={"memories": {"name": "shared"}}, hostname="other.example.org")
    plan = await plan_manifest(wanted, cluster, world.platform, world.aws)
    assert plan.exit_code == 1
    assert "! tables: NotOwned" in plan.text()


async def test_planning_cannot_write() -> None:
    with pytest.raises(CommandError, match="does not call dynamodb delete_table"):
        await ReadOnlyAws(World().aws).call("dynamodb", "delete_table", TableName="any")


def test_specs_are_compared_field_by_field() -> None:
    found = list(manifest_differences({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": True}))
    assert [(x.field, x.before, x.after) for x in found] == [
        ("spec.a.b", 1, None), ("spec.a.c", [1], [2]), ("spec.d", None, True),
    ]  # fmt: skip


def test_a_file_without_an_instance_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("kind: ConfigMap\n")
    with pytest.raises(CommandError, match=r"other.yaml holds no RecallInstance"):
        read_manifests(file, "default")


@pytest.mark.parametrize("words", [["plan"], ["plan", "beta", "-f", "x"], ["plan", "-f", "x", "--remote"], ["nothing"]])
def test_a_wrong_command_line_ends_with_1_not_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 1


async def test_the_tree_names_parts_reasons_and_stale_news() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    text = tree(world.kubernetes.objects[key])
    assert "✔ RecallInstance default/beta  AllPartsReady" in text
    assert "✔ TablesReady  Available" in text
    assert "Table recall.test.default.beta.users  ACTIVE" in text
    world.kubernetes.put_instance(HOST | {"api": {"replicas": 3}})
    assert "(of generation 1, the spec is at 2)" in tree(world.kubernetes.objects[key])


async def test_hibernate_wake_pause_and_resume_change_one_thing() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    cluster: Any = FakeCluster(world)
    set_hibernation(cluster, "default", "beta", "Asleep")
    assert world.kubernetes.objects[key]["spec"]["hibernation"]["mode"] == "Asleep"
    annotate(cluster, "default", "beta", PAUSED, "true")
    assert world.kubernetes.objects[key]["metadata"]["annotations"] == {PAUSED: "true"}
    annotate(cluster, "default", "beta", PAUSED, None)
    assert world.kubernetes.objects[key]["metadata"]["annotations"] == {}


def test_reconcile_waits_for_the_operator_and_says_when_it_does_not_answer() -> None:
    world = World()
    world.kubernetes.put_instance(HOST)
    answering: Any = FakeCluster(world)
    assert request_reconcile(answering, "default", "beta", 5)["status"]["lastHandledReconcileAt"]
    silent: Any = FakeCluster(world, handles=False)
    with pytest.raises(CommandError, match="paused"):
        request_reconcile(silent, "default", "beta", 0)


def test_orphans_are_of_this_cluster_and_of_nobody_alive() -> None:
    alive, dead = Owner("test", "default", "beta", "1"), Owner("test", "default", "old", "2")
    elsewhere = Owner("other", "default", "old", "3")
    found = [Marked("Table", name, owner) for name, owner in (("a", alive), ("b", dead), ("c", elsewhere))]
    assert [item.name for item in orphans(found, "test", {"1"})] == ["b"]


def test_cost_counts_what_sleeps_and_what_does_not() -> None:
    table, usage = cost.load_prices(None), cost.Usage(10, 2, 1)
    spec = RecallInstanceSpec.model_validate(HOST | {"api": {"replicas": 2}})
    lines = cost.monthly(spec, usage, table)
    found = cost.document("default/beta", lines, table, date.fromisoformat(f"{table.as_of}-28"))
    # Tables asleep: 10 GiB at 0.25, their backups at 0.20, and the load balancer's 730 hours at 0.0225.
    assert found["hibernated"] == pytest.approx(2.5 + 2.0 + 16.43, abs=0.01)
    assert found["awake"] > found["hibernated"]
    more = cost.monthly(spec.model_copy(update={"api": spec.api.model_copy(update={"replicas": 4})}), usage, table)
    assert more[0].awake == pytest.approx(2 * lines[0].awake)
    text = cost.text(found)
    assert table.as_of in text
    assert "aws.amazon.com/dynamodb/pricing" in text
    assert "days ago" not in text
    assert "days ago" in cost.text(cost.document("default/beta", lines, table, date(2030, 1, 1)))


def test_cost_of_a_key_for_each_user_is_a_kms_key_and_its_requests() -> None:
    table, usage = cost.load_prices(None), cost.Usage(1, 8, 2)
    key = {"perUserKeys": {"kmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/k1"}}
    plain = RecallInstanceSpec(hostname="beta.example.org")
    keyed = RecallInstanceSpec.model_validate({"hostname": "beta.example.org", "encryption": key})
    without, lines = cost.monthly(plain, usage, table), cost.monthly(keyed, usage, table)
    (line,) = [line for line in lines if line not in without]
    assert (line.hibernated, line.awake) == (1.0, 4.0)


def test_cost_of_capacity_is_paid_asleep_too_and_an_autoscaler_runs_its_least() -> None:
    table, usage = cost.load_prices(None), cost.Usage(0, 2, 1)
    billing = {"mode": "Provisioned", "readCapacity": 10, "writeCapacity": 5}
    api = {"replicas": 9, "autoscaling": {"minReplicas": 3, "maxReplicas": 9}}
    spec = RecallInstanceSpec.model_validate(HOST | {"tables": {"billing": billing}, "api": api})
    pods, _, capacity, *_ = cost.monthly(spec, usage, table)
    # Two tables, each 10 read units at 0.00013 and 5 write units at 0.00065 an hour, for 730 hours.
    assert capacity.awake == capacity.hibernated == pytest.approx(2 * (0.0013 + 0.00325) * 730)
    assert pods.what.startswith("pods: 3 x")


async def test_a_support_bundle_holds_no_secrets(tmp_path: Path) -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    live = world.kubernetes.objects[key]
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": CANARIES[5]}
    child = world.kubernetes.objects[ObjectKey("ConfigMap", "default", "beta-api")]
    child["data"] |= {"DB_PASSWORD": CANARIES[0], "ENDPOINT": f"https://{CANARIES[4]}@db.example.org/", "KEEP": "kept"}
    cluster: Any = FakeCluster(world)
    secret_variable = {"name": "API_TOKEN", "value": CANARIES[0]}
    pod = {"metadata": {"name": "operator-1"}, "spec": {"containers": [{"env": [secret_variable]}]}}
    cluster.extra = {"pods": [pod], "events": [
        {"regarding": {"kind": KIND, "name": "beta"}, "note": f"sign-in of {CANARIES[3]} failed"}
    ]}  # fmt: skip
    cluster.log = "\n".join(
        [json.dumps({"event": "kept event", "authorization": CANARIES[0]}), *CANARIES[1:4], f"password={CANARIES[0]}"]
    ).encode()
    path = tmp_path / "bundle.tar.gz"
    bundle.write(bundle.collect(cluster, "default", "beta", "recall-system", f"plan with {CANARIES[1]}"), path)
    with tarfile.open(path) as archive:
        texts = {entry.name: archive.extractfile(entry).read().decode() for entry in archive}  # type: ignore[union-attr]
    whole = "\n".join(texts.values())
    assert [canary for canary in CANARIES if canary in whole] == []
    assert {name.split("/", 1)[1] for name in texts} >= {
        "instance.yaml", "status.txt", "plan.txt", "events.yaml", "operator/operator-1.log", "objects/Deployment.yaml",
    }  # fmt: skip
    assert "KEEP: kept" in whole
    assert "kept event" in whole
    assert path.stat().st_mode & 0o077 == 0


def test_redaction_keeps_what_helps() -> None:
    value = {
        "serviceAccountName": "beta-api",
        "automountServiceAccountToken": False,
        "message": "2 of 2 pods are ready.",
    }
    assert redacted(value) == value
