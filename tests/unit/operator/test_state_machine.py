"""An instance's whole life, in any order that hypothesis can think of, held to what the operator promises.

`RECALL_LONG=1` plays at least 10,000 steps, which CI does not.
"""

from __future__ import annotations

import asyncio
import copy
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recall_operator.aws import is_write
from recall_operator.errors import Failure
from recall_operator.kubernetes_api import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import UID_TAG
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients
from tests.unit.operator.fakes import Crashed, FakeAws, World

LONG = bool(os.environ.get("RECALL_LONG"))
EXAMPLES, STEPS = (400, 40) if LONG else (15, 25)
KEY = ObjectKey(KIND, "default", "beta")
PASSES = 30
STATE = ("tables", "clients", "roles", "associations", "records")
OPTIONAL_FIELDS: dict[str, list[dict[str, Any]]] = {
    "api": [{"replicas": 1}, {"replicas": 5}, {"image": "x:2"}],
    "tables": [
        {"deletionProtection": True},
        {"deletionProtection": False},
        {"pointInTimeRecovery": False},
        {"pointInTimeRecovery": False, "deletionProtection": True},
    ],
    "signIn": [{"accessTokenMinutes": 15}, {"callbackUrls": ["https://a.org/x"]}, {"logoutUrls": ["https://b.org/"]}],
    "models": [{"residency": "region"}, {"residency": "global"}, {"chat": ["amazon.nova-pro-v1:0"]}],
    "dns": [{"mode": "Route53"}],
}
PARTS = ("tables", "signIn", "access", "dns")
fields = some.sampled_from([(name, value) for name, values in OPTIONAL_FIELDS.items() for value in values])
policies = some.fixed_dictionaries(
    {}, optional={part: some.sampled_from(["Retain", "Delete"]) for part in PARTS}
)  # fmt: skip
DEFAULT_POLICY = {"tables": "Retain", "signIn": "Delete", "access": "Delete", "dns": "Delete"}
DELETES = {
    "delete_table": "tables", "delete_user_pool_client": "signIn", "delete_role": "access",
    "delete_pod_identity_association": "access",
}  # fmt: skip
DRIFTS = (
    "lose a table", "untag a table", "switch recovery off", "lose expiry", "lose the client", "edit the client",
    "double the client", "lose the role", "empty the role", "lose the association", "point elsewhere", "lose a record",
    "lose an owner record", "lose an object", "edit an object", "lose the status", "lose the finalizer",
)  # fmt: skip


