"""Memories as requests and answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from recall_api.identifiers import ULID_PATTERN
from recall_api.memories.model import (
    MAX_MODELS,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_TEXT_LENGTH,
    Action,
    Deleted,
    HistoryEntry,
    Memory,
    MemoryContent,
    MemoryFilter,
    Source,
)
from recall_api.pages import MAX_CURSOR_LENGTH
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
    source: Source = Field(description="`typed`, `imported`, or `accepted` from what a model proposed in a chat.")
    origin: str = Field(description="Where exactly it came from: an import's name, a conversation's id; else empty.")
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
            origin=memory.origin,
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


class ListFilter(Schema):
    """Which memories a list holds; those that meet everything that is asked."""

    tag: list[Tag] = Field(default_factory=list, max_length=20, description="Memories with all of these tags.")
    any_tag: list[Tag] = Field(default_factory=list, max_length=20, description="With at least one of these tags.")
    pinned: bool | None = None
    source: Source | None = None
    text: Annotated[str, StringConstraints(max_length=200)] = Field(default="", description="Words in the text.")
    occurred_after: Moment | None = Field(default=None, description="At this time or later.")
    occurred_before: Moment | None = None
    created_after: Moment | None = Field(default=None, description="At this time or later.")
    created_before: Moment | None = None
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR_LENGTH)

    def accepted(self) -> MemoryFilter:
        """Return the filter that is asked for."""
        return MemoryFilter(
            all_tags=frozenset(self.tag),
            any_tags=frozenset(self.any_tag),
            pinned=self.pinned,
            source=self.source,
            text=self.text,
            occurred_after=self.occurred_after,
            occurred_before=self.occurred_before,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class DeletedMemoryView(MemoryView):
    """A memory that was deleted and can be restored."""

    deleted_at: Moment
    gone_at: Moment = Field(description="Until then it can be restored.")

    @classmethod
    def of_deleted(cls, deleted: Deleted) -> DeletedMemoryView:
        """Return the answer for `deleted`."""
        view = dict(MemoryView.of(deleted.memory))
        return cls(**view, deleted_at=deleted.deleted_at, gone_at=deleted.gone_at)


class DeletedMemoryPage(Schema):
    """One page of deleted memories, the newest first."""

    items: list[DeletedMemoryView]
    next_cursor: str | None


class PreviousContent(Schema):
    """What a memory said before it was changed."""

    text: str
    tags: list[str]
    occurred_at: Moment | None
    pinned: bool
    never_send_to: list[str]


class MemoryChange(Schema):
    """One change of a memory."""

    version: int
    action: Action
    at: Moment
    before: PreviousContent | None = Field(description="What an update replaced; null for other changes.")

    @classmethod
    def of(cls, entry: HistoryEntry) -> MemoryChange:
        """Return the answer for `entry`."""
        before = entry.before
        return cls(
            version=entry.version,
            action=entry.action,
            at=entry.at,
            before=before
            and PreviousContent(
                text=before.text,
                tags=list(before.tags),
                occurred_at=before.occurred_at,
                pinned=before.pinned,
                never_send_to=list(before.never_send_to),
            ),
        )


class MemoryHistory(Schema):
    """One page of a memory's changes of the last 30 days, the newest first. Its making is its `createdAt`."""

    items: list[MemoryChange]
    next_cursor: str | None


class MemoryCounts(Schema):
    """How many memories a user has."""

    total: int
    pinned: int
    deleted: int = Field(description="Those that can still be restored; not part of the total.")
    by_source: dict[str, int]
    by_tag: dict[str, int] = Field(description="The 200 most frequent tags, the most frequent first.")


MAX_BATCH: Final = 100


class MemoryBatch(Schema):
    """Memories to store and to delete at once; each succeeds or fails by itself."""

    create: list[MemoryCreate] = Field(default_factory=list, max_length=MAX_BATCH)
    delete: list[Annotated[str, StringConstraints(max_length=64)]] = Field(default_factory=list, max_length=MAX_BATCH)
    imported_from: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        default=None, description="Name of the import that the new ones are chosen from; they count as imported."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.create and not self.delete:
            raise PydanticCustomError("nothing_to_do", "must name at least one memory to create or to delete")
        return self


class CreatedItem(Schema):
    """What became of one memory to store."""

    status: Literal["created", "duplicate"]
    memory: MemoryView


class DeletedItem(Schema):
    """What became of one memory to delete."""

    status: Literal["deleted", "not-found"]
    id: str


class MemoryBatchResult(Schema):
    """What became of each part of a batch, in the order of the request."""

    created: list[CreatedItem]
    deleted: list[DeletedItem]
