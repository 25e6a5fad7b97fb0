"""Where memories are kept. Every method takes a `UserId`, and every key is built from it.

One write is one transaction of four parts: the memory, its duplicate guard, the user's version and a record of the
change. The version counts the user's changes and is the condition of the next one, so that changes have an order that
every pod sees the same: a search index that is at version n reads the changes from n + 1 on and is exact again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.errors import unavailable
from recall_api.identifiers import MemoryId, UserId, new_memory_id
from recall_api.memories.items import (
    FIRST_ID,
    LAST_ID,
    LAST_VERSION,
    STATE_KEY,
    change_key,
    from_history,
    from_item,
    from_trash,
    guard_key,
    history_key,
    memory_key,
    to_history,
    to_item,
    to_trash,
    trash_key,
    vector_key,
)
from recall_api.memories.model import (
    UNDO_TIME,
    Action,
    Change,
    Deleted,
    Draft,
    HistoryEntry,
    Memory,
    MemoryContent,
    Source,
)
from recall_api.storage import Table, TransactionRefusedError
from recall_api.user_items import partition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from recall_api.storage import Item

__all__ = ["Duplicate", "Lost", "MemoryRepository", "State", "Written", "memory_key", "partition", "vector_key"]

ATTEMPTS: Final = 12
"""How often a write is tried against other writers of the same user; one of them wins each round."""
CHANGES_KEPT_SECONDS: Final = 7 * 86_400
"""How long changes can be replayed; an index that is further behind is read anew."""
DRAFTS_AT_ONCE: Final = 25
"""Memories stored in one transaction: three items each and the user's state, of DynamoDB's 100 items and 4 MB."""
EXPORTED_AT_ONCE: Final = 500
"""Memories that an export holds at once."""
KNOWN_VERSIONS: Final = 10_000
"""Users whose version is remembered, which saves a read before a write."""


@dataclass(frozen=True)
class Duplicate:
    """Another memory of the user says the same."""

    memory_id: MemoryId


@dataclass(frozen=True)
class Written:
    """A write that was done."""

    memory: Memory
    change: Change


class Lost:
    """What the write is about changed meanwhile: read it again and decide anew."""


@dataclass(frozen=True)
class State:
    """A user's version and number of memories."""

    version: int = 0
    count: int = 0


