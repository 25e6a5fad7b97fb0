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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.errors import unavailable
from recall_api.identifiers import MemoryId, UserId
from recall_api.memories.model import Action, Change, Memory, MemoryContent, Source
from recall_api.storage import Item, Table, TransactionRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

ATTEMPTS: Final = 12
"""How often a write is tried against other writers of the same user; one of them wins each round."""
CHANGES_KEPT_SECONDS: Final = 7 * 86_400
"""How long changes can be replayed; an index that is further behind is read anew."""
KNOWN_VERSIONS: Final = 10_000
"""Users whose version is remembered, which saves a read before a write."""

_FIRST_ID: Final = "0" * 26
_LAST_ID: Final = "7" + "Z" * 25


def partition(user_id: UserId) -> str:
    """Return the partition that holds everything of a user in the memories table."""
    return f"USER#{user_id}"


def memory_key(memory_id: str) -> str:
    """Return a memory's sort key."""
    return f"MEM#{memory_id}"


def vector_key(space: str, memory_id: str) -> str:
    """Return the sort key of a memory's vector in `space` (a model and a number of dimensions)."""
    return f"VEC#{space}#{memory_id}"


def _guard_key(content_hash: str) -> str:
    return f"HASH#{content_hash}"


def _change_key(version: int) -> str:
    return f"CHANGE#{version:012d}"


_STATE_KEY: Final = "STATE"


def _to_item(user_id: UserId, memory: Memory) -> Item:
    content = memory.content
    item: Item = {
        PARTITION_KEY: partition(user_id),
        SORT_KEY: memory_key(memory.id),
        "text": content.text,
        "contentHash": content.content_hash,
        "version": memory.version,
        "createdAt": memory.created_at.isoformat(),
        "updatedAt": memory.updated_at.isoformat(),
        "source": memory.source.value,
    }
    if content.tags:
        item["tags"] = list(content.tags)
    if content.occurred_at is not None:
        item["occurredAt"] = content.occurred_at.isoformat()
    if content.pinned:
        item["pinned"] = True
    if content.never_send_to:
        item["neverSendTo"] = list(content.never_send_to)
    return item


