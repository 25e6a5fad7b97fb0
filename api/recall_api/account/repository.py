"""Where accounts are kept, and where everything of one is found: whole partitions, whatever lies in them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from recall_api.account.model import FREE, Deletion, DeletionState, Profile, SignIn, count_kinds
from recall_api.auth.repository import hash_partition
from recall_api.auth.schemas import Standing
from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.errors import unavailable
from recall_api.storage import TransactionRefusedError
from recall_api.usage.repository import USAGE_PREFIX, spenders_partition
from recall_api.user_items import DELETION_KEY, PROFILE_KEY, partition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from recall_api.encryption.repository import WrappedKeyRepository
    from recall_api.identifiers import UserId
    from recall_api.instance.repository import InstanceRepository
    from recall_api.storage import Item, Table

_FIRST, _LAST = "!", "~"
"""Every sort key lies between these two."""
SWEPT_AT_ONCE: Final = 200
ATTEMPTS: Final = 6
"""How often a deletion is begun against other writers of the same items."""


@dataclass(frozen=True)
class Swept:
    """Items that a sweep has just deleted."""

    number: int


@dataclass(frozen=True)
class AccountTables:
    """Both tables, read in one way."""

    memories: Table
    users: Table


class AccountRepository:
    """Accounts in both tables."""

    def __init__(
        self,
        tables: AccountTables,
        instance: InstanceRepository,
        clock: Callable[[], float] = time.time,
        *,
        stored: AccountTables | None = None,
        keys: WrappedKeyRepository | None = None,
    ) -> None:
        """With `keys`, `stored` are the same tables as they are stored: what a deletion reads without any key."""
        self._memories, self._users = tables.memories, tables.users
        self._stored = stored or tables
        self._keys = keys
        self._instance = instance
        self._clock = clock

    async def profile(self, user_id: UserId) -> Profile:
        """Return the user's profile as it is now."""
        return _to_profile(await self._users.get(partition(user_id), PROFILE_KEY) or {})

    async def standing(self, user_id: UserId) -> Standing:
        """Return what decides whether the user's tokens are taken, in one read."""
        items = await self._stored.users.get_many(partition(user_id), [PROFILE_KEY, DELETION_KEY])
        found = {item[SORT_KEY]: item for item in items}
        return Standing(found.get(PROFILE_KEY, {}).get("validAfter", 0), DELETION_KEY in found)

    async def change_profile(self, user_id: UserId, changes: dict[str, Any]) -> Profile:
        """Set attributes of the user's profile and return it."""
        item = await self._users.update(
            partition(user_id),
            PROFILE_KEY,
            "SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            names={f"#{name}": name for name in changes},
            values={f":{name}": value for name, value in changes.items()},
        )
        return _to_profile(item or {})

    async def end_sessions(self, user_id: UserId, until: int) -> None:
        """Refuse every session that began up to `until` (Unix time in s)."""
        await self._stored.users.update(
            partition(user_id), PROFILE_KEY, "SET validAfter = :until", values={":until": until}
        )

    async def deletion(self, user_id: UserId) -> Deletion | None:
        """Return how far the account's deletion is; none when nobody asked for it."""
        item = await self._users.get(partition(user_id), DELETION_KEY)
        return _to_deletion(item) if item else None

    async def begin_deletion(self, user_id: UserId, username: str, due_at: int) -> None:
        """Note that everything of the user is to be deleted from `due_at` (Unix time in s) on; once only.

        A key of the user's own is deleted in the same transaction: what it sealed is unreadable from here on, in
        every backup too.
        """
        mark = {
            PARTITION_KEY: partition(user_id),
            SORT_KEY: DELETION_KEY,
            "state": DeletionState.RUNNING.value,
            "startedAt": self._now(),
            "signIn": SignIn.PENDING.value,
            **({"keyDeleted": True} if self._keys else {}),
        }
        parts = [
            self._stored.users.put_part(mark, condition="attribute_not_exists(#pk)"),
            self._instance.deletion_part(user_id, username, due_at),
            *([self._keys.deletion_part(user_id)] if self._keys else []),
        ]
        for attempt in range(ATTEMPTS):
            try:
                await self._stored.users.transact(parts)
            except TransactionRefusedError as refused:
                if refused.condition_failed(0):
                    return
                # The user's first write, which makes a key, may be under way at this very moment.
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter
            else:
                return
        raise unavailable("Storage")

    async def count(self, user_id: UserId) -> None:
        """Write into the receipt what there is, unless that was done: a deletion that resumes finds only the rest."""
        counts: Counter[str] = Counter()
        for table in (self._stored.memories, self._stored.users):
            async for page in table.pages(partition(user_id), first=_FIRST, last=_LAST):
                counts.update(count_kinds(item[SORT_KEY] for item in page if item[SORT_KEY] != DELETION_KEY))
        await self._stored.users.update(
            partition(user_id),
            DELETION_KEY,
            "SET #counts = :counts",
            condition="attribute_not_exists(#counts)",
            names={"#counts": "counts"},
            values={":counts": dict(counts)},
        )

    async def sweep(self, user_id: UserId) -> AsyncIterator[Swept]:
        """Delete everything of the user in both tables but the receipt; yields after each step."""
        for table in (self._stored.memories, self._stored.users):
            pages = table.pages(partition(user_id), first=_FIRST, last=_LAST, page_size=SWEPT_AT_ONCE)
            async for page in pages:
                for item in page:
                    if item[SORT_KEY].startswith("PAT#"):
                        # First: without its listing nobody would find a token's other half again.
                        await self._stored.users.delete(hash_partition(item["digest"]), "TOKEN")
                    elif item[SORT_KEY].startswith(USAGE_PREFIX):
                        await self._stored.users.delete(
                            spenders_partition(item[SORT_KEY].removeprefix(USAGE_PREFIX)), user_id
                        )
                sorts = [item[SORT_KEY] for item in page if item[SORT_KEY] != DELETION_KEY]
                await table.delete_many(partition(user_id), sorts)
                yield Swept(len(sorts))

    async def finish_deletion(self, user_id: UserId) -> None:
        """Complete the receipt; it stays until the last backup is gone."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        receipt = Deletion(DeletionState.DONE, now, now)
        assert receipt.backups_until is not None  # noqa: S101 - it is finished
        await self._stored.users.update(
            partition(user_id),
            DELETION_KEY,
            "SET #state = :done, finishedAt = if_not_exists(finishedAt, :now), signIn = :signIn, #ttl = :ttl",
            names={"#state": "state", "#ttl": TIME_TO_LIVE_ATTRIBUTE},
            values={
                ":done": DeletionState.DONE.value,
                ":now": now.isoformat(),
                ":signIn": SignIn.DELETED.value,
                ":ttl": int(receipt.backups_until.timestamp()),
            },
        )

    async def everything(self, user_id: UserId) -> AsyncIterator[list[Item]]:
        """Yield pages of all items of the user, without their partition."""
        for table in (self._memories, self._users):
            async for page in table.pages(partition(user_id), first=_FIRST, last=_LAST):
                yield [{name: value for name, value in item.items() if name != PARTITION_KEY} for item in page]

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat()


def _to_profile(item: Item) -> Profile:
    return Profile(
        display_name=item.get("displayName", ""),
        time_zone=item.get("timeZone", "UTC"),
        tier=item.get("tier", FREE),
        valid_after=item.get("validAfter", 0),
    )


def _to_deletion(item: Item) -> Deletion:
    finished_at = item.get("finishedAt")
    return Deletion(
        state=DeletionState(item["state"]),
        started_at=datetime.fromisoformat(item["startedAt"]),
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        counts=item.get("counts", {}),
        sign_in=SignIn(item["signIn"]),
        key_deleted=item.get("keyDeleted", False),
    )
