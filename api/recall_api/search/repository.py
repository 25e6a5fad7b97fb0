"""Where vectors and snapshots of indexes are kept: apart from the memories, so that listing never pays for them."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.identifiers import MemoryId
from recall_api.memories.repository import memory_key, partition, vector_key
from recall_api.search.vectors import from_bytes, to_bytes
from recall_api.storage import TransactionRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recall_api.identifiers import UserId
    from recall_api.storage import Item, Table

_FIRST: Final = "0"
_LAST: Final = "Z"
PART_BYTES: Final = 390_000
"""Bytes of a snapshot in one item; DynamoDB's limit is 400 KB with keys."""
SNAPSHOT_SECONDS: Final = 30 * 86_400
"""A snapshot that nobody renewed goes away by itself, and so do parts that a killed pod left."""
VECTORS_AT_ONCE: Final = 25
"""Vectors stored in one transaction: two parts each, of DynamoDB's 100."""
_PARTS_DELETED: Final = 100
"""Source: DynamoDB's limit for TransactWriteItems."""


@dataclass(frozen=True)
class StoredVector:
    """A vector, and the text (by its hash) that it is of."""

    memory_id: MemoryId
    content_hash: str
    vector: NDArray[np.float32]


def vector_space(model: str, dimensions: int) -> str:
    """Return the name under which vectors that can be compared with each other are kept."""
    return f"{model}/{dimensions}"


class VectorRepository:
    """Vectors of one space."""

    def __init__(self, table: Table, space: str) -> None:
        self._table = table
        self._space = space

    async def all(self, user_id: UserId) -> AsyncIterator[list[StoredVector]]:
        """Yield pages of all vectors of a user."""
        first, last = vector_key(self._space, _FIRST), vector_key(self._space, _LAST)
        async for page in self._table.pages(partition(user_id), first=first, last=last):
            yield [_from_item(item) for item in page]

    async def get_many(self, user_id: UserId, memory_ids: Sequence[MemoryId]) -> list[StoredVector]:
        """Return those of the vectors that exist, in any order."""
        keys = [vector_key(self._space, memory_id) for memory_id in memory_ids]
        return [_from_item(item) for item in await self._table.get_many(partition(user_id), keys)]

    async def spaces(self, user_id: UserId) -> list[str]:
        """Return the spaces in which the user has vectors, one small read for each."""
        found: list[str] = []
        after = vector_key("", "").removesuffix("#")
        last = f"{after}~"
        while True:
            key: str | None = None
            async for page in self._table.pages(partition(user_id), first=after, last=last, page_size=1):
                key = page[0][SORT_KEY] if page else None
                break
            if key is None:
                return found
            found.append(key.removeprefix("VEC#").rpartition("#")[0])
            after = vector_key(found[-1], "~")

    async def delete_many(self, user_id: UserId, memory_ids: Sequence[MemoryId]) -> None:
        """Delete vectors, those that exist."""
        keys = [vector_key(self._space, memory_id) for memory_id in memory_ids]
        await _delete(self._table, user_id, keys)

    async def put_many(self, user_id: UserId, stored: Sequence[StoredVector]) -> frozenset[MemoryId]:
        """Store vectors, up to `VECTORS_AT_ONCE`; return the memories that still have the texts that they are of.

        Raises:
            TransactionRefusedError: another write was under way; nothing was stored.
        """
        newest = list({one.memory_id: one for one in stored}.values())  # no transaction may touch an item twice
        while newest:
            parts = [part for one in newest for part in self._parts(user_id, one)]
            try:
                await self._table.transact(parts)
            except TransactionRefusedError as refused:
                current = [one for place, one in enumerate(newest) if not refused.condition_failed(2 * place)]
                if len(current) == len(newest):
                    raise
                newest = current
            else:
                break
        return frozenset(one.memory_id for one in newest)

    def _parts(self, user_id: UserId, stored: StoredVector) -> tuple[dict[str, Any], dict[str, Any]]:
        check = self._table.keyed_part(
            "ConditionCheck",
            partition(user_id),
            memory_key(stored.memory_id),
            condition="#hash = :hash",
            names={"#hash": "contentHash"},
            values={":hash": stored.content_hash},
        )
        item = {
            PARTITION_KEY: partition(user_id),
            SORT_KEY: vector_key(self._space, stored.memory_id),
            "contentHash": stored.content_hash,
            "vector": to_bytes(stored.vector),
        }
        return check, self._table.put_part(item)


@dataclass(frozen=True)
class StoredSnapshot:
    """An index as bytes, and the user's version that it is of."""

    version: int
    packed: bytes


class SnapshotRepository:
    """Snapshots of indexes of one space: a head that names the version, and parts, because an item holds 400 KB."""

    def __init__(self, table: Table, space: str) -> None:
        self._table = table
        self._head = f"SNAPSHOT#{space}"

    async def get(self, user_id: UserId) -> StoredSnapshot | None:
        """Return the user's snapshot, if there is a whole one."""
        head = await self._table.get(partition(user_id), self._head)
        if head is None:
            return None
        parts = await asyncio.gather(*(self._table.get(partition(user_id), key) for key in self._parts(head)))
        if any(part is None for part in parts):
            return None  # another pod is just replacing it
        return StoredSnapshot(head["version"], b"".join(part["bytes"] for part in parts if part))

    async def put(self, user_id: UserId, snapshot: StoredSnapshot) -> bool:
        """Replace the user's snapshot; say whether it was: not when the user's version is another by now."""
        old = await self._table.get(partition(user_id), self._head)
        pieces = range(0, len(snapshot.packed), PART_BYTES)
        head = {
            PARTITION_KEY: partition(user_id),
            SORT_KEY: self._head,
            "version": snapshot.version,
            "name": secrets.token_hex(8),
            "parts": len(pieces),
            TIME_TO_LIVE_ATTRIBUTE: int(time.time()) + SNAPSHOT_SECONDS,
        }
        for key, start in zip(self._parts(head), pieces, strict=True):
            item = {
                PARTITION_KEY: partition(user_id),
                SORT_KEY: key,
                "bytes": snapshot.packed[start : start + PART_BYTES],
            }
            await self._table.put_new(item | {TIME_TO_LIVE_ATTRIBUTE: head[TIME_TO_LIVE_ATTRIBUTE]})
        # Deleting an account, or a memory, must not be undone by a snapshot that was under way.
        check = self._table.keyed_part(
            "ConditionCheck",
            partition(user_id),
            "STATE",
            condition="#version = :version",
            names={"#version": "version"},
            values={":version": snapshot.version},
        )
        try:
            await self._table.transact([check, self._table.put_part(head)])
        except TransactionRefusedError:
            await _delete(self._table, user_id, self._parts(head))
            return False
        if old is not None:
            await _delete(self._table, user_id, self._parts(old))
        return True

    async def delete(self, user_id: UserId) -> None:
        """Delete the user's snapshot, if there is one."""
        head = await self._table.get(partition(user_id), self._head)
        if head is not None:
            await _delete(self._table, user_id, [self._head, *self._parts(head)])

    def _parts(self, head: Item) -> list[str]:
        return [f"{self._head}#{head['name']}#{number:04d}" for number in range(head["parts"])]


async def _delete(table: Table, user_id: UserId, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _PARTS_DELETED):
        part = keys[start : start + _PARTS_DELETED]
        await table.transact([table.keyed_part("Delete", partition(user_id), key) for key in part])


def _from_item(item: Item) -> StoredVector:
    memory_id = MemoryId(item[SORT_KEY].rpartition("#")[2])
    return StoredVector(memory_id, item["contentHash"], from_bytes(item["vector"]))
