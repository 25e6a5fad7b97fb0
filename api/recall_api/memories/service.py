"""What can be done with memories, whoever asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recall_api.errors import ProblemError, not_found, unavailable
from recall_api.identifiers import MemoryId, UserId, new_memory_id
from recall_api.memories.model import (
    EVERYTHING,
    Change,
    Deleted,
    Draft,
    HistoryEntry,
    Memory,
    MemoryContent,
    MemoryFilter,
    Source,
)
from recall_api.memories.repository import DRAFTS_AT_ONCE, Duplicate, Lost, MemoryRepository, Written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from recall_api.memories.schemas import MemoryUpdate

RACES: Final = 8
"""How often a change without a condition is decided anew because another one came first."""
FILTERED_PAGE: Final = 200
"""Memories read at once when a filter leaves some out."""

SCANNED: Final = 5_000
"""Memories that one filtered page looks at; then it ends early, with a cursor to go on."""
COUNTED_TAGS: Final = 200

Listener = Callable[[UserId, Change, Memory], Awaitable[None]]
"""Told of every change made here, after it was made."""


@dataclass(frozen=True)
class Page:
    """A page of a list, and the id to go on after."""

    memories: list[Memory]
    last: MemoryId | None


@dataclass(frozen=True)
class DeletedPage:
    """A page of deleted memories, and the id to go on after."""

    memories: list[Deleted]
    last: MemoryId | None


@dataclass(frozen=True)
class HistoryPage:
    """A page of changes, and the version to go on before."""

    entries: list[HistoryEntry]
    last: int | None


@dataclass(frozen=True)
class Counts:
    """How many memories a user has."""

    total: int
    pinned: int
    deleted: int
    by_source: dict[str, int]
    by_tag: dict[str, int]


def _duplicate(memory_id: MemoryId) -> ProblemError:
    return ProblemError(
        409,
        "duplicate",
        "Duplicate",
        "Another memory says the same; change or delete that one.",
        extra={"memoryId": memory_id},
    )


def etag(memory: Memory) -> str:
    """Return a memory's ETag (a strong one, RFC 9110, 8.8.3)."""
    return f'"{memory.version}"'


