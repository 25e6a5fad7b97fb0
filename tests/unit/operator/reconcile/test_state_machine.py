"""An instance's whole life, in any order that hypothesis can think of, held to what the operator promises.

`RECALL_LONG=1` plays at least 10,000 steps, which CI does not.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recall_operator.annotations import ABANDON, DRY_RUN, PAUSED
from recall_operator.aws.client import is_write
from recall_operator.errors import Failure
from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.models.instance import RecallInstance
from recall_operator.reconcile.all_parts import AllParts
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.part import Clients, Subject
from tests.unit.operator.fake_aws import FakeAws
from tests.unit.operator.fakes import Crashed, World
from tests.unit.operator.reconcile.drifts import DRIFTS, drift

LONG = bool(os.environ.get("RECALL_LONG"))
EXAMPLES, STEPS = (400, 40) if LONG else (15, 25)
KEY = ObjectKey(KIND, "default", "beta")
RIVAL = ObjectKey(KIND, "default", "rival")
HOST = "beta.example.org"
PASSES = 30
AT_LEAST = 10_000
OUTPUT = Path("build/properties.json")
TAKEN: Counter[str] = Counter()
OPTIONAL_FIELDS: dict[str, list[dict[str, Any]]] = {
    "api": [{"replicas": 1}, {"replicas": 5}, {"image": "x:2"}],
    "tables": [
        {"deletionProtection": True},
        {"deletionProtection": False},
        {"pointInTimeRecovery": False},
        {"pointInTimeRecovery": False, "deletionProtection": True},
    ],
    "signIn": [
        {"accessTokenMinutes": 15},
        {"callbackUrls": ["https://a.org/x"]},
        {"logoutUrls": ["https://b.org/"]},
        {"branding": {"useCognitoProvidedValues": True}},
        {"branding": {"settings": {"categories": {"form": {"displayGraphics": False}}}}},
    ],
    "models": [
        {"residency": "region"},
        {"residency": "global"},
        {"chat": ["amazon.nova-pro-v1:0"]},
        {"guardrail": {"policy": {"words": ["one", "two"]}}},
        {"guardrail": {"policy": {"managedWordLists": ["PROFANITY"], "words": ["one"]}}},
        {"guardrail": {"id": "gr0", "version": "7"}},
    ],
    "dns": [{"mode": "Route53"}],
    "certificate": [{"mode": "ACM"}, {"mode": "ACM"}, {"mode": "Platform"}],
}
PARTS = ("tables", "signIn", "access", "certificate", "dns", "guardrail")
fields = some.sampled_from([(name, value) for name, values in OPTIONAL_FIELDS.items() for value in values])
policies = some.fixed_dictionaries(
    {}, optional={part: some.sampled_from(["Retain", "Delete"]) for part in PARTS}
)  # fmt: skip
DEFAULT_POLICY = dict.fromkeys(PARTS, "Delete") | {"tables": "Retain"}
DELETES = {
    "delete_table": "tables", "delete_user_pool_client": "signIn", "delete_role": "access",
    "delete_pod_identity_association": "access", "delete_certificate": "certificate",
}  # fmt: skip
NOW = datetime.now(UTC)
WINDOWS = {
    "asleep": (NOW - timedelta(hours=3), NOW + timedelta(hours=3)),
    "awake": (NOW + timedelta(hours=3), NOW + timedelta(hours=6)),
}
"""Windows in which, and outside of which, the test surely runs."""
BACKUP = "arn:aws:dynamodb:eu-west-1:000000000000:table/old/backup/01489602797149-73d8d5bc"
OLD = ["a memory of long ago"]
RESTORED: dict[str, Any] = {"memories": {"restoreFrom": {"backupArn": BACKUP}}}


def scheduled(now: str) -> dict[str, Any]:
    """Return a hibernation by windows that has the instance `asleep` or `awake` now."""
    sleep, wake = (f"0 {moment.hour} * * *" for moment in WINDOWS[now])
    return {"mode": "Scheduled", "windows": [{"sleepAt": sleep, "wakeAt": wake}]}


AWAKE, ASLEEP = {"mode": "Awake"}, {"mode": "Asleep"}


class Life(RuleBasedStateMachine):
    """One instance, its user, other people's hands, and an operator that may crash."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.world.aws.plant_guardrail("gr0", "7")
        self.foreign_guardrail = copy.deepcopy(self.world.aws.guardrails["gr0"])
        self.world.aws.backed_up[BACKUP] = OLD
        self.spec: dict[str, Any] = {}
        self.abandoned: set[str] = set()
        self.checked = 0

    def teardown(self) -> None:
        self.runner.close()

    # --- helpers ------------------------------------------------------------------------------------------------

    @property
    def live(self) -> dict[str, Any] | None:
        return self.world.kubernetes.objects.get(KEY)

    @property
    def deleting(self) -> bool:
        return self.live is not None and "deletionTimestamp" in self.live["metadata"]

    def there(self) -> bool:
        return self.live is not None and not self.deleting

    def held(self) -> bool:
        """Whether the user holds the operator back."""
        return self.live is not None and bool({PAUSED, DRY_RUN} & set(self.live["metadata"].get("annotations", {})))

    def working(self) -> bool:
        return self.there() and not self.held()

    def once(self) -> Outcome:
        return self.runner.run(self.world.once(KEY))

    def settled(self, key: ObjectKey) -> None:
        for _ in range(PASSES):
            if self.runner.run(self.world.once(key)) in (Outcome.SETTLED, Outcome.GONE):
                return
        raise AssertionError(f"not settled after {PASSES} passes: {self.world.kubernetes.objects.get(key)}")

    def converge(self) -> None:
        if self.held():
            self.hold()
            return
        self.settled(KEY)
        self.check_deletions()
        self.world.forget_writes()
        self.checked = 0
        assert self.once() in (Outcome.SETTLED, Outcome.GONE)
        assert self.world.writes == [], "a second pass wrote"
        for table in self.world.aws.tables.values():
            assert table.get("items") == (OLD if "RestoreSummary" in table else None)
        if self.there():
            ready = self.world.kubernetes.condition(KEY)
            assert ready["observedGeneration"] == self.live["metadata"]["generation"]  # type: ignore[index]
            if self.spec.get("adoption") == "Adopt":
                assert ready["status"] == "True", ready
            else:
                assert ready["status"] == "True" or ready["reason"] == "NotOwned", ready
            if ready["status"] == "True":
                asleep = self.spec.get("hibernation", {}) in (ASLEEP, scheduled("asleep"))
                deployment = self.world.kubernetes.objects[ObjectKey("Deployment", "default", "beta-api")]
                assert (deployment["spec"]["replicas"] == 0) == asleep

    def hold(self) -> None:
        """Paused, or only to show its plan: nothing but the status is written, and not even that twice."""
        assert self.live is not None
        planned = not self.deleting and self.is_planned()
        for _ in range(3):  # To look at a table in memory is to let its time pass, and then more can be planned.
            self.world.forget_writes()
            self.once()
            assert self.world.writes in (["apply RecallInstance status"], [])
        assert self.world.writes == [], "the same status was written again"
        self.checked = 0
        annotations = self.live["metadata"]["annotations"]
        assert self.world.kubernetes.condition(KEY)["status"] == "Unknown"
        if PAUSED not in annotations and planned:
            assert self.live["status"]["plan"]["total"] > 0

    def is_planned(self) -> bool:
        """Whether `plan` shows a change that could be applied now."""
        # On a copy: to look at a table in memory is to let its time pass.
        aws = FakeAws.holding(self.world.aws.holdings())
        aws.shown = self.world.aws.shown
        parts = AllParts(Clients(aws, self.world.kubernetes))
        found = self.runner.run(parts.assess(Subject.of(RecallInstance.model_validate(self.live), self.world.platform)))
        return any(
            change.waits_for is None
            for assessment in found.values()
            if not isinstance(assessment, Failure)
            for change in assessment.changes
        )

    # --- the user -----------------------------------------------------------------------------------------------

    @initialize(adopt=some.booleans(), restore=some.booleans())
    def begin(self, adopt: bool, restore: bool) -> None:
        self.create(adopt, restore, {})

    @precondition(lambda self: self.live is None)
    @rule(adopt=some.booleans(), restore=some.booleans(), policy=policies)
    def create(self, adopt: bool, restore: bool, policy: dict[str, str]) -> None:
        self.abandoned = set()
        self.spec = {"hostname": HOST, "deletionPolicy": policy}
        if restore:
            self.spec["tables"] = RESTORED
        if adopt:
            self.spec["adoption"] = "Adopt"
        self.world.kubernetes.put_instance(self.spec)

    @precondition(there)
    @rule(field=fields)
    def change_a_field(self, field: tuple[str, dict[str, Any]]) -> None:
        self.spec = self.spec | {field[0]: field[1] | self.unchangeable(field[0])}
        self.world.kubernetes.put_instance(self.spec)

    @precondition(there)
    @rule(name=some.sampled_from(["beta.example.org", "gamma.example.org"]))
    def change_the_host_name(self, name: str) -> None:
        self.spec = self.spec | {"hostname": name}
        self.world.kubernetes.put_instance(self.spec)

    def unchangeable(self, field: str) -> dict[str, Any]:
        """Return what of a field the API server lets nobody change: where a table came from."""
        return RESTORED if field == "tables" and "memories" in self.spec.get("tables", {}) else {}

    @precondition(lambda self: self.working() and set(self.spec) & set(OPTIONAL_FIELDS))
    @rule(data=some.data())
    def remove_an_optional_field(self, data: some.DataObject) -> None:
        """Absent is not managed: nothing is deleted, and what only the field decided stays as it is."""
        self.converge()
        if not self.there():  # Its life was over while it was held back, so that it went only now.
            return
        name = data.draw(some.sampled_from(sorted(set(self.spec) & set(OPTIONAL_FIELDS))))
        protected = {name: table.get("DeletionProtectionEnabled") for name, table in self.world.aws.tables.items()}
        kept = self.unchangeable(name)
        self.spec = {key: value for key, value in self.spec.items() if key != name} | ({name: kept} if kept else {})
        self.world.kubernetes.put_instance(self.spec)
        self.world.forget_writes()
        for _ in range(PASSES):
            if self.once() is Outcome.SETTLED:
                break
        assert not [write for write in self.world.writes if write.startswith(("delete", "untag"))]
        assert protected == {
            name: table.get("DeletionProtectionEnabled") for name, table in self.world.aws.tables.items()
        }

    @precondition(there)
    @rule(wanted=some.sampled_from([AWAKE, ASLEEP, scheduled("asleep"), scheduled("awake")]))
    def hibernate_or_wake(self, wanted: dict[str, Any]) -> None:
        self.spec = self.spec | {"hibernation": wanted}
        self.world.kubernetes.put_instance(self.spec)

    @precondition(lambda self: self.live is not None)
    @rule(name=some.sampled_from([PAUSED, DRY_RUN]))
    def hold_back(self, name: str) -> None:
        self.live["metadata"].setdefault("annotations", {})[name] = "true"  # type: ignore[index]
        self.hold()

    @precondition(lambda self: self.held())
    @rule()
    def let_go_on(self) -> None:
        for name in (PAUSED, DRY_RUN):
            self.live["metadata"]["annotations"].pop(name, None)  # type: ignore[index]

    @precondition(lambda self: self.deleting)
    @rule(part=some.sampled_from(PARTS))
    def abandon(self, part: str) -> None:
        """Leave a part behind: from now on nothing of it is deleted."""
        self.abandoned.add(part)
        annotations = self.live["metadata"].setdefault("annotations", {})  # type: ignore[index]
        annotations[ABANDON] = ",".join(sorted(self.abandoned))

    @precondition(there)
    @rule(policy=policies)
    def delete(self, policy: dict[str, str]) -> None:
        self.spec = self.spec | {"deletionPolicy": policy}
        self.world.kubernetes.put_instance(self.spec)
        self.world.kubernetes.delete_instance(KEY)

    @precondition(there)
    @rule(policy=policies)
    def expire(self, policy: dict[str, str]) -> None:
        """Give the instance a life that is over: the operator deletes it, unless it is held back."""
        self.spec = self.spec | {"deletionPolicy": policy, "expiresAfter": "1h"}
        self.world.kubernetes.put_instance(self.spec)
        self.live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"  # type: ignore[index]
        if not self.held():
            self.converge()
            assert self.live is None

    @precondition(there)
    @rule()
    def rebuild_the_cluster(self) -> None:
        self.world.kubernetes.objects.clear()
        self.spec = self.spec | {"adoption": "Adopt"}
        self.world.kubernetes.put_instance(self.spec)

    # --- the operator -------------------------------------------------------------------------------------------

    @rule()
    def settle(self) -> None:
        self.converge()

    @precondition(working)
    @rule()
    def one_pass(self) -> None:
        """The plan is empty exactly when applying does nothing (its own status and finalizer aside)."""
        planned = self.is_planned()
        self.check_deletions()
        self.world.forget_writes()
        self.checked = 0
        self.once()
        if self.held() or self.deleting:
            return
        applied = [write for write in self.world.writes if not write.startswith(f"apply {KIND}")]
        assert planned == bool(applied)

    @rule(at=some.integers(0, 30), lost=some.booleans(), writes_only=some.booleans())
    def crash(self, at: int, lost: bool, writes_only: bool) -> None:
        left = at

        def count_down(operation: str) -> None:
            nonlocal left
            if writes_only and operation.split(" ")[0] not in ("apply", "delete") and not is_write(operation):
                return
            left -= 1
            if left == -1:
                raise Crashed

        doors = (self.world.aws, self.world.kubernetes)
        for door in doors:
            setattr(door, "after" if lost else "before", count_down)

        async def life() -> None:
            try:
                for _ in range(4):
                    await self.world.once(KEY)
            except Crashed:
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()

        self.runner.run(life())
        for door in doors:
            door.before = door.after = lambda _: None

    # --- other people -------------------------------------------------------------------------------------------

    @rule(what=some.sampled_from(DRIFTS), data=some.data())
    def drift(self, what: str, data: some.DataObject) -> None:
        drift(self.world, KEY, what, lambda things: data.draw(some.sampled_from(things)))

    @precondition(lambda self: self.live is not None)
    @rule()
    def a_neighbour_wants_the_same_name(self) -> None:
        """Another instance lives and dies beside this one: nothing of this one is any different then."""
        before = self.world.aws.state()
        taken = (f"_recall-owner.{HOST}", "TXT") in self.world.aws.records
        policy = dict.fromkeys(PARTS, "Delete")
        self.world.kubernetes.put_instance({"hostname": HOST, "deletionPolicy": policy, "adoption": "Refuse"}, "rival")
        self.settled(RIVAL)
        if taken:
            assert self.world.kubernetes.condition(RIVAL, "DNSReady")["reason"] == "NotOwned"
        self.world.kubernetes.delete_instance(RIVAL)
        self.settled(RIVAL)
        assert RIVAL not in self.world.kubernetes.objects
        assert self.world.aws.state() == before
        self.checked = len(self.world.aws.calls)

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def check_deletions(self) -> None:
        """Nothing is deleted but what a deleted instance's policy says, and replaced clients and certificates."""
        policy = DEFAULT_POLICY | self.spec.get("deletionPolicy", {})
        was_deleted = self.live is None or self.deleting
        for _, operation in self.world.aws.calls[self.checked :]:
            part = DELETES.get(operation)
            if part and not (part in ("signIn", "certificate") and not was_deleted):
                assert was_deleted, f"{operation} of a living instance"
                assert policy[part] == "Delete", f"{operation} in spite of Retain"
                assert part not in self.abandoned, f"{operation} of an abandoned part"
        self.checked = len(self.world.aws.calls)
        if self.world.aws.deleted_guardrails:
            assert was_deleted, "the guardrail of a living instance was deleted"
            assert policy["guardrail"] == "Delete", "a guardrail was deleted in spite of Retain"
            self.world.aws.deleted_guardrails.clear()

    @invariant()
    def check_foreign_guardrail(self) -> None:
        """A guardrail that the spec names by id is never changed."""
        assert self.world.aws.guardrails["gr0"] == self.foreign_guardrail

    @invariant()
    def check_guarded(self) -> None:
        """Pods never use a draft, nor a version of ours that was not made for them."""
        config = self.world.kubernetes.objects.get(ObjectKey("ConfigMap", "default", "beta-api"))
        version = (config or {"data": {}})["data"].get("RECALL_GUARDRAIL_VERSION", "")
        assert version == "" or version.isdigit()

    @invariant()
    def count(self) -> None:
        """After each step, and once at the beginning."""
        TAKEN.update(["steps"])


Life.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=set(Phase) - {Phase.shrink, Phase.explain},  # shrinking whole lives takes minutes
)


class TestLife(Life.TestCase):
    """Plays the lives, and tells how many steps that were."""

    @classmethod
    def tearDownClass(cls) -> None:
        steps = TAKEN["steps"]
        if LONG:
            OUTPUT.parent.mkdir(exist_ok=True)
            OUTPUT.write_text(json.dumps({"lives": EXAMPLES, "steps": steps}) + "\n")
            assert steps >= AT_LEAST, f"only {steps} steps"
