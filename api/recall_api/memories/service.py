"""What can be done with memories, whoever asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recall_api.errors import ProblemError, not_found, unavailable
from recall_api.identifiers import MemoryId, UserId, new_memory_id
from recall_api.memories.model import Change, Memory, MemoryContent, Source
from recall_api.memories.repository import Duplicate, Lost, MemoryRepository, Written

if TYPE_CHECKING:
    from recall_api.memories.schemas import MemoryUpdate

RACES: Final = 8
"""How often a change without a condition is decided anew because another one came first."""
FILTERED_PAGE: Final = 200
"""Memories read at once when a filter leaves some out."""

Listener = Callable[[UserId, Change, Memory], Awaitable[None]]
"""Told of every change made here, after it was made."""


@dataclass(frozen=True)
class Page:
    """A page of a list, and the id to go on after."""

    memories: list[Memory]
    last: MemoryId | None


def etag(memory: Memory) -> str:
    """Return a memory's ETag (a strong one, RFC 9110, 8.8.3)."""
    return f'"{memory.version}"'


class MemoryService:
    """Memories of one user at a time."""

    def __init__(self, repository: MemoryRepository, vector_space: str, listener: Listener) -> None:
        self._repository = repository
        self._vector_space = vector_space
        self._listener = listener

    async def create(self, user_id: UserId, content: MemoryContent, source: Source) -> tuple[Memory, bool]:
        """Store a memory; return it, and whether it is new. One that says the same is returned as it is."""
        for _ in range(RACES):
            result = await self._repository.create(user_id, new_memory_id(), content, source)
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

    async def page(
        self, user_id: UserId, *, limit: int, after: MemoryId | None = None, tags: frozenset[str] = frozenset()
    ) -> Page:
        """Return up to `limit` of the user's memories that have all `tags`, the newest first."""
        found: list[Memory] = []
        pages = self._repository.newest(user_id, after=after, page_size=FILTERED_PAGE if tags else limit + 1)
        async for page in pages:
            for memory in page:
                if tags <= set(memory.content.tags):
                    if len(found) == limit:
                        return Page(found, found[-1].id)
                    found.append(memory)
        return Page(found, None)

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
                    raise ProblemError(
                        409,
                        "duplicate",
                        "Duplicate",
                        "Another memory says the same; change or delete that one.",
                        extra={"memoryId": result.memory_id},
                    )
        raise unavailable("Storage")

    async def delete(self, user_id: UserId, memory_id: MemoryId, expected: frozenset[str] | None) -> None:
        """Delete a memory; `expected` as for `update`.

        Raises:
            ProblemError: 404, 412.
        """
        for _ in range(RACES):
            old = await self._checked(user_id, memory_id, expected)
            result = await self._repository.delete(user_id, old, self._vector_space)
            if not isinstance(result, Lost):
                await self._listener(user_id, result.change, old)
                return
        raise unavailable("Storage")

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
