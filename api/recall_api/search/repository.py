"""Where vectors are kept: apart from the memories, so that listing never pays for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY
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

    async def put(self, user_id: UserId, stored: StoredVector) -> bool:
        """Store a vector if its memory still has the text that it is of; say whether it has."""
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
        try:
            await self._table.transact([check, self._table.put_part(item)])
        except TransactionRefusedError as refused:
            if refused.condition_failed(0):
                return False
            raise
        return True


def _from_item(item: Item) -> StoredVector:
    memory_id = MemoryId(item[SORT_KEY].rpartition("#")[2])
    return StoredVector(memory_id, item["contentHash"], from_bytes(item["vector"]))