class Life(RuleBasedStateMachine):
    """One instance, its user, other people's hands, and an operator that may crash."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.spec: dict[str, Any] = {}
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

    def once(self) -> Outcome:
        return self.runner.run(self.world.once(KEY))

    def converge(self) -> None:
        for _ in range(PASSES):
            if self.once() in (Outcome.SETTLED, Outcome.GONE):
                break
        else:
            raise AssertionError(f"not settled after {PASSES} passes: {self.live}")
        self.check_deletions()
        self.world.forget_writes()
        self.checked = 0
        assert self.once() in (Outcome.SETTLED, Outcome.GONE)
        assert self.world.writes == [], "a second pass wrote"
        if self.there():
            ready = self.world.kubernetes.condition(KEY)
            assert ready["observedGeneration"] == self.live["metadata"]["generation"]  # type: ignore[index]
            if self.spec.get("adoption") == "Adopt":
                assert ready["status"] == "True", ready
            else:
                assert ready["status"] == "True" or ready["reason"] == "NotOwned", ready

    def is_planned(self) -> bool:
        """Whether `plan` shows a change that could be applied now."""
        aws = FakeAws()
        vars(aws).update(copy.deepcopy({name: getattr(self.world.aws, name) for name in STATE}))
        # On a copy: to look at a table in memory is to let its time pass.
        reconciler = Reconciler(self.world.platform, Clients(aws, self.world.kubernetes))
        subject = reconciler.subject(RecallInstance.model_validate(self.live))
        found = self.runner.run(reconciler.assess(subject))
        return any(
            change.waits_for is None
            for assessment in found.values()
            if not isinstance(assessment, Failure)
            for change in assessment.changes
        )

    # --- the user -----------------------------------------------------------------------------------------------

    @initialize(adopt=some.booleans())
    def begin(self, adopt: bool) -> None:
        self.create(adopt, {})

    @precondition(lambda self: self.live is None)
    @rule(adopt=some.booleans(), policy=policies)
    def create(self, adopt: bool, policy: dict[str, str]) -> None:
        self.spec = {"hostname": "beta.example.org", "deletionPolicy": policy}
        if adopt:
            self.spec["adoption"] = "Adopt"
        self.world.kubernetes.put_instance(self.spec)

    @precondition(there)
    @rule(field=fields)
    def change_a_field(self, field: tuple[str, dict[str, Any]]) -> None:
        self.spec = self.spec | {field[0]: field[1]}
        self.world.kubernetes.put_instance(self.spec)

    @precondition(there)
    @rule(name=some.sampled_from(["beta.example.org", "gamma.example.org"]))
    def change_the_host_name(self, name: str) -> None:
        self.spec = self.spec | {"hostname": name}
        self.world.kubernetes.put_instance(self.spec)

    @precondition(lambda self: self.there() and set(self.spec) & set(OPTIONAL_FIELDS))
    @rule(data=some.data())
    def remove_an_optional_field(self, data: some.DataObject) -> None:
        """Absent is not managed: nothing is deleted, and what only the field decided stays as it is."""
        self.converge()
        name = data.draw(some.sampled_from(sorted(set(self.spec) & set(OPTIONAL_FIELDS))))
        protected = {name: table.get("DeletionProtectionEnabled") for name, table in self.world.aws.tables.items()}
        self.spec = {key: value for key, value in self.spec.items() if key != name}
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
    @rule(mode=some.sampled_from(["Awake", "Asleep"]))
    def hibernate_or_wake(self, mode: str) -> None:
        self.spec = self.spec | {"hibernation": {"mode": mode}}
        self.world.kubernetes.put_instance(self.spec)

    @precondition(there)
    @rule(policy=policies)
    def delete(self, policy: dict[str, str]) -> None:
        self.spec = self.spec | {"deletionPolicy": policy}
        self.world.kubernetes.put_instance(self.spec)
        self.world.kubernetes.delete_instance(KEY)

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

    @precondition(there)
    @rule()
    def one_pass(self) -> None:
        """The plan is empty exactly when applying does nothing (its own status and finalizer aside)."""
        planned = self.is_planned()
        self.check_deletions()
        self.world.forget_writes()
        self.checked = 0
        self.once()
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
        aws, objects = self.world.aws, self.world.kubernetes.objects

        def any_of(things: Any) -> Any:
            return data.draw(some.sampled_from(sorted(things, key=str))) if things else None

        table, client, role = any_of(aws.tables), any_of(aws.clients), any_of(aws.roles)
        address = any_of([key for key in aws.records if key[1] == "A"])
        mark = any_of([key for key in aws.records if key[1] == "TXT"])
        child = any_of([key for key in objects if key.kind != KIND])
        match what:
            case "lose a table" if table:
                del aws.tables[table]
            case "untag a table" if table:
                aws.tables[table]["tags"].pop(UID_TAG, None)
            case "switch recovery off" if table and aws.tables[table]["TableStatus"] == "ACTIVE":
                aws.tables[table]["recovery"] = False
            case "lose expiry" if table:
                aws.tables[table]["expiry"] = None
            case "lose the client" if client:
                del aws.clients[client]
            case "edit the client" if client:
                aws.clients[client]["CallbackURLs"] = ["https://evil.example"]
            case "double the client" if client:
                double = copy.deepcopy(aws.clients[client])
                aws.clients["double"] = double | {"CreationDate": double["CreationDate"].replace(year=2030)}
            case "lose the role" if role:
                del aws.roles[role]
            case "empty the role" if role:
                aws.roles[role]["policies"].clear()
            case "lose the association":
                aws.associations.clear()
            case "point elsewhere" if address:
                aws.records[address].get("AliasTarget", {})["DNSName"] = "evil.example."
            case "lose a record" if address:
                del aws.records[address]
            case "lose an owner record" if mark:
                del aws.records[mark]
            case "lose an object" if child:
                del objects[child]
            case "edit an object" if child:
                objects[child]["metadata"]["labels"] = {}
            case "lose the status" if self.live:
                self.live.pop("status", None)
            case "lose the finalizer" if self.there():
                self.live["metadata"]["finalizers"] = []  # type: ignore[index]

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def check_deletions(self) -> None:
        """Nothing is deleted but what a deleted instance's policy says, and doubles of a client."""
        policy = DEFAULT_POLICY | self.spec.get("deletionPolicy", {})
        was_deleted = self.live is None or self.deleting
        for _, operation in self.world.aws.calls[self.checked :]:
            part = DELETES.get(operation)
            if part and not (part == "signIn" and not was_deleted):
                assert was_deleted, f"{operation} of a living instance"
                assert policy[part] == "Delete", f"{operation} in spite of Retain"
        self.checked = len(self.world.aws.calls)


Life.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=set(Phase) - {Phase.shrink, Phase.explain},  # shrinking whole lives takes minutes
)
TestLife = Life.TestCase