class MemoryRepository:
    """Memories in DynamoDB."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._versions: OrderedDict[UserId, int] = OrderedDict()

    async def get(self, user_id: UserId, memory_id: MemoryId) -> Memory | None:
        """Return a memory of the user, or none."""
        item = await self._table.get(partition(user_id), memory_key(memory_id))
        return from_item(item) if item else None

    async def get_many(self, user_id: UserId, memory_ids: Sequence[MemoryId]) -> list[Memory]:
        """Return those of the memories that exist, in any order."""
        keys = [memory_key(memory_id) for memory_id in memory_ids]
        return [from_item(item) for item in await self._table.get_many(partition(user_id), keys)]

    async def newest(
        self, user_id: UserId, *, after: MemoryId | None = None, page_size: int | None = None
    ) -> AsyncIterator[list[Memory]]:
        """Yield pages of the user's memories, the newest first, those older than `after`."""
        pages = self._table.pages(
            partition(user_id),
            first=memory_key(FIRST_ID),
            last=memory_key(LAST_ID),
            descending=True,
            after=memory_key(after) if after else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [from_item(item) for item in page]

    async def oldest(self, user_id: UserId) -> AsyncIterator[list[Memory]]:
        """Yield pages of all memories of the user, the oldest first."""
        async for page in self._table.pages(
            partition(user_id), first=memory_key(FIRST_ID), last=memory_key(LAST_ID), page_size=EXPORTED_AT_ONCE
        ):
            yield [from_item(item) for item in page]

    async def known(self, user_id: UserId, hashes: Sequence[str]) -> frozenset[str]:
        """Return those of the hashes of texts that a memory of the user has."""
        items = await self._table.get_many(partition(user_id), [guard_key(found) for found in dict.fromkeys(hashes)])
        return frozenset(item[SORT_KEY].partition("#")[2] for item in items)

    async def state(self, user_id: UserId) -> State:
        """Return the user's version and number of memories as they are now."""
        item = await self._table.get(partition(user_id), STATE_KEY)
        state = State(item["version"], item["count"]) if item else State()
        self._remember(user_id, state.version)
        return state

    async def changes_after(self, user_id: UserId, version: int) -> list[Change]:
        """Return the user's changes after `version`, in order; old ones may be gone."""
        changes = []
        pages = self._table.pages(partition(user_id), first=change_key(version + 1), last=change_key(LAST_VERSION))
        async for page in pages:
            for item in page:
                number = int(item[SORT_KEY].removeprefix("CHANGE#"))
                changes.append(Change(number, Action(item["action"]), MemoryId(item["memoryId"])))
        return changes

    async def create(
        self, user_id: UserId, memory_id: MemoryId, content: MemoryContent, source: Source, origin: str = ""
    ) -> Written | Duplicate:
        """Store a new memory, unless the user has one that says the same."""
        now = datetime.fromtimestamp(self._clock(), UTC)

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            memory = Memory(memory_id, content, version, created_at=now, updated_at=now, source=source, origin=origin)
            return memory, [
                self._guard_part(user_id, content.content_hash, memory_id),
                self._table.put_part(to_item(user_id, memory), condition="attribute_not_exists(#pk)"),
            ]

        result = await self._write(user_id, Action.CREATED, parts, guarded=content.content_hash, count=1)
        # A fresh id can't be taken: what looks like it is our own write, whose answer was lost.
        return result if not isinstance(result, Lost) else await self._own_write(user_id, memory_id)

    async def update(self, user_id: UserId, old: Memory, content: MemoryContent) -> Written | Duplicate | Lost:
        """Replace what `old` says, unless it changed meanwhile or another memory says the same."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        moved = content.content_hash != old.content.content_hash

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            memory = replace(old, content=content, version=version, updated_at=now)
            put = self._table.put_part(to_item(user_id, memory))
            put["Put"] |= self._unchanged(old)
            entry = self._history_part(user_id, old.id, HistoryEntry(version, Action.UPDATED, now, old.content))
            if not moved:
                return memory, [put, entry]
            release = self._table.keyed_part("Delete", partition(user_id), guard_key(old.content.content_hash))
            return memory, [self._guard_part(user_id, content.content_hash, old.id), put, release, entry]

        return await self._write(
            user_id, Action.UPDATED, parts, guarded=content.content_hash if moved else None, count=0
        )

    async def delete(
        self, user_id: UserId, old: Memory, vector_space: str, *, permanently: bool = False
    ) -> Written | Lost:
        """Delete `old`, its guard and its vector, unless it changed meanwhile; it can be restored if not `permanently`.

        What is deleted permanently may leave its history: call `purge` as well.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            key = partition(user_id)
            remove = self._table.keyed_part("Delete", key, memory_key(old.id))
            remove["Delete"] |= self._unchanged(old)
            own = [
                remove,
                self._table.keyed_part("Delete", key, guard_key(old.content.content_hash)),
                self._table.keyed_part("Delete", key, vector_key(vector_space, old.id)),
            ]
            if not permanently:
                own += [
                    self._table.put_part(to_trash(user_id, Deleted(old, now, now + UNDO_TIME))),
                    self._history_part(user_id, old.id, HistoryEntry(version, Action.DELETED, now, None)),
                ]
            return old, own

        result = await self._write(user_id, Action.DELETED, parts, guarded=None, count=-1)
        assert not isinstance(result, Duplicate)  # noqa: S101 - nothing is guarded
        return result

    async def restore(self, user_id: UserId, deleted: Deleted) -> Written | Duplicate | Lost:
        """Bring back a deleted memory, unless another one says the same by now."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        old = deleted.memory

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            memory = replace(old, version=version)
            take = self._table.keyed_part("Delete", partition(user_id), trash_key(old.id))
            take["Delete"] |= self._unchanged(old)
            return memory, [
                self._guard_part(user_id, old.content.content_hash, old.id),
                take,
                self._table.put_part(to_item(user_id, memory)),
                self._history_part(user_id, old.id, HistoryEntry(version, Action.RESTORED, now, None)),
            ]

        return await self._write(user_id, Action.RESTORED, parts, guarded=old.content.content_hash, count=1)

    async def get_deleted(self, user_id: UserId, memory_id: MemoryId) -> Deleted | None:
        """Return a deleted memory that can still be restored, or none."""
        item = await self._table.get(partition(user_id), trash_key(memory_id))
        return from_trash(item) if item and self._is_kept(item) else None

    async def deleted(
        self, user_id: UserId, *, after: MemoryId | None = None, page_size: int | None = None
    ) -> AsyncIterator[list[Deleted]]:
        """Yield pages of the user's deleted memories, the newest first, those older than `after`."""
        pages = self._table.pages(
            partition(user_id),
            first=trash_key(FIRST_ID),
            last=trash_key(LAST_ID),
            descending=True,
            after=trash_key(after) if after else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [from_trash(item) for item in page if self._is_kept(item)]

    async def history(
        self, user_id: UserId, memory_id: MemoryId, *, before: int | None = None, page_size: int | None = None
    ) -> AsyncIterator[list[HistoryEntry]]:
        """Yield pages of a memory's changes, the newest first, those before the change `before`."""
        pages = self._table.pages(
            partition(user_id),
            first=history_key(memory_id, 0),
            last=history_key(memory_id, LAST_VERSION),
            descending=True,
            after=history_key(memory_id, before) if before is not None else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [from_history(item) for item in page if self._is_kept(item)]

    async def purge(self, user_id: UserId, memory_id: MemoryId) -> None:
        """Delete what a memory said before, and itself if it is deleted already."""
        async for entries in self.history(user_id, memory_id):
            await self._table.delete_many(
                partition(user_id), [history_key(memory_id, entry.version) for entry in entries]
            )
        # Last, so that a purge that breaks off is found and done again.
        await self._table.delete(partition(user_id), trash_key(memory_id))

    async def create_many(self, user_id: UserId, drafts: Sequence[Draft]) -> list[Written | Duplicate]:
        """Store up to `DRAFTS_AT_ONCE` drafts of different texts in one transaction; one that is there is left out.

        A draft's id is kept unless the user has or had a memory of that id, or an earlier draft has it.
        """
        tried: set[MemoryId] = set()
        for attempt in range(ATTEMPTS):
            results, wanted = await self._sort_drafts(user_id, drafts, tried)
            if not wanted:
                return [results[place] for place in range(len(drafts))]
            first = (await self.state(user_id)).version
            now = datetime.fromtimestamp(self._clock(), UTC)
            parts: list[dict[str, Any]] = []
            for version, (place, draft) in enumerate(wanted.items(), first + 1):
                memory = Memory(
                    draft.id,
                    draft.content,
                    version,
                    created_at=draft.created_at or now,
                    updated_at=draft.updated_at or draft.created_at or now,
                    source=draft.source,
                    origin=draft.origin,
                )
                change = Change(version, Action.CREATED, memory.id)
                results[place] = Written(memory, change)
                parts += [
                    self._guard_part(user_id, memory.content.content_hash, memory.id),
                    self._table.put_part(to_item(user_id, memory), condition="attribute_not_exists(#pk)"),
                    self._record_part(user_id, change),
                ]
            try:
                await self._table.transact([self._state_part(user_id, first, len(wanted), len(wanted)), *parts])
            except TransactionRefusedError:
                tried |= {draft.id for draft in wanted.values()}
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))  # noqa: S311 - jitter
            else:
                self._remember(user_id, first + len(wanted))
                return [results[place] for place in range(len(drafts))]
        raise unavailable("Storage")

    async def _sort_drafts(
        self, user_id: UserId, drafts: Sequence[Draft], tried: set[MemoryId]
    ) -> tuple[dict[int, Written | Duplicate], dict[int, Draft]]:
        """Return results for the drafts that are stored already, and the drafts that are not, by place."""
        hashes = [draft.content.content_hash for draft in drafts]
        items = await self._table.get_many(
            partition(user_id),
            [
                *dict.fromkeys(guard_key(found) for found in hashes),
                *dict.fromkeys(memory_key(draft.id) for draft in drafts),
                *dict.fromkeys(trash_key(draft.id) for draft in drafts),
            ],
        )
        found = {item[SORT_KEY]: item for item in items}
        results: dict[int, Written | Duplicate] = {}
        wanted: dict[int, Draft] = {}
        given: set[MemoryId] = set()
        for place, (draft, content_hash) in enumerate(zip(drafts, hashes, strict=True)):
            guard = found.get(guard_key(content_hash))
            own = found.get(memory_key(draft.id))
            if guard is None:
                # Two exports in one file may say different things under one id.
                taken = own is not None or trash_key(draft.id) in found or draft.id in given
                wanted[place] = replace(draft, id=new_memory_id()) if taken else draft
                given.add(draft.id)
            elif own is not None and guard["memoryId"] == draft.id and draft.id in tried:
                memory = from_item(own)  # our own write, whose answer was lost
                results[place] = Written(memory, Change(memory.version, Action.CREATED, memory.id))
            else:
                results[place] = Duplicate(MemoryId(guard["memoryId"]))
        return results, wanted

    async def _own_write(self, user_id: UserId, memory_id: MemoryId) -> Written:
        memory = await self.get(user_id, memory_id)
        if memory is None:
            raise unavailable("Storage")
        return Written(memory, Change(memory.version, Action.CREATED, memory_id))

    async def _write(
        self,
        user_id: UserId,
        action: Action,
        parts: Callable[[int], tuple[Memory, list[dict[str, Any]]]],
        *,
        guarded: str | None,
        count: int,
    ) -> Written | Duplicate | Lost:
        """Do `parts` as the user's next change.

        The parts' order is fixed: the guard (when `guarded`), the memory, others; a refusal is told from its place.
        """
        for attempt in range(ATTEMPTS):
            version = self._versions.get(user_id)
            if version is None:
                version = (await self.state(user_id)).version
            memory, own = parts(version + 1)
            change = Change(version + 1, action, memory.id)
            try:
                await self._table.transact([*own, *self._change_parts(user_id, change, count)])
            except TransactionRefusedError as refused:
                self._versions.pop(user_id, None)
                if guarded and refused.condition_failed(0):
                    if duplicate := await self._guarded(user_id, guarded, memory.id):
                        return duplicate
                elif refused.condition_failed(1 if guarded else 0):
                    return Lost()
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))  # noqa: S311 - jitter
            else:
                self._remember(user_id, change.version)
                return Written(memory, change)
        raise unavailable("Storage")

    async def _guarded(self, user_id: UserId, content_hash: str, memory_id: MemoryId) -> Duplicate | None:
        """Return the memory that says the same; none when it is gone by now, or is this very write."""
        item = await self._table.get(partition(user_id), guard_key(content_hash))
        if item is None or item["memoryId"] == memory_id:
            return None
        return Duplicate(MemoryId(item["memoryId"]))

    def _guard_part(self, user_id: UserId, content_hash: str, memory_id: MemoryId) -> dict[str, Any]:
        item = {PARTITION_KEY: partition(user_id), SORT_KEY: guard_key(content_hash), "memoryId": memory_id}
        return self._table.put_part(item, condition="attribute_not_exists(#pk)")

    @staticmethod
    def _unchanged(old: Memory) -> dict[str, Any]:
        return {
            "ConditionExpression": "#version = :old",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":old": {"N": str(old.version)}},
        }

    def _change_parts(self, user_id: UserId, change: Change, count: int) -> list[dict[str, Any]]:
        return [self._state_part(user_id, change.version - 1, 1, count), self._record_part(user_id, change)]

    def _state_part(self, user_id: UserId, old: int, changes: int, count: int) -> dict[str, Any]:
        return self._table.keyed_part(
            "Update",
            partition(user_id),
            STATE_KEY,
            update="SET #version = :new ADD #count :count",
            condition="#version = :old" if old else "attribute_not_exists(#version)",
            names={"#version": "version", "#count": "count"},
            values={":new": old + changes, ":count": count} | ({":old": old} if old else {}),
        )

    def _record_part(self, user_id: UserId, change: Change) -> dict[str, Any]:
        return self._table.put_part(
            {
                PARTITION_KEY: partition(user_id),
                SORT_KEY: change_key(change.version),
                "action": change.action.value,
                "memoryId": change.memory_id,
                TIME_TO_LIVE_ATTRIBUTE: int(self._clock()) + CHANGES_KEPT_SECONDS,
            }
        )

    def _history_part(self, user_id: UserId, memory_id: MemoryId, entry: HistoryEntry) -> dict[str, Any]:
        expires_at = int((entry.at + UNDO_TIME).timestamp())
        return self._table.put_part(to_history(user_id, memory_id, entry, expires_at))

    def _is_kept(self, item: Item) -> bool:
        """Say whether an item may still be seen: DynamoDB deletes what has expired only some days later."""
        return bool(item[TIME_TO_LIVE_ATTRIBUTE] > self._clock())

    def _remember(self, user_id: UserId, version: int) -> None:
        self._versions[user_id] = version
        self._versions.move_to_end(user_id)
        if len(self._versions) > KNOWN_VERSIONS:
            self._versions.popitem(last=False)
