"""The whole pass against an AWS and a Kubernetes in memory: what users may rely on, whatever happens."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from recall_operator.aws.client import is_write
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.ownership import RELEASED_TAG
from recall_operator.reconcile.rhythm import Outcome
from tests.unit.operator.fake_aws import FakeAws, refused
from tests.unit.operator.fakes import Crashed, World

HOST = {"hostname": "beta.example.org"}
TABLE = "recall.test.default.beta.memories"
ERASE = {"deletionPolicy": {"tables": "Delete"}}

specs = some.fixed_dictionaries(
    {"hostname": some.sampled_from(["beta.example.org", "gamma.example.org", "a.b.example.org"])},
    optional={
        "api": some.fixed_dictionaries({}, optional={"replicas": some.integers(1, 50), "image": some.just("x:2")}),
        "tables": some.fixed_dictionaries(
            {}, optional={"pointInTimeRecovery": some.booleans(), "deletionProtection": some.booleans()}
        ),
        "signIn": some.fixed_dictionaries(
            {},
            optional={
                "accessTokenMinutes": some.integers(5, 1440),
                "callbackUrls": some.lists(some.sampled_from(["https://a.org/x", "https://b.org/y"]), unique=True),
            },
        ),
        "models": some.fixed_dictionaries({}, optional={"residency": some.sampled_from(["region", "geo", "global"])}),
        "hibernation": some.fixed_dictionaries({"mode": some.sampled_from(["Awake", "Asleep"])}),
        "deletionPolicy": some.fixed_dictionaries(
            {},
            optional={part: some.sampled_from(["Retain", "Delete"]) for part in ("tables", "signIn", "access", "dns")},
        ),
    },
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ready(world: World, key: ObjectKey) -> tuple[str, str]:
    condition = world.kubernetes.condition(key)
    return condition["status"], condition["reason"]


def counts(world: World) -> tuple[int, ...]:
    aws = world.aws
    return len(aws.tables), len(aws.clients), len(aws.roles), len(aws.associations)


def damage_table(aws: FakeAws) -> None:
    next(iter(aws.tables.values()))["recovery"] = "DRIFT"


def lose_expiry(aws: FakeAws) -> None:
    next(iter(aws.tables.values()))["expiry"] = None


def lose_table(aws: FakeAws) -> None:
    aws.tables.popitem()


def edit_client(aws: FakeAws) -> None:
    next(iter(aws.clients.values()))["CallbackURLs"] = ["https://evil.example"]


def double_client(aws: FakeAws) -> None:
    first = copy.deepcopy(next(iter(aws.clients.values())))
    first["CreationDate"] = first["CreationDate"].replace(year=2030)
    aws.clients["second"] = first


def lose_client(aws: FakeAws) -> None:
    aws.clients.clear()


def widen_role(aws: FakeAws) -> None:
    next(iter(aws.roles.values()))["policies"]["recall-api"] = {"Statement": []}


def lose_policy(aws: FakeAws) -> None:
    next(iter(aws.roles.values()))["policies"].clear()


def lose_association(aws: FakeAws) -> None:
    aws.associations.clear()


def point_elsewhere(aws: FakeAws) -> None:
    record = next(record for (_, kind), record in aws.records.items() if kind == "A")
    record["AliasTarget"]["DNSName"] = "evil.example."


def lose_record(aws: FakeAws) -> None:
    del aws.records[next(key for key in aws.records if key[1] == "A")]


DAMAGES = [
    damage_table, lose_expiry, lose_table, edit_client, double_client, lose_client, widen_role, lose_policy,
    lose_association, point_elsewhere, lose_record,
]  # fmt: skip


@quick
@given(spec=specs, later=specs)
async def test_it_converges_and_then_writes_nothing(spec: dict[str, Any], later: dict[str, Any]) -> None:
    world = World()
    for wanted in (spec, later):
        key = world.kubernetes.put_instance(wanted)
        await world.settle(key)
        assert ready(world, key)[0] == "True"
        world.forget_writes()
        assert await world.once(key) is Outcome.SETTLED
        assert world.writes == []


@quick
@given(spec=specs, damages=some.lists(some.sampled_from(DAMAGES), unique=True, max_size=4))
async def test_drift_is_mended(spec: dict[str, Any], damages: list[Any]) -> None:
    world = World()
    key = world.kubernetes.put_instance(spec)
    await world.settle(key)
    for damage in sorted(damages, key=DAMAGES.index, reverse=True):
        if world.aws.tables and world.aws.clients and world.aws.roles:
            damage(world.aws)
    await world.settle(key)
    assert ready(world, key)[0] == "True"
    assert (len(world.aws.tables), len(world.aws.clients), len(world.aws.roles), len(world.aws.associations)) == (
        2,
        1,
        1,
        1,
    )
    world.forget_writes()
    await world.once(key)
    assert world.writes == []


@pytest.mark.parametrize(
    "kind", ["ServiceAccount", "ConfigMap", "Service", "Deployment", "PodDisruptionBudget", "Ingress"]
)
async def test_a_deleted_or_edited_object_is_mended(kind: str) -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    child = ObjectKey(kind, "default", "beta-api")
    before = copy.deepcopy(world.kubernetes.objects[child])
    world.kubernetes.objects[child]["metadata"]["labels"]["app.kubernetes.io/name"] = "other"
    await world.settle(key)
    assert world.kubernetes.objects[child]["metadata"]["labels"] == before["metadata"]["labels"]
    del world.kubernetes.objects[child]
    await world.settle(key)
    assert world.kubernetes.objects[child].get("spec") == before.get("spec")


@quick
@given(spec=specs)
async def test_deletion_honours_each_policy(spec: dict[str, Any]) -> None:
    world = World()
    key = world.kubernetes.put_instance(spec)
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    assert await world.settle(key) is Outcome.GONE
    default = {"tables": "Retain", "signIn": "Delete", "access": "Delete", "dns": "Delete"}
    policy = default | spec.get("deletionPolicy", {})
    kept = {part for part, choice in policy.items() if choice == "Retain"}
    assert bool(world.aws.tables) == ("tables" in kept)
    assert all(RELEASED_TAG in table["tags"] for table in world.aws.tables.values())
    assert bool(world.aws.clients) == ("signIn" in kept)
    assert bool(world.aws.roles) == bool(world.aws.associations) == ("access" in kept)
    assert bool(world.aws.records) == ("dns" in kept)
    assert not world.kubernetes.objects


@quick
@given(spec=specs, crash_at=some.integers(0, 40), lost_answer=some.booleans(), deleting=some.booleans())
async def test_a_crash_at_any_write_leaves_exactly_one_of_each(
    spec: dict[str, Any], crash_at: int, lost_answer: bool, deleting: bool
) -> None:
    world = World()
    key = world.kubernetes.put_instance(spec | ERASE)
    if deleting:
        await world.settle(key)
        world.kubernetes.delete_instance(key)
    left = crash_at

    def count_down(operation: str) -> None:
        nonlocal left
        if operation.split(" ")[0] in ("apply", "delete") or is_write(operation):
            left -= 1
            if left == -1:
                raise Crashed

    for door in (world.aws, world.kubernetes):
        setattr(door, "after" if lost_answer else "before", count_down)
    try:
        await world.settle(key)
    except Crashed:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # nothing of a process that ended goes on
        await world.settle(key)
    if deleting:
        assert not any(world.aws.state()) or spec.get("deletionPolicy")
        assert key not in world.kubernetes.objects
    else:
        assert (len(world.aws.tables), len(world.aws.clients), len(world.aws.roles), len(world.aws.associations)) == (
            2,
            1,
            1,
            1,
        )
        assert ready(world, key)[0] == "True"


async def test_an_absent_field_is_not_managed() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    world.aws.tables[TABLE]["DeletionProtectionEnabled"] = True
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []


async def test_a_host_name_change_moves_the_records() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    world.kubernetes.put_instance({"hostname": "gamma.example.org"})
    await world.settle(key)
    assert {name for name, _ in world.aws.records} == {
        "gamma.example.org", "_recall-owner.gamma.example.org",
        "api.gamma.example.org", "_recall-owner.api.gamma.example.org",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, "NotOwned"),
        (
            {"recall.kug.la/uid": "other", "recall.kug.la/name": "beta", "recall.kug.la/namespace": "default"},
            "NotOwned",
        ),
    ],
)
@pytest.mark.parametrize("deletion", ["Retain", "Delete"])
async def test_a_foreign_table_is_reported_and_never_touched(tags: dict[str, str], reason: str, deletion: str) -> None:
    world = World()
    foreign = {
        "TableStatus": "ACTIVE", "TableArn": f"arn:aws:dynamodb:eu-west-1:000000000000:table/{TABLE}", "tags": tags,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "recovery": False, "expiry": None,
    }  # fmt: skip
    world.aws.tables[TABLE] = copy.deepcopy(foreign)
    key = world.kubernetes.put_instance(HOST | {"deletionPolicy": {"tables": deletion}})
    await world.settle(key)
    assert ready(world, key) == ("False", reason)
    stalled = world.kubernetes.condition(key, "Stalled")
    assert stalled["status"] == "True"
    assert "spec.adoption" in stalled["message"]
    assert "spec.tables.memories.name" in stalled["message"]
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert world.aws.tables[TABLE] == foreign


async def test_a_stalled_part_stops_nothing_but_itself() -> None:
    world = World()
    world.aws.tables[TABLE] = {"TableStatus": "ACTIVE", "TableArn": f"arn:aws:dynamodb:r:a:table/{TABLE}", "tags": {}}
    world.aws.tables[TABLE] |= {"KeySchema": [], "recovery": False, "expiry": None}
    key = world.kubernetes.put_instance(HOST)
    assert await world.settle(key) is Outcome.SETTLED
    assert world.kubernetes.condition(key, "TablesReady")["reason"] == "NotOwned"
    for part in ("IdentityReady", "AccessReady", "DNSReady", "WorkloadReady"):
        assert world.kubernetes.condition(key, part)["status"] == "True"
    world.forget_writes()
    await world.once(key)
    assert world.writes == []


async def test_a_rebuilt_cluster_takes_its_things_back_when_asked() -> None:
    world = World()
    keep = {"deletionPolicy": dict.fromkeys(("tables", "signIn", "access", "dns"), "Retain")}
    key = world.kubernetes.put_instance(HOST | keep)
    await world.settle(key)
    before = list(world.aws.clients)
    world.kubernetes.objects.clear()  # the old cluster is gone without a word
    key = world.kubernetes.put_instance(HOST | keep | {"adoption": "Refuse"})
    await world.settle(key)
    assert ready(world, key) == ("False", "NotOwned")
    world.kubernetes.objects.clear()
    for client in [client for client in world.aws.clients if client not in before]:
        del world.aws.clients[client]
    key = world.kubernetes.put_instance(HOST | keep | {"adoption": "Adopt"})
    await world.settle(key)
    assert ready(world, key)[0] == "True"
    assert list(world.aws.clients) == before
    uid = world.kubernetes.objects[key]["metadata"]["uid"]
    assert {table["tags"]["recall.kug.la/uid"] for table in world.aws.tables.values()} == {uid}


async def test_adoption_never_takes_from_another_living_instance() -> None:
    world = World()
    shared = {"tables": {"memories": {"name": "shared-memories"}}}
    first = world.kubernetes.put_instance(HOST | shared)
    await world.settle(first)
    before = world.aws.state()
    second = world.kubernetes.put_instance({"hostname": "beta.example.org", "adoption": "Adopt"} | shared, name="thief")
    await world.settle(second)
    assert ready(world, second) == ("False", "NotOwned")
    assert before[0]["shared-memories"] == world.aws.tables["shared-memories"]
    assert before[4] == world.aws.records
    world.kubernetes.delete_instance(second)
    await world.settle(second)
    assert before[4] == world.aws.records


async def test_a_host_name_outside_the_zone_is_never_sent() -> None:
    world = World()
    key = world.kubernetes.put_instance({"hostname": "beta.elsewhere.net"})
    await world.settle(key)
    assert ready(world, key) == ("False", "OutsideZone")
    assert world.aws.records == {}


async def test_hibernation_stops_the_pods_and_keeps_the_rest() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    before = world.aws.state()
    world.kubernetes.put_instance(HOST | {"hibernation": {"mode": "Asleep"}})
    await world.settle(key)
    assert world.kubernetes.objects[ObjectKey("Deployment", "default", "beta-api")]["spec"]["replicas"] == 0
    assert ready(world, key) == ("True", "Asleep")
    assert world.aws.state() == before


async def test_the_first_status_speaks_of_the_generation_and_knows_nothing_yet() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.once(key)
    status = world.kubernetes.objects[key]["status"]
    assert status["observedGeneration"] == 1
    assert ready(world, key) == ("Unknown", "Progressing")
    assert all(condition["observedGeneration"] == 1 for condition in status["conditions"])


async def test_one_parts_trouble_is_not_the_others() -> None:
    world = World()

    def no_iam(operation: str) -> None:
        if operation == "get_role":
            raise refused("AccessDenied")

    world.aws.before = no_iam
    key = world.kubernetes.put_instance(HOST)
    for _ in range(4):
        assert await world.once(key) is Outcome.FAILED
    assert world.kubernetes.condition(key, "AccessReady")["reason"] == "AccessDenied"
    assert world.kubernetes.condition(key, "TablesReady")["status"] == "True"
    assert world.kubernetes.condition(key, "WorkloadReady")["reason"] == "Waiting"
    assert ready(world, key)[0] == "False"


async def test_pods_wait_for_their_role_and_client() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.once(key)
    assert ObjectKey("Deployment", "default", "beta-api") not in world.kubernetes.objects
    assert world.aws.associations
    assert world.aws.clients


async def test_a_role_that_eks_does_not_see_yet_is_waited_for() -> None:
    # IAM's data reaches other services seconds later, and EKS says so as it says that a value is wrong.
    world = World()
    key = world.kubernetes.put_instance(HOST)
    unseen = 3

    def behind(operation: str) -> None:
        nonlocal unseen
        if operation == "create_pod_identity_association" and unseen:
            unseen -= 1
            raise refused("InvalidParameterException", "Role provided in the request does not exist.")

    world.aws.before = behind
    for _ in range(3):
        assert await world.once(key) is Outcome.FAILED
        assert world.kubernetes.condition(key, "Stalled")["status"] == "False"
        assert world.kubernetes.condition(key, "AccessReady")["reason"] == "Waiting"
    await world.settle(key)
    assert ready(world, key) == ("True", "AllPartsReady")


async def test_an_association_that_is_deleted_and_still_listed_is_gone() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    (listed,) = world.aws.associations.values()
    world.kubernetes.delete_instance(key)
    world.aws._list_pod_identity_associations = lambda **_: {"associations": [listed]}  # type: ignore[method-assign]
    await world.settle(key)
    assert key not in world.kubernetes.objects
    assert not world.aws.associations


async def test_a_spec_that_cannot_be_read_is_stalled() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    world.kubernetes.objects[key]["spec"]["api"]["replicas"] = "many"
    assert await world.once(key) is Outcome.SETTLED
    assert ready(world, key) == ("False", "InvalidSpec")
    assert "spec.api.replicas" in world.kubernetes.condition(key, "Stalled")["message"]


async def test_nothing_happens_to_an_instance_that_is_gone() -> None:
    world = World()
    assert await world.once(ObjectKey("RecallInstance", "default", "ghost")) is Outcome.GONE
    assert world.writes == []
