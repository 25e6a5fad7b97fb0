"""Whatever happens in whatever order: one backup of each table in the end, and none of what is deleted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as some

from recall_operator.backups.plan import CERTAIN_SECONDS
from recall_operator.errors import ApiServerError
from recall_operator.reconcile.rhythm import Outcome
from tests.unit.operator.backups.backup_world import MEMORIES, USERS, BackupWorld
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fakes import Crashed

if TYPE_CHECKING:
    from datetime import datetime

LAG_SECONDS = CERTAIN_SECONDS - 10
FAULTS = {
    "crash": Crashed,
    "silence": lambda: ReadTimeoutError(endpoint_url="https://dynamodb"),
    "throttled": lambda: refused("ThrottlingException"),
    "denied": lambda: refused("AccessDeniedException"),
}

faults = some.tuples(some.sampled_from(sorted(FAULTS)), some.sampled_from(["before", "after"]), some.integers(0, 14))
steps = some.lists(some.one_of(some.just("pass"), some.sampled_from([1, 20, 45, 90]), faults), max_size=8)


class Story(BackupWorld):
    """A world in which steps are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._appears: dict[str, datetime] = {}
        self.lags = False

    async def take(self, step: Any, key: Any) -> None:
        """Take one step: wait for so many seconds, or make a pass, perhaps with a fault."""
        before = set(self.aws.backups)
        if isinstance(step, int):
            self.clock.wait(step)
        else:
            if step != "pass":
                self._arm(*step)
            with contextlib.suppress(Crashed, ApiServerError):
                await self.back_up(key)
            self._disarm()
        if self.lags:
            self._appears |= dict.fromkeys(set(self.aws.backups) - before, self.clock.now)
        self.aws.unlisted = {
            arn for arn, made in self._appears.items() if (self.clock.now - made).total_seconds() < LAG_SECONDS
        }

    def _arm(self, fault: str, moment: str, site: int) -> None:
        calls = 0

        def strike(error: BaseException) -> None:
            nonlocal calls
            calls += 1
            if calls - 1 == site:
                raise error

        # A refusal says that nothing was done: it can't come after the deed.
        moment = "before" if fault in ("throttled", "denied") else moment
        of_kubernetes = Crashed if fault == "crash" else lambda: ApiServerError(0, "NoAnswer", "")
        setattr(self.aws, moment, lambda _: strike(FAULTS[fault]()))
        setattr(self.kubernetes, moment, lambda _: strike(of_kubernetes()))

    def _disarm(self) -> None:
        for door in (self.aws, self.kubernetes):
            door.before = door.after = lambda _: None  # type: ignore[method-assign]

    async def calm(self, key: Any) -> Outcome:
        """Let time pass without faults until all is done."""
        self.lags = False
        for _ in range(30):
            await self.take(20, key)
            with contextlib.suppress(ApiServerError):
                if (outcome := await self.back_up(key)) in (Outcome.SETTLED, Outcome.GONE):
                    return outcome
        raise AssertionError(f"not done: {self.kubernetes.objects.get(key)}")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=steps, after=steps, deletes=some.booleans(), lags=some.booleans())
async def test_one_backup_of_each_table_and_none_of_anothers_lost(
    before: list[Any], after: list[Any], deletes: bool, lags: bool
) -> None:
    note(f"{before} {after} {deletes} {lags}")
    story = Story()
    story.lags = lags
    await story.with_instance()
    foreign = story.aws._create_backup(MEMORIES, "by-hand")["BackupDetails"]["BackupArn"]
    key = story.kubernetes.put_backup(deletionPolicy="Delete")
    for step in before:
        await story.take(step, key)
        assert len(story.aws.backups) <= 3
    if not deletes:
        assert await story.calm(key) is Outcome.SETTLED
        assert story.ready(key)[0] == "True"
        assert story.tables_backed_up() == [MEMORIES, MEMORIES, USERS]
    else:
        story.kubernetes.delete_instance(key)
        for step in after:
            if key in story.kubernetes.objects:
                await story.take(step, key)
        if key in story.kubernetes.objects:
            assert await story.calm(key) is Outcome.GONE
        assert list(story.aws.backups) == [foreign]
