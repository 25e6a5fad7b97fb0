"""A memory as the API handles it, and the pure decisions about one."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from recall_api.identifiers import MemoryId

MAX_TEXT_LENGTH: Final = 8_000
"""Characters. An item must stay below DynamoDB's 400 KB and a text below Titan V2's 8,192 tokens."""
MAX_TAGS: Final = 20
MAX_TAG_LENGTH: Final = 50
MAX_MODELS: Final = 20


class Source(StrEnum):
    """Where a memory came from."""

    TYPED = "typed"


class Action(StrEnum):
    """What a change did."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


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

    @property
    def content_hash(self) -> str:
        """What two memories share when they say the same: SHA-256 of the text, whatever its spacing or encoding."""
        return content_hash(self.text)

    def may_be_sent_to(self, model: str) -> bool:
        """Say whether `model` may be told this memory."""
        return not any(refused in ("*", model) for refused in self.never_send_to)


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


@dataclass(frozen=True)
class Change:
    """One of a user's changes, in the order in which they were made."""

    version: int
    action: Action
    memory_id: MemoryId


def content_hash(text: str) -> str:
    """Return the hash by which duplicates of `text` are found."""
    return hashlib.sha256(" ".join(unicodedata.normalize("NFC", text).split()).encode()).hexdigest()
