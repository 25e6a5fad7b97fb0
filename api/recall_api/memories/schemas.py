"""Memories as requests and answers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from recall_api.identifiers import ULID_PATTERN
from recall_api.memories.model import (
    MAX_MODELS,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_TEXT_LENGTH,
    Memory,
    MemoryContent,
    Source,
)
from recall_api.text import Moment, Schema, Words


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Text = Annotated[Words, Field(min_length=1, max_length=MAX_TEXT_LENGTH, examples=["I am allergic to peanuts."])]
Tag = Annotated[Words, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG_LENGTH)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_distinct)]
ModelName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9.:_-]{0,127})$")]
ModelNames = Annotated[
    list[ModelName],
    Field(max_length=MAX_MODELS, description="Models that must not be told this memory; `*` stands for all."),
    AfterValidator(_distinct),
]
MemoryIdText = Annotated[str, StringConstraints(pattern=ULID_PATTERN)]


class MemoryCreate(Schema):
    """A memory to be stored."""

    text: Text
    tags: Tags = Field(default_factory=list)
    occurred_at: Moment | None = Field(default=None, description="When it happened; its date can be searched for.")
    pinned: bool = False
    never_send_to: ModelNames = Field(default_factory=list)

    def content(self) -> MemoryContent:
        """Return what is asked to be stored."""
        return MemoryContent(
            text=self.text,
            tags=tuple(self.tags),
            occurred_at=self.occurred_at,
            pinned=self.pinned,
            never_send_to=tuple(self.never_send_to),
        )


class MemoryUpdate(Schema):
    """A change to a memory: fields that are absent stay as they are, `occurredAt: null` takes the time away."""

    text: Text | None = None
    tags: Tags | None = None
    occurred_at: Moment | None = None
    pinned: bool | None = None
    never_send_to: ModelNames | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must name at least one field to change")
        for name in self.model_fields_set - {"occurred_at"}:
            if getattr(self, name) is None:
                raise PydanticCustomError("null", "only occurredAt may be null")
        return self

    def applied_to(self, old: MemoryContent) -> MemoryContent:
        """Return `old` with this change."""
        return MemoryContent(
            text=old.text if self.text is None else self.text,
            tags=old.tags if self.tags is None else tuple(self.tags),
            occurred_at=self.occurred_at if "occurred_at" in self.model_fields_set else old.occurred_at,
            pinned=old.pinned if self.pinned is None else self.pinned,
            never_send_to=old.never_send_to if self.never_send_to is None else tuple(self.never_send_to),
        )


class MemoryView(Schema):
    """A memory as it is stored."""

    id: MemoryIdText
    text: str
    tags: list[str]
    occurred_at: Moment | None
    pinned: bool
    never_send_to: list[str]
    source: Source
    version: int = Field(description="Grows with every change; the same number as in the ETag.")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, memory: Memory) -> MemoryView:
        """Return the answer for `memory`."""
        content = memory.content
        return cls(
            id=memory.id,
            text=content.text,
            tags=list(content.tags),
            occurred_at=content.occurred_at,
            pinned=content.pinned,
            never_send_to=list(content.never_send_to),
            source=memory.source,
            version=memory.version,
            created_at=memory.created_at,
            updated_at=memory.updated_at,
        )


class MemoryStored(MemoryView):
    """The answer to storing a memory."""

    duplicate: bool = Field(description="True when it was there already: nothing new was stored.")


class MemoryPage(Schema):
    """One page of memories, the newest first."""

    items: list[MemoryView]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last page.")
