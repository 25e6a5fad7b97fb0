"""A cluster and an account in memory, things in them that are nobody's business, and the operator's processes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from recall_operator.annotations import HAND_OVER_DNS
from recall_operator.backups.controller import BackupReconciler
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.requests.late_writes import LONGEST_SECONDS
from recall_operator.resources.part import Clients
from tests.faults.faults import Nothing, Stale
from tests.faults.process import Process, Sites
from tests.unit.operator.fake_aws import FakeAws, copied
from tests.unit.operator.fakes import FakeKubernetes, platform

if TYPE_CHECKING:
    from recall_operator.aws.client import AwsCaller
    from recall_operator.platform import Platform
    from tests.faults.doors import Site
    from tests.faults.faults import Fault

PATIENCE_SECONDS = 1800.0
"""Virtual time within which everything must be well again: two resyncs and the longest backoff."""
KEY = ObjectKey(KIND, "default", "beta")
HEIR = ObjectKey(KIND, "default", "heir")
BACKUP = ObjectKey(BACKUP_KIND, "default", "before")
_HELD = (KEY, HEIR, BACKUP)
"""What the user applies; not all of it in every flow."""
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_THEIR_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}],
}
OLD_TABLE = "recall.test.default.beta.memories.old"
OLD_MEMORY = "a memory of long ago"
_OTHER_OWNER = {
    "recall.kug.la/cluster": "test",
    "recall.kug.la/namespace": "default",
    "recall.kug.la/name": "beta2",
    "recall.kug.la/uid": "uid-of-another",
}


def plant_foreign(aws: FakeAws, kubernetes: FakeKubernetes) -> None:
    """Put things beside the instance's whose names are close to its own."""
    for name, tags in {
        "recall.test.default.beta": {},
        OLD_TABLE: {},
        "recall.test.default.beta2.memories": _OTHER_OWNER,
    }.items():
        arn = f"arn:aws:dynamodb:eu-west-1:000000000000:table/{name}"
        aws.tables[name] = {"TableStatus": "ACTIVE", "TableArn": arn, "tags": dict(tags), "recovery": False}
    aws.tables[OLD_TABLE]["items"] = [OLD_MEMORY]
    for client, name in (("foreign1", "recall.test.default.beta"), ("foreign2", "recall.test.default.beta2@uid-1")):
        aws.clients[client] = {"ClientName": name, "CallbackURLs": ["https://foreign.example/"]}
    for name in ("recall.test.default.beta2", "recall.test.default.beta.old"):
        aws.roles[name] = {
            "Arn": f"arn:aws:iam::000000000000:role/{name}",
            "Tags": [],
            "policies": {"recall-api": _THEIR_POLICY},
        }
    aws.plant_backup("recall.test.default.beta.memories", "by-hand")
    aws.plant_backup("recall.test.default.beta.memories", "recall.test.default.before.uid-of-another")
    aws.plant_guardrail("foreign1", "1", name="recall_test_default_beta")
    aws.plant_guardrail("foreign2", "1", name="recall_test_default_beta2_0123456789abcdef", **_OTHER_OWNER)
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
    """The outside world of one schedule: Kubernetes in memory, and an AWS that a subclass may replace."""

    patience_seconds = PATIENCE_SECONDS
    late_seconds = LONGEST_SECONDS
    """After how long the operator may be sure that no write is on its way any more."""
    restart_seconds = 1.0
    beginning_seconds = 1.0
    """Time in which every flow has begun, so that a first moment in which all is well is not taken for its end."""
    backup = "arn:aws:dynamodb:eu-west-1:000000000000:table/" + OLD_TABLE + "/backup/01489602797149-73d8d5bc"
    """ARN of a backup of the table that was planted."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
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
        planned = FakeAws()
        plant_foreign(planned, self.kubernetes)
        self.aws, self.platform = self.open_account(planned)
        self._foreign = self.holdings()
        self._foreign_objects = copied(self.kubernetes.objects)
        self.kubernetes.after = self._changed

    # --- AWS ----------------------------------------------------------------------------------------------------

    def open_account(self, planned: FakeAws) -> tuple[Any, Platform]:
        """Return an AWS that holds what is planned, and what is told of it."""
        planned.backed_up[self.backup] = [OLD_MEMORY]
        planned.shown, planned.clock = self.kubernetes.shown_certificates, self.now
        return planned, platform()

    def holdings(self) -> dict[str, Any]:
        """Return all that there is on AWS, a dictionary for each kind."""
        found: dict[str, Any] = self.aws.holdings()
        return found

    def let_aws_finish(self) -> None:
        """Let AWS end what a late write began: it needs nobody to look."""
        self.aws.finish_guardrails()
        self.aws.finish_backups()

    def now(self) -> datetime:
        """Return the time, as it is in this world."""
        return _BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())

    def put_memory(self, table: str, memory: str) -> None:
        """Put a memory into a table."""
        self.aws.tables[table]["items"] = [memory]

    async def is_quiet(self) -> bool:
        """Whether a pass of a fresh operator would write nothing (it is made on a copy of the world)."""
        aws = FakeAws.holding(self.holdings())
        aws.shown = self.kubernetes.shown_certificates
        return await self._writes_nothing(aws) and not aws.writes

    async def _writes_nothing(self, aws: AwsCaller) -> bool:
        kubernetes = FakeKubernetes()
        kubernetes.objects = copied(self.kubernetes.objects)
        clients = Clients(aws, kubernetes)
        instances = Reconciler(self.platform, clients)
        backups = BackupReconciler(self.platform, clients, clock=self.now)
        outcomes = [
            await (backups if key is BACKUP else instances).reconcile(f"{key.namespace}/{key.name}")
            for key in _HELD
            if key is KEY or key in kubernetes.objects
        ]
        return set(outcomes) <= {Outcome.SETTLED, Outcome.GONE} and not kubernetes.writes

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
        """Keep what AWS is like before a write, if the fault will ask for it."""
        if isinstance(self.fault, Stale):
            self._past.append(self.holdings())

    def past_aws(self) -> FakeAws:
        """Return AWS as it was `lag` writes ago, or at the beginning."""
        return FakeAws.holding(self._past[max(0, len(self._past) - self.lag)])

    # --- watches ------------------------------------------------------------------------------------------------

    def put(self, spec: dict[str, Any]) -> None:
        """Apply the manifest."""
        self.kubernetes.put_instance(spec)
        self._deliver(KEY)

    def delete(self) -> None:
        """Delete the instance."""
        self.kubernetes.delete_instance(KEY)
        self._deliver(KEY)

    def back_up(self) -> None:
        """Apply a RecallBackup whose backups are deleted with it."""
        self.kubernetes.put_backup(BACKUP.name, deletionPolicy="Delete")
        self._deliver(BACKUP)

    def delete_backup(self) -> None:
        """Delete the RecallBackup."""
        self.kubernetes.delete_instance(BACKUP)
        self._deliver(BACKUP)

    def hand_over(self, spec: dict[str, Any]) -> None:
        """Apply another instance with the same host name, and let the first hand its names over to it."""
        self.kubernetes.put_instance(spec, HEIR.name)
        place = f"{self.platform.cluster.name}/{HEIR.namespace}/{HEIR.name}"
        self.kubernetes.objects[KEY]["metadata"]["annotations"] = {HAND_OVER_DNS: place}
        self._deliver(HEIR)
        self._deliver(KEY)

    def ask(self) -> None:
        """Ask for a look at the instance, as `kubectl recall reconcile` does."""
        self.kubernetes.objects[KEY]["metadata"]["annotations"][RECONCILE_REQUESTED_ANNOTATION] = "now"
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
        held = [key for key in _HELD if key.kind == kind]
        for key in held or [ObjectKey(kind, key.namespace, f"{key.name}-api") for key in (KEY, HEIR)]:
            self._deliver(key)

    def _deliver(self, key: ObjectKey) -> None:
        live = self.kubernetes.objects.get(key)
        if live is None:
            return
        self.events += 1
        if self.events in self.drops or asyncio.get_running_loop().time() < self.silent_until:
            return
        for process in self._process:
            process.deliver({"type": "MODIFIED", "object": copied(live)})

    # --- what must hold -----------------------------------------------------------------------------------------

    def well(self) -> bool:
        """Whether all that the user applied is as its manifest says, or gone as it should."""
        return all(self._well(self.kubernetes.objects[key]) for key in _HELD if key in self.kubernetes.objects)

    @staticmethod
    def _well(live: dict[str, Any]) -> bool:
        status = live.get("status", {})
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        names = conditions.get("DNSReady", {}).get("reason")
        return (
            names != "WaitingForHeir"  # Ready, but on its way.
            and "deletionTimestamp" not in live["metadata"]
            and status.get("observedGeneration") == live["metadata"]["generation"]
            and conditions.get("Ready", {}).get("status") == "True"
            and all(item["observedGeneration"] == live["metadata"]["generation"] for item in conditions.values())
        )

    async def converge(self, at_least: float = 0.0) -> float:
        """Wait until all is well and stays so; return the virtual seconds that it took.

        Args:
            at_least: look no earlier than after this many seconds, for faults that last.

        Raises:
            AssertionError: it is not well within `patience_seconds`.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(at_least)
        while loop.time() - start < self.patience_seconds:
            self.kubernetes.collect_garbage()
            if self.well() and not self._helpers:
                self.let_aws_finish()
                if await self.is_quiet():
                    return loop.time() - start
            # Less and less often: what takes a resync need not be known to the second.
            await asyncio.sleep(max(self.restart_seconds, 0.02 * (loop.time() - start)))
        raise AssertionError(f"not well after {self.patience_seconds:.0f} s: {self._told()}")

    def _told(self) -> list[Any]:
        return [self.kubernetes.objects.get(key) for key in _HELD]

    def own(self) -> dict[str, Any]:
        """Return all that is not foreign, without what differs from run to run (ids, times)."""
        mine = {
            name: {key: value for key, value in found.items() if key not in self._foreign[name]}
            for name, found in self.holdings().items()
        }
        contents = mine.pop("backed_up", {})
        objects = [key for key in self.kubernetes.objects if key not in self._foreign_objects]
        numbered = {
            "clients": [_without(item, "CreationDate") for item in mine.pop("clients").values()],
            "certificates": [
                _without(item, "CertificateArn", "CreatedAt", "IssuedAt")
                for item in mine.pop("certificates", {}).values()
            ],
            "backups": [
                (arn.split("/")[1], item["BackupName"], item["BackupStatus"], contents[arn])
                for arn, item in mine.pop("backups", {}).items()
            ],
            "associations": [
                _without(item, "associationId", "associationArn") for item in mine.pop("associations").values()
            ],
            "guardrails": [_without(item, "id", "arn", "next") for item in mine.pop("guardrails").values()],
        }
        return {
            **mine,
            **{name: sorted(map(repr, items)) for name, items in numbered.items()},
            "objects": sorted(map(str, objects)),
        }

    def foreign_is_untouched(self) -> bool:
        """Whether everything that was planted is as it was."""
        for name, live in self.holdings().items():
            before = self._foreign[name]
            if {key: live.get(key) for key in before} != before:
                return False
        return {key: self.kubernetes.objects.get(key) for key in self._foreign_objects} == self._foreign_objects


def _without(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in keys}
