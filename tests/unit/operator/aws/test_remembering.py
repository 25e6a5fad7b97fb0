"""Looking from memory: what it costs, what it sees when, and that nothing is written on its word."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.aws.inventory import MOST_LIST_AGE, TRUST_AGE, Inventory
from recall_operator.kubernetes.cache import KubernetesCache
from recall_operator.kubernetes.client import KubernetesApi, ObjectKey
from recall_operator.models.base import KIND
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.requests.asking import Asking, asked_by
from recall_operator.requests.late_writes import LONGEST_SECONDS
from recall_operator.requests.packed import pack, unpack
from recall_operator.resources.dns_records import RECORDS
from recall_operator.resources.part import Clients
from tests.unit.operator.fake_aws import FakeAws
from tests.unit.operator.fakes import FakeKubernetes, World, platform

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC: dict[str, Any] = {"hostname": "beta.example.org"}
KEY = ObjectKey(KIND, "default", "beta")
LISTS = {
    "get_resources",
    "list_user_pool_clients",
    "list_resource_record_sets",
    "get_account_authorization_details",
    "list_pod_identity_associations",
}


class CountingKubernetes(FakeKubernetes):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        self.gets += 1
        return await super().get(key)


class Restarted:
    """A settled world, and an operator that has just started."""

    def __init__(self, world: World) -> None:
        self.now = 1000.0
        self.aws, self.kubernetes = world.aws, CountingKubernetes()
        vars(self.kubernetes).update({**vars(world.kubernetes), "gets": 0})
        self.aws.calls.clear()
        self.kubernetes.writes.clear()
        self.cache = KubernetesCache(self.kubernetes)
        self.inventory = Inventory(self.aws, "test", clock=self.clock, chance=lambda: 0.5)
        self.reconciler = Reconciler(world.platform, Clients(self.inventory, self.cache))

    def clock(self) -> float:
        self.now += 1e-6
        return self.now

    async def once(self) -> Outcome:
        return await self.reconciler.reconcile("default/beta")

    def asked(self) -> list[str]:
        asked = [operation for _, operation in self.aws.calls]
        self.aws.calls.clear()
        return asked


async def restarted() -> Restarted:
    world = World()
    assert await world.settle(world.kubernetes.put_instance(SPEC)) is Outcome.SETTLED
    found = Restarted(world)
    await found.cache.fill()
    return found


async def test_after_a_restart_a_settled_instance_costs_only_the_shared_lists() -> None:
    stand = await restarted()
    assert await stand.once() is Outcome.SETTLED
    assert set(stand.asked()) == LISTS
    assert stand.kubernetes.gets == 0
    assert stand.aws.writes == stand.kubernetes.writes == []


async def test_what_was_taken_for_granted_is_read_within_the_hour_and_then_mended() -> None:
    stand = await restarted()
    table = next(iter(stand.aws.tables.values()))
    table["recovery"] = False
    assert await stand.once() is Outcome.SETTLED
    assert not table["recovery"]
    stand.now += TRUST_AGE * 600
    await stand.once()
    assert table["recovery"]


async def test_a_new_spec_takes_nothing_for_granted() -> None:
    stand = await restarted()
    live = stand.kubernetes.objects[KEY]
    live["spec"]["tables"] = {**live["spec"].get("tables", {}), "pointInTimeRecovery": False}
    live["spec"]["signIn"] = {**live["spec"].get("signIn", {}), "accessTokenMinutes": 17}
    live["metadata"]["generation"] += 1
    stand.cache.note(live)
    for _ in range(5):
        await stand.once()
    assert [table["recovery"] for table in stand.aws.tables.values()] == [False, False]
    assert [client["AccessTokenValidity"] for client in stand.aws.clients.values()] == [17]


@pytest.mark.parametrize(
    "vandal",
    [
        lambda aws: aws.tables.pop("recall.test.default.beta.users"),
        lambda aws: next(iter(aws.roles.values()))["policies"].clear(),
        lambda aws: aws.associations.clear(),
        lambda aws: aws.records.pop(("beta.example.org", "A")),
    ],
    ids=["table", "policy", "association", "record"],
)
async def test_what_went_while_the_operator_was_away_is_seen_at_its_first_look(
    vandal: Callable[[FakeAws], Any],
) -> None:
    stand = await restarted()
    vandal(stand.aws)
    await stand.once()
    assert stand.aws.writes


async def test_few_instances_read_the_lists_less_often_and_one_that_wants_to_know_reads_them() -> None:
    stand = await restarted()
    frugal = Inventory(stand.aws, "test", calls=0.07, clock=stand.clock)
    reconciler = Reconciler(platform(), Clients(frugal, stand.cache))
    await reconciler.reconcile("default/beta")
    assert frugal.list_age() == MOST_LIST_AGE * 600
    stand.now += LONGEST_SECONDS  # From now on, nothing that the predecessor wrote can come late.
    await reconciler.reconcile("default/beta")
    assert LISTS & set(stand.asked())
    stand.now += 1200
    await reconciler.reconcile("default/beta")
    assert not LISTS & set(stand.asked())
    live = stand.kubernetes.objects[KEY]
    live["metadata"]["annotations"] = {"recall.kug.la/poll-interval": "5m"}
    stand.cache.note(live)
    await reconciler.reconcile("default/beta")
    assert set(stand.asked()) >= LISTS


async def test_what_is_read_while_a_write_may_be_late_is_read_again_at_the_next_look() -> None:
    """A write that got no answer takes effect after the look that found all in order."""
    stand = await restarted()
    stand.now += LONGEST_SECONDS
    table = next(iter(stand.aws.tables.values()))
    table["recovery"] = False
    live = stand.kubernetes.objects[KEY]
    live["metadata"].setdefault("annotations", {})["recall.kug.la/reconcile-requested-at"] = "now"
    stand.cache.note(live)
    for _ in range(5):
        await stand.once()
    assert table["recovery"]
    table["recovery"] = False
    stand.now += LONGEST_SECONDS
    await stand.once()
    assert table["recovery"]


async def test_what_a_list_leaves_out_of_its_items_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server says kind and version once for a whole list; what is remembered must be as what is read."""
    api = KubernetesApi.__new__(KubernetesApi)

    async def request(*_: Any, **__: Any) -> dict[str, Any]:
        return {"metadata": {}, "items": [{"metadata": {"name": "beta-api"}}]}

    monkeypatch.setattr(api, "_request", request)
    found = [item async for item in api.listed("Deployment", None)]
    assert found == [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "beta-api"}}]


