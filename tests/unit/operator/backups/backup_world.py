"""A world with an operator that makes backups, for the tests of RecallBackups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from recall_operator.backups.controller import BackupReconciler
from recall_operator.models.instance import RecallInstance
from recall_operator.reconcile.rhythm import Outcome, Rhythm
from recall_operator.resources.part import Subject, apply
from recall_operator.resources.plan import PartState
from recall_operator.resources.tables import Tables
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey

MEMORIES = "recall.test.default.beta.memories"
USERS = "recall.test.default.beta.users"


class Clock:
    """The time of operator and AWS, which goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class BackupWorld(World):
    """A world with an operator that makes backups, and remembers nothing from pass to pass."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.aws.clock = self.clock
        self.rhythms: list[Rhythm] = []

    async def with_instance(self) -> ObjectKey:
        """Let there be an instance with its tables; nothing else of it matters here."""
        key = self.kubernetes.put_instance({"hostname": "beta.example.org"})
        instance = RecallInstance.model_validate(self.kubernetes.objects[key])
        subject = Subject.of(instance, self.platform)
        for _ in range(4):
            planned = Tables().plan(subject, await Tables().observe(subject, self.clients), {})
            for change in planned.changes:
                await apply(change, self.clients)
        assert planned.state is PartState.READY
        self.forget_writes()
        return key

    async def back_up(self, key: ObjectKey) -> Outcome:
        reconciler = BackupReconciler(self.platform, self.clients, clock=self.clock)
        return await reconciler.reconcile(f"{key.namespace}/{key.name}", lambda _, rhythm: self.rhythms.append(rhythm))

    async def finish(self, key: ObjectKey, passes: int = 25) -> Outcome:
        """Make passes, ten seconds apart, until nothing is left to do."""
        for _ in range(passes):
            outcome = await self.back_up(key)
            if outcome in (Outcome.SETTLED, Outcome.GONE):
                return outcome
            self.clock.wait(10)
        raise AssertionError(f"not finished: {self.kubernetes.objects.get(key)}")

    def status(self, key: ObjectKey) -> dict[str, Any]:
        found: dict[str, Any] = self.kubernetes.objects[key]["status"]
        return found

    def ready(self, key: ObjectKey) -> tuple[str, str]:
        condition = self.kubernetes.condition(key)
        return condition["status"], condition["reason"]

    def tables_backed_up(self) -> list[str]:
        return sorted(arn.split("/")[1] for arn in self.aws.backups)
