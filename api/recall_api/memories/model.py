"""A memory as the API handles it, and the pure decisions about one."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from recall_api.identifiers import MemoryId

MAX_TEXT_LENGTH: Final = 8_000
"""Characters. An item must stay below DynamoDB's 400 KB and a text below Titan V2's 8,192 tokens."""
MAX_TAGS: Final = 20
MAX_TAG_LENGTH: Final = 50
MAX_MODELS: Final = 20
UNDO_TIME: Final = timedelta(days=30)
"""How long a deleted memory, and what a changed one said before, can be brought back; then it is gone."""


class Source(StrEnum):
    """Where a memory came from."""

    TYPED = "typed"
    IMPORTED = "imported"
    ACCEPTED = "accepted"
    """A model proposed it in a chat and the user took it."""


class Action(StrEnum):
    """What a change did."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True)
class MemoryContent:
    """What the user decides about a memory."""

    text: str
    tags: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    """When it happened, with the offset that the user gave: its date is the date where the user was."""
    pinned: bool = False
    never_send_to: tuple[str, ...] = ()
    """Models that must not be told this memory; `*` stands for all."""

    def is_kept_from(self, model: str) -> bool:
        """Say whether `model` must not be told this."""
        return "*" in self.never_send_to or model in self.never_send_to

    @cached_property
    def content_hash(self) -> str:
        """What two memories share when they say the same: SHA-256 of the text, whatever its spacing or encoding."""
        return content_hash(self.text)


@dataclass(frozen=True)
class Memory:
    """A memory that is stored."""

    id: MemoryId
    content: MemoryContent
    version: int
    """Number of the user's change that made it what it is; its ETag."""
    created_at: datetime
    updated_at: datetime
    source: Source
    origin: str = ""
    """Where exactly it came from: an import's name, a conversation's id."""


@dataclass(frozen=True)
class Draft:
    """A memory that is to be stored; one that was exported brings its times with it."""

    id: MemoryId
    content: MemoryContent
    source: Source
    origin: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Deleted:
    """A memory that was deleted and can be brought back until `gone_at`."""

    memory: Memory
    deleted_at: datetime
    gone_at: datetime


@dataclass(frozen=True)
class HistoryEntry:
    """One change of one memory."""

    version: int
    """The user's change that it was."""
    action: Action
    at: datetime
    before: MemoryContent | None
    """What an update replaced; none for other changes, which replace nothing."""


@dataclass(frozen=True)
class MemoryFilter:
    """Which memories a list holds: those that meet everything that is asked."""

    all_tags: frozenset[str] = frozenset()
    any_tags: frozenset[str] = frozenset()
    pinned: bool | None = None
    source: Source | None = None
    text: str = ""
    """Words that the text contains, whatever their case."""
    occurred_after: datetime | None = None
    occurred_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    any_model: bool = False
    """It may be told to every model: its user named none that must not know it."""

    @property
    def is_empty(self) -> bool:
        """Say whether every memory is accepted."""
        return self == MemoryFilter()

    def accepts(self, memory: Memory) -> bool:
        """Say whether a list with this filter holds `memory`; spans include their start and not their end."""
        content, tags = memory.content, set(memory.content.tags)
        return (
            self.all_tags <= tags
            and (not self.any_tags or not self.any_tags.isdisjoint(tags))
            and self.pinned in (None, content.pinned)
            and self.source in (None, memory.source)
            and not (self.any_model and content.never_send_to)
            and self.text.casefold() in content.text.casefold()
            and _within(content.occurred_at, self.occurred_after, self.occurred_before)
            and _within(memory.created_at, self.created_after, self.created_before)
        )


@dataclass(frozen=True)
class Change:
    """One of a user's changes, in the order in which they were made."""

    version: int
    action: Action
    memory_id: MemoryId


EVERYTHING: Final = MemoryFilter()
"""The filter that accepts every memory."""


def _within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if moment is None:
        return after is None and before is None
    return (after is None or moment >= after) and (before is None or moment < before)


def content_hash(text: str) -> str:
    """Return the hash by which duplicates of `text` are found."""
    return hashlib.sha256(" ".join(unicodedata.normalize("NFC", text).split()).encode()).hexdigest()
