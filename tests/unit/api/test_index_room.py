"""Which users' indexes stay in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from recall_api.identifiers import MemoryId, UserId
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.memories.repository import State
from recall_api.search.index import UserIndex
from recall_api.search.service import SearchService
from recall_api.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANNA, BEN, CARA = UserId("anna"), UserId("ben"), UserId("cara")


def memory(number: int, text: str = "The bicycle is blue.") -> Memory:
    return Memory(MemoryId(f"{number:026d}"), MemoryContent(f"{text} {number}"), 1, NOW, NOW, Source.TYPED)


class Stored:
    """Storage and an embedding model in one: how many memories each user has, and who was loaded."""

    dimensions = 8

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.loaded: list[str] = []

    async def state(self, user_id: UserId) -> State:
        return State(1, self.counts[user_id])

    async def newest(self, user_id: UserId) -> AsyncIterator[list[Memory]]:
        self.loaded.append(user_id)
        yield [memory(number) for number in range(self.counts[user_id])]

    async def all(self, _user_id: UserId) -> AsyncIterator[list[Any]]:
        yield []

    async def get_many(self, _user_id: UserId, _ids: Sequence[MemoryId]) -> list[Any]:
        return []

    async def embed(self, _text: str) -> Any:
        return np.ones(8, np.float32)


def searching(stored: Stored, kilobytes: int) -> SearchService:
    parts: Any = stored
    return SearchService(parts, parts, parts, Metrics(), max_bytes=kilobytes * 1_000)


async def test_the_least_recently_searched_index_goes_when_there_is_no_room() -> None:
    stored = Stored(anna=100, ben=100, cara=100)
    service = searching(stored, 250)  # room for two
    for user in (ANNA, BEN, ANNA, CARA, ANNA):
        assert (await service.search(user, "bicycle", limit=3)).hits
    assert stored.loaded == [ANNA, BEN, CARA]
    await service.search(BEN, "bicycle", limit=3)
    assert stored.loaded == [ANNA, BEN, CARA, BEN]


async def test_an_index_that_is_larger_than_all_room_serves_its_user_alone() -> None:
    stored = Stored(anna=100, ben=1)
    service = searching(stored, 10)
    for user in (ANNA, ANNA, BEN, ANNA):
        assert (await service.search(user, "bicycle", limit=3)).hits
    assert stored.loaded == [ANNA, BEN, ANNA]


def test_what_an_index_takes_follows_what_is_in_it() -> None:
    index = UserIndex(8)
    empty = index.nbytes
    index.put(memory(1, "x" * 5_000))
    full = index.nbytes
    assert full > empty + 5_000
    index.put(memory(1, "short"))
    assert index.nbytes < full - 4_900
    index.remove(memory(1).id)
    assert index.nbytes == empty