class MemoryService:
    """Memories of one user at a time."""

    def __init__(self, repository: MemoryRepository, vector_space: str, listener: Listener) -> None:
        self._repository = repository
        self._vector_space = vector_space
        self._listener = listener

    async def create(
        self, user_id: UserId, content: MemoryContent, source: Source, origin: str = ""
    ) -> tuple[Memory, bool]:
        """Store a memory; return it, and whether it is new. One that says the same is returned as it is."""
        for _ in range(RACES):
            result = await self._repository.create(user_id, new_memory_id(), content, source, origin)
            if isinstance(result, Written):
                await self._listener(user_id, result.change, result.memory)
                return result.memory, True
            existing = await self._repository.get(user_id, result.memory_id)
            if existing is not None:
                return existing, False
            # The one that said the same was deleted between the two reads.
        raise unavailable("Storage")

    async def get(self, user_id: UserId, memory_id: MemoryId) -> Memory:
        """Return a memory.

        Raises:
            ProblemError: 404 when the user has none of that id.
        """
        memory = await self._repository.get(user_id, memory_id)
        if memory is None:
            raise not_found("memory")
        return memory

    async def create_many(self, user_id: UserId, drafts: Sequence[Draft]) -> list[tuple[MemoryId, bool]]:
        """Store drafts; return for each the memory that says it, and whether that is new."""
        first_of: dict[str, int] = {}
        for place, draft in enumerate(drafts):
            first_of.setdefault(draft.content.content_hash, place)
        distinct = list(first_of.values())
        stored: dict[int, tuple[MemoryId, bool]] = {}
        for start in range(0, len(distinct), DRAFTS_AT_ONCE):
            places = distinct[start : start + DRAFTS_AT_ONCE]
            results = await self._repository.create_many(user_id, [drafts[place] for place in places])
            for place, result in zip(places, results, strict=True):
                if isinstance(result, Written):
                    await self._listener(user_id, result.change, result.memory)
                    stored[place] = result.memory.id, True
                else:
                    stored[place] = result.memory_id, False
        return [
            stored.get(place) or (stored[first_of[draft.content.content_hash]][0], False)
            for place, draft in enumerate(drafts)
        ]

    async def get_many(self, user_id: UserId, memory_ids: Sequence[MemoryId]) -> dict[MemoryId, Memory]:
        """Return those of the memories that the user has, by id."""
        found = await self._repository.get_many(user_id, list(dict.fromkeys(memory_ids)))
        return {memory.id: memory for memory in found}

    async def known(self, user_id: UserId, hashes: Sequence[str]) -> frozenset[str]:
        """Return those of the hashes of texts that a memory of the user has already."""
        return await self._repository.known(user_id, hashes)

    def all(self, user_id: UserId) -> AsyncIterator[list[Memory]]:
        """Yield pages of all memories of the user, the oldest first."""
        return self._repository.oldest(user_id)

    async def page(
        self, user_id: UserId, *, limit: int, after: MemoryId | None = None, accepted: MemoryFilter = EVERYTHING
    ) -> Page:
        """Return up to `limit` of the user's memories that are `accepted`, the newest first."""
        found: list[Memory] = []
        scanned = 0
        size = limit + 1 if accepted.is_empty else FILTERED_PAGE
        async for page in self._repository.newest(user_id, after=after, page_size=size):
            for memory in page:
                if accepted.accepts(memory):
                    if len(found) == limit:
                        return Page(found, found[-1].id)
                    found.append(memory)
            scanned += len(page)
            if scanned >= SCANNED:
                return Page(found, page[-1].id)
        return Page(found, None)

    async def deleted_page(self, user_id: UserId, *, limit: int, after: MemoryId | None = None) -> DeletedPage:
        """Return up to `limit` of the user's deleted memories, the newest first."""
        found: list[Deleted] = []
        async for page in self._repository.deleted(user_id, after=after, page_size=limit + 1):
            found += page
            if len(found) > limit:
                return DeletedPage(found[:limit], found[limit - 1].memory.id)
        return DeletedPage(found, None)

    async def history_page(
        self, user_id: UserId, memory_id: MemoryId, *, limit: int, before: int | None = None
    ) -> HistoryPage:
        """Return up to `limit` of a memory's changes, the newest first; it may be deleted by now.

        Raises:
            ProblemError: 404.
        """
        if await self._repository.get(user_id, memory_id) is None:
            await self._deleted(user_id, memory_id)
        found: list[HistoryEntry] = []
        async for page in self._repository.history(user_id, memory_id, before=before, page_size=limit + 1):
            found += page
            if len(found) > limit:
                return HistoryPage(found[:limit], found[limit - 1].version)
        return HistoryPage(found, None)

    async def counts(self, user_id: UserId) -> Counts:
        """Count the user's memories; it reads them all."""
        sources: Counter[str] = Counter()
        tags: Counter[str] = Counter()
        total = pinned = deleted = 0
        async for page in self._repository.newest(user_id):
            total += len(page)
            for memory in page:
                pinned += memory.content.pinned
                sources[memory.source.value] += 1
                tags.update(memory.content.tags)
        async for gone in self._repository.deleted(user_id):
            deleted += len(gone)
        return Counts(total, pinned, deleted, dict(sources), dict(tags.most_common(COUNTED_TAGS)))

    async def restore(self, user_id: UserId, memory_id: MemoryId) -> Memory:
        """Bring back a deleted memory; one that is not deleted is returned as it is.

        Raises:
            ProblemError: 404 when it is gone, 409 when another memory says the same by now.
        """
        for _ in range(RACES):
            if (memory := await self._repository.get(user_id, memory_id)) is not None:
                return memory
            result = await self._repository.restore(user_id, await self._deleted(user_id, memory_id))
            match result:
                case Written():
                    await self._listener(user_id, result.change, result.memory)
                    return result.memory
                case Duplicate():
                    raise _duplicate(result.memory_id)
        raise unavailable("Storage")

    async def update(
        self, user_id: UserId, memory_id: MemoryId, change: MemoryUpdate, expected: frozenset[str] | None
    ) -> Memory:
        """Change a memory; `expected` are the ETags that it may have, none for any.

        Raises:
            ProblemError: 404, 412 when it has another ETag, 409 when another memory says the same.
        """
        for _ in range(RACES):
            old = await self._checked(user_id, memory_id, expected)
            content = change.applied_to(old.content)
            if content == old.content:
                return old
            result = await self._repository.update(user_id, old, content)
            match result:
                case Written():
                    await self._listener(user_id, result.change, result.memory)
                    return result.memory
                case Duplicate():
                    raise _duplicate(result.memory_id)
        raise unavailable("Storage")

    async def delete(
        self, user_id: UserId, memory_id: MemoryId, expected: frozenset[str] | None, *, permanently: bool = False
    ) -> None:
        """Delete a memory; `expected` as for `update`. `permanently` takes its history too, and may be said later.

        Raises:
            ProblemError: 404, 412.
        """
        for _ in range(RACES):
            if permanently and await self._repository.get(user_id, memory_id) is None:
                await self._deleted(user_id, memory_id)
                await self._repository.purge(user_id, memory_id)
                return
            old = await self._checked(user_id, memory_id, expected)
            if permanently:
                # Before and after: one that breaks off here leaves the memory, so that it is asked for again.
                await self._repository.purge(user_id, memory_id)
            result = await self._repository.delete(user_id, old, self._vector_space, permanently=permanently)
            if not isinstance(result, Lost):
                await self._listener(user_id, result.change, old)
                if permanently:
                    await self._repository.purge(user_id, memory_id)
                return
        raise unavailable("Storage")

    async def _deleted(self, user_id: UserId, memory_id: MemoryId) -> Deleted:
        deleted = await self._repository.get_deleted(user_id, memory_id)
        if deleted is None:
            raise not_found("memory")
        return deleted

    async def _checked(self, user_id: UserId, memory_id: MemoryId, expected: frozenset[str] | None) -> Memory:
        memory = await self.get(user_id, memory_id)
        if expected is not None and etag(memory) not in expected:
            raise ProblemError(
                412,
                "changed",
                "Changed meanwhile",
                "The memory is not what If-Match says any more; read it again and decide anew.",
                headers={"ETag": etag(memory)},
            )
        return memory
