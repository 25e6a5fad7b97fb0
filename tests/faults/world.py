"""A cluster and an account in memory, things in them that are nobody's business, and the operator's processes."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

from recall_operator.kubernetes_api import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients
from tests.faults.faults import Nothing
from tests.faults.process import Process, Sites
from tests.unit.operator.fakes import FakeAws, FakeKubernetes, platform

if TYPE_CHECKING:
    from tests.faults.doors import Site
    from tests.faults.faults import Fault

PATIENCE_SECONDS = 1800.0
"""Virtual time within which everything must be well again: two resyncs and the longest backoff."""
KEY = ObjectKey(KIND, "default", "beta")
_OTHER_OWNER = {
    "recall.kug.la/cluster": "test",
    "recall.kug.la/namespace": "default",
    "recall.kug.la/name": "beta2",
    "recall.kug.la/uid": "uid-of-another",
}
_STATE = ("tables", "clients", "roles", "associations", "records")


def plant_foreign(aws: FakeAws, kubernetes: FakeKubernetes) -> None:
    """Put things beside the instance's whose names are close to its own."""
    for name, tags in {
        "recall.test.default.beta": {},
        "recall.test.default.beta.memories.old": {},
        "recall.test.default.beta2.memories": _OTHER_OWNER,
    }.items():
        arn = f"arn:aws:dynamodb:eu-west-1:000000000000:table/{name}"
        aws.tables[name] = {"TableStatus": "ACTIVE", "TableArn": arn, "tags": dict(tags), "recovery": False}
    for client, name in (("foreign1", "recall.test.default.beta"), ("foreign2", "recall.test.default.beta2@uid-1")):
        aws.clients[client] = {"ClientName": name, "CallbackURLs": ["https://foreign.example/"]}
    for name in ("recall.test.default.beta2", "recall.test.default.beta.old"):
        aws.roles[name] = {"Arn": f"arn:aws:iam::000000000000:role/{name}", "Tags": [], "policies": {"recall-api": {}}}
    aws.associations["foreign"] = {
        "associationId": "foreign", "clusterName": "test", "namespace": "default", "serviceAccount": "beta2-api",
    }  # fmt: skip
    owner = '"heritage=recall,cluster=test,namespace=default" "name=beta2,uid=uid-of-another"'
    for record in (
        {"Name": "beta2.example.org.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]},
        {"Name": "_recall-owner.beta2.example.org.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": owner}]},
        {"Name": "www.beta.example.org.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.example"}]},
        {"Name": "beta.example.org.", "Type": "MX", "TTL": 60, "ResourceRecords": [{"Value": "10 mx.example"}]},
    ):
        aws.records[str(record["Name"]).rstrip("."), str(record["Type"])] = record
    for kind in ("ConfigMap", "Deployment"):
        metadata = {"namespace": "default", "name": "beta2-api", "uid": f"uid-foreign-{kind}", "generation": 1}
        kubernetes.objects[ObjectKey(kind, "default", "beta2-api")] = {"kind": kind, "metadata": metadata}


