"""Deleting accounts in the background: any pod takes over where another one stopped.

A deletion is a task in the users table. A pod claims it for `LEASE_SECONDS` and does steps that can all be done twice:
count, sweep both tables, delete the user in the pool, sweep again until nothing is found, complete the receipt. A pod
that is killed leaves a task that is due again when its lease ends. Requests that were under way when the deletion began
may still write something, so everything is swept once more `SECOND_PASS_SECONDS` later.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import ClientError

from recall_api.auth.cache import FRESH_SECONDS
from recall_api.errors import error_code
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from recall_api.account.repository import AccountRepository
    from recall_api.aws import Aws
    from recall_api.identifiers import UserId
    from recall_api.instance.repository import InstanceRepository, Task

GRACE_SECONDS: Final = FRESH_SECONDS + 1
"""Time after which no pod takes the user's tokens any more."""
LEASE_SECONDS: Final = 30
SECOND_PASS_SECONDS: Final = 900
"""Longer than any answer or import runs."""
PASSES: Final = 2


OnLeaving: TypeAlias = "Callable[[Collection[UserId]], None]"
"""Told, every few seconds and by every pod for itself, whose accounts are being deleted."""


class Eraser:
    """Looks for deletions that are due, and does them."""

    def __init__(
        self,
        aws: Aws,
        user_pool_id: str,
        accounts: AccountRepository,
        instance: InstanceRepository,
        *,
        poll_seconds: float,
        on_leaving: OnLeaving = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._aws = aws
        self._user_pool_id = user_pool_id
        self._accounts = accounts
        self._instance = instance
        self._poll_seconds = poll_seconds
        self._on_leaving = on_leaving
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="eraser")

    async def stop(self) -> None:
        """Stop at once; what is not finished is taken over when the lease ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                tasks = await self._instance.deletions()
                self._on_leaving([task.user_id for task in tasks])
                for task in await self._instance.claim(tasks, int(self._clock()), LEASE_SECONDS):
                    await self.erase(task)
            except Exception as error:
                log.warning("deletion of an account postponed", error=type(error).__name__)
            await asyncio.sleep(self._poll_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def erase(self, task: Task) -> None:
        """Do a whole deletion, or what is left of one."""
        await self._accounts.count(task.user_id)
        while True:
            swept = 0
            async for step in self._accounts.sweep(task.user_id):
                swept += step.number
            if not swept:
                break
        await self._delete_sign_in(task.username)
        await self._accounts.finish_deletion(task.user_id)
        last = task.passes + 1 >= PASSES
        await self._instance.swept(task, None if last else int(self._clock()) + SECOND_PASS_SECONDS)
        log.info("account deleted", sweep=task.passes + 1)

    async def _delete_sign_in(self, username: str) -> None:
        try:
            await self._aws.call(self._aws.cognito.admin_delete_user, UserPoolId=self._user_pool_id, Username=username)
        except ClientError as error:
            if error_code(error) != "UserNotFoundException":
                raise
