"""What the tools answer: less than the HTTP API, because a language model reads all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from recall_api.memories.model import UNDO_TIME
from recall_api.text import Moment, Schema

if TYPE_CHECKING:
    from recall_api.memories.model import Memory
    from recall_api.search.index import Hit


class Remembered(Schema):
    """A memory is stored."""

    memory_id: str
    duplicate: bool = Field(description="True when a memory said the same already: nothing new was stored.")


class Forgotten(Schema):
    """A memory is deleted."""

    memory_id: str
    restorable_days: int = Field(default=UNDO_TIME.days, description="How long the user can bring it back in the app.")


class ListedMemory(Schema):
    """A memory."""

    memory_id: str
    text: str
    tags: list[str]
    occurred_at: Moment | None
    created_at: Moment

    @classmethod
    def of(cls, memory: Memory) -> ListedMemory:
        """Return the answer for `memory`."""
        return cls(
            memory_id=memory.id,
            text=memory.content.text,
            tags=list(memory.content.tags),
            occurred_at=memory.content.occurred_at,
            created_at=memory.created_at,
        )


class FoundMemory(ListedMemory):
    """A memory that was looked for."""

    score: float

    @classmethod
    def of_hit(cls, hit: Hit) -> FoundMemory:
        """Return the answer for `hit`."""
        return cls(**dict(ListedMemory.of(hit.memory)), score=hit.score)


class FoundMemories(Schema):
    """What was found, the best first."""

    memories: list[FoundMemory]
    by_meaning: bool = Field(description="False when only words could be searched.")


class ListedMemories(Schema):
    """One page, the newest first; it may hold fewer than asked for and still have a next one."""

    memories: list[ListedMemory]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last page.")