class FaultWorld:
    """The outside world of one schedule."""

    def __init__(self) -> None:
        self.aws, self.kubernetes = FakeAws(), FakeKubernetes()
        self.platform = platform()
        self.fault: Fault = Nothing()
        self.sites = Sites()
        self.lag = 1
        self.silent_until = 0.0
        self.drops: set[int] = set()
        """Which watch events, counted from `begin`, are never delivered."""
        self.events = 0
        self._process: list[Process] = []
        self._helpers: set[asyncio.Task[Any]] = set()
        self._past: list[Any] = []
        plant_foreign(self.aws, self.kubernetes)
        self._foreign = copy.deepcopy([getattr(self.aws, name) for name in _STATE])
        self._foreign_objects = copy.deepcopy(self.kubernetes.objects)
        self.kubernetes.after = self._changed

    # --- the operator -------------------------------------------------------------------------------------------

    def start(self, processes: int = 1) -> None:
        """Start operators; more than one is what an expired lease can lead to."""
        self._process += [Process(self) for _ in range(processes)]

    def succeed(self, ended: Process, delay: float) -> None:
        """Start the successor of a process that ended."""

        async def later() -> None:
            self._process.remove(ended)
            await ended.stop()
            await asyncio.sleep(delay)
            self.start()

        self.keep(asyncio.create_task(later()))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task until it ends."""
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def stop(self) -> None:
        """End all processes; helpers run to their end."""
        while self._helpers:
            await asyncio.gather(*self._helpers)
        for process in self._process:
            await process.stop()
        self._process.clear()

    def site(self, door: str, operation: str, write: bool) -> Site:
        """Return the place of a call that is made now."""
        return self.sites.next(door, operation, write)

    def begin(self, fault: Fault) -> None:
        """Count calls and events from here, and let the fault happen."""
        self.fault, self.sites, self.events = fault, Sites(), 0
        self._past = []
        self.remember()

    # --- the past -----------------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Keep what AWS is like before a write."""
        self._past.append(copy.deepcopy({name: getattr(self.aws, name) for name in _STATE}))

    def past_aws(self) -> FakeAws:
        """Return AWS as it was `lag` writes ago, or at the beginning."""
        old = FakeAws()
        vars(old).update(copy.deepcopy(self._past[max(0, len(self._past) - self.lag)]))
        return old

    # --- watches ------------------------------------------------------------------------------------------------

    def put(self, spec: dict[str, Any]) -> None:
        """Apply the manifest."""
        self.kubernetes.put_instance(spec)
        self._deliver(KEY)

    def delete(self) -> None:
        """Delete the instance."""
        self.kubernetes.delete_instance(KEY)
        self._deliver(KEY)

    def break_watches(self, seconds: float) -> None:
        """Deliver no event for a while; then what a new watch begins with: everything as it is now."""
        loop = asyncio.get_running_loop()
        self.silent_until = loop.time() + seconds
        loop.call_later(seconds + 0.1, self._deliver_all)

    def _deliver_all(self) -> None:
        for key in list(self.kubernetes.objects):
            self._deliver(key)

    def _changed(self, what: str) -> None:
        verb, kind = what.split(" ")[:2]
        if verb == "delete":
            return  # an own object that goes is followed by others; the next pass sees it
        name = KEY.name if kind == KIND else f"{KEY.name}-api"
        self._deliver(ObjectKey(kind, KEY.namespace, name))

    def _deliver(self, key: ObjectKey) -> None:
        live = self.kubernetes.objects.get(key)
        if live is None:
            return
        self.events += 1
        if self.events in self.drops or asyncio.get_running_loop().time() < self.silent_until:
            return
        for process in self._process:
            process.deliver({"type": "MODIFIED", "object": copy.deepcopy(live)})

    # --- what must hold -----------------------------------------------------------------------------------------

    def well(self) -> bool:
        """Whether the instance is as its manifest says, or gone as it should."""
        live = self.kubernetes.objects.get(KEY)
        if live is None:
            return True
        status = live.get("status", {})
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        return (
            "deletionTimestamp" not in live["metadata"]
            and status.get("observedGeneration") == live["metadata"]["generation"]
            and conditions.get("Ready", {}).get("status") == "True"
            and all(item["observedGeneration"] == live["metadata"]["generation"] for item in conditions.values())
        )

    async def converge(self, at_least: float = 0.0) -> float:
        """Wait until all is well and stays so; return the virtual seconds that it took.

        Args:
            at_least: look no earlier than after this many seconds, for faults that last.

        Raises:
            AssertionError: it is not well within `PATIENCE_SECONDS`.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(at_least)
        while loop.time() - start < PATIENCE_SECONDS:
            if self.well() and not self._helpers and await self.is_quiet():
                return loop.time() - start
            await asyncio.sleep(1.0)
        raise AssertionError(f"not well after {PATIENCE_SECONDS:.0f} s: {self.kubernetes.objects.get(KEY)}")

    async def is_quiet(self) -> bool:
        """Whether a pass of a fresh operator would write nothing (it is made on a copy of the world)."""
        aws, kubernetes = FakeAws(), FakeKubernetes()
        vars(aws).update(copy.deepcopy({name: getattr(self.aws, name) for name in _STATE}))
        kubernetes.objects = copy.deepcopy(self.kubernetes.objects)
        reconciler = Reconciler(self.platform, Clients(aws, kubernetes))
        outcome = await reconciler.reconcile(f"{KEY.namespace}/{KEY.name}")
        return outcome in (Outcome.SETTLED, Outcome.GONE) and not aws.writes and not kubernetes.writes

    def own(self) -> dict[str, Any]:
        """Return all that is not foreign, without what differs from run to run (ids, times)."""
        mine = {
            name: {key: value for key, value in getattr(self.aws, name).items() if key not in foreign}
            for name, foreign in zip(_STATE, self._foreign, strict=True)
        }
        objects = [key for key in self.kubernetes.objects if key not in self._foreign_objects]
        return {
            "tables": mine["tables"],
            "clients": sorted(repr(_without(item, "CreationDate")) for item in mine["clients"].values()),
            "roles": mine["roles"],
            "associations": [
                _without(item, "associationId", "associationArn") for item in mine["associations"].values()
            ],
            "records": mine["records"],
            "objects": sorted(map(str, objects)),
        }

    def foreign_is_untouched(self) -> bool:
        """Whether everything that was planted is as it was."""
        for name, before in zip(_STATE, self._foreign, strict=True):
            live = getattr(self.aws, name)
            if {key: live.get(key) for key in before} != before:
                return False
        return {key: self.kubernetes.objects.get(key) for key in self._foreign_objects} == self._foreign_objects


def _without(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in keys}