def versioned(version: int, **metadata: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "recall-operator"}
    return {
        "kind": "Service",
        "metadata": {
            "namespace": "default", "name": "beta-api", "resourceVersion": str(version), "labels": labels,
            "managedFields": [{}], **metadata,
        },
    }  # fmt: skip


async def test_the_cache_knows_the_newest_word_and_forgets_what_is_gone() -> None:
    kubernetes, key = FakeKubernetes(), ObjectKey("Service", "default", "beta-api")
    cache = KubernetesCache(kubernetes, fill_seconds=0)
    kubernetes.objects[key] = versioned(5)
    await cache.fill()

    async def known() -> dict[str, Any] | None:
        with asked_by(Asking(remembered=True)):
            return await cache.get(key)

    assert (await known() or {})["metadata"] == {
        name: value for name, value in versioned(5)["metadata"].items() if name != "managedFields"
    }
    assert not cache.note(versioned(4, name="beta-api"))
    assert not cache.note(versioned(5))
    assert cache.note(versioned(9), deleted=True)
    assert await known() is None
    await cache.fill()  # A list that began before the deletion.
    assert await known() is None
    kubernetes.objects[key] = versioned(12)
    await cache.fill()
    assert await known() is not None
    del kubernetes.objects[key]
    assert await known() is not None
    await cache.fill()
    assert await known() is None
    assert await cache.get(key) is None


async def test_whoever_asks_freshly_gets_the_servers_word() -> None:
    stand = await restarted()
    assert await stand.cache.get(KEY) == stand.kubernetes.objects[KEY]
    assert stand.kubernetes.gets == 1


async def test_a_change_does_not_wait_for_the_backgrounds_list() -> None:
    release, flights = asyncio.Event(), 0

    class Slow(FakeAws):
        async def pages(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            nonlocal flights
            flights += 1
            if flights == 1:
                await release.wait()
            return []

    inventory = Inventory(Slow(), "test")

    async def ask(asked: Asking) -> None:
        with asked_by(asked):
            await inventory.find(RECORDS, ["beta.example.org"], HostedZoneId="Z1")

    waiting = asyncio.create_task(ask(Asking("a/b", remembered=True, background=True)))
    while not flights:  # noqa: ASYNC110 - the flight begins on its own
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ask(Asking("a/c"))
    assert not waiting.done()
    release.set()
    await waiting


def test_what_is_packed_comes_back_as_a_copy() -> None:
    answer = {"a": [1, {"b": None}]}
    assert unpack(pack(answer)) == answer
    assert unpack(pack(answer)) is not answer