def _from_item(item: Item) -> Memory:
    occurred_at = item.get("occurredAt")
    return Memory(
        id=MemoryId(item[SORT_KEY].removeprefix("MEM#")),
        content=MemoryContent(
            text=item["text"],
            tags=tuple(item.get("tags", ())),
            occurred_at=datetime.fromisoformat(occurred_at) if occurred_at else None,
            pinned=item.get("pinned", False),
            never_send_to=tuple(item.get("neverSendTo", ())),
        ),
        version=item["version"],
        created_at=datetime.fromisoformat(item["createdAt"]),
        updated_at=datetime.fromisoformat(item["updatedAt"]),
        source=Source(item["source"]),
    )


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
        return _from_item(item) if item else None

    async def get_many(self, user_id: UserId, memory_ids: Sequence[MemoryId]) -> list[Memory]:
        """Return those of the memories that exist, in any order."""
        keys = [memory_key(memory_id) for memory_id in memory_ids]
        return [_from_item(item) for item in await self._table.get_many(partition(user_id), keys)]

    async def newest(
        self, user_id: UserId, *, after: MemoryId | None = None, page_size: int | None = None
    ) -> AsyncIterator[list[Memory]]:
        """Yield pages of the user's memories, the newest first, those older than `after`."""
        pages = self._table.pages(
            partition(user_id),
            first=memory_key(_FIRST_ID),
            last=memory_key(_LAST_ID),
            descending=True,
            after=memory_key(after) if after else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [_from_item(item) for item in page]

    async def state(self, user_id: UserId) -> State:
        """Return the user's version and number of memories as they are now."""
        item = await self._table.get(partition(user_id), _STATE_KEY)
        state = State(item["version"], item["count"]) if item else State()
        self._remember(user_id, state.version)
        return state

    async def changes_after(self, user_id: UserId, version: int) -> list[Change]:
        """Return the user's changes after `version`, in order; old ones may be gone."""
        changes = []
        pages = self._table.pages(partition(user_id), first=_change_key(version + 1), last=_change_key(10**12 - 1))
        async for page in pages:
            for item in page:
                number = int(item[SORT_KEY].removeprefix("CHANGE#"))
                changes.append(Change(number, Action(item["action"]), MemoryId(item["memoryId"])))
        return changes

    async def create(
        self, user_id: UserId, memory_id: MemoryId, content: MemoryContent, source: Source
    ) -> Written | Duplicate:
        """Store a new memory, unless the user has one that says the same."""
        now = datetime.fromtimestamp(self._clock(), UTC)

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            memory = Memory(memory_id, content, version, created_at=now, updated_at=now, source=source)
            return memory, [
                self._guard_part(user_id, content.content_hash, memory_id),
                self._table.put_part(_to_item(user_id, memory), condition="attribute_not_exists(#pk)"),
            ]

        result = await self._write(user_id, Action.CREATED, parts, guarded=content.content_hash, count=1)
        # A fresh id can't be taken: what looks like it is our own write, whose answer was lost.
        return result if not isinstance(result, Lost) else await self._own_write(user_id, memory_id)

    async def update(self, user_id: UserId, old: Memory, content: MemoryContent) -> Written | Duplicate | Lost:
        """Replace what `old` says, unless it changed meanwhile or another memory says the same."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        moved = content.content_hash != old.content.content_hash

        def parts(version: int) -> tuple[Memory, list[dict[str, Any]]]:
            memory = Memory(old.id, content, version, created_at=old.created_at, updated_at=now, source=old.source)
            put = self._table.put_part(_to_item(user_id, memory))
            put["Put"] |= self._unchanged(old)
            if not moved:
                return memory, [put]
            release = self._table.keyed_part("Delete", partition(user_id), _guard_key(old.content.content_hash))
            return memory, [self._guard_part(user_id, content.content_hash, old.id), put, release]

        return await self._write(
            user_id, Action.UPDATED, parts, guarded=content.content_hash if moved else None, count=0
        )

    async def delete(self, user_id: UserId, old: Memory, vector_space: str) -> Written | Lost:
        """Delete `old`, its guard and its vector, unless it changed meanwhile."""

        def parts(_version: int) -> tuple[Memory, list[dict[str, Any]]]:
            key = partition(user_id)
            remove = self._table.keyed_part("Delete", key, memory_key(old.id))
            remove["Delete"] |= self._unchanged(old)
            return old, [
                remove,
                self._table.keyed_part("Delete", key, _guard_key(old.content.content_hash)),
                self._table.keyed_part("Delete", key, vector_key(vector_space, old.id)),
            ]

        result = await self._write(user_id, Action.DELETED, parts, guarded=None, count=-1)
        assert not isinstance(result, Duplicate)  # noqa: S101 - nothing is guarded
        return result

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
        item = await self._table.get(partition(user_id), _guard_key(content_hash))
        if item is None or item["memoryId"] == memory_id:
            return None
        return Duplicate(MemoryId(item["memoryId"]))

    def _guard_part(self, user_id: UserId, content_hash: str, memory_id: MemoryId) -> dict[str, Any]:
        item = {PARTITION_KEY: partition(user_id), SORT_KEY: _guard_key(content_hash), "memoryId": memory_id}
        return self._table.put_part(item, condition="attribute_not_exists(#pk)")

    @staticmethod
    def _unchanged(old: Memory) -> dict[str, Any]:
        return {
            "ConditionExpression": "#version = :old",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":old": {"N": str(old.version)}},
        }

    def _change_parts(self, user_id: UserId, change: Change, count: int) -> list[dict[str, Any]]:
        first = change.version == 1
        state = self._table.keyed_part(
            "Update",
            partition(user_id),
            _STATE_KEY,
            update="SET #version = :new ADD #count :count",
            condition="attribute_not_exists(#version)" if first else "#version = :old",
            names={"#version": "version", "#count": "count"},
            values={":new": change.version, ":count": count} | ({} if first else {":old": change.version - 1}),
        )
        record = self._table.put_part(
            {
                PARTITION_KEY: partition(user_id),
                SORT_KEY: _change_key(change.version),
                "action": change.action.value,
                "memoryId": change.memory_id,
                TIME_TO_LIVE_ATTRIBUTE: int(self._clock()) + CHANGES_KEPT_SECONDS,
            }
        )
        return [state, record]

    def _remember(self, user_id: UserId, version: int) -> None:
        self._versions[user_id] = version
        self._versions.move_to_end(user_id)
        if len(self._versions) > KNOWN_VERSIONS:
            self._versions.popitem(last=False)
