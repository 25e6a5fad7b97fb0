"""Imports as requests and answers, and one memory as a line of a file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from recall_api.memories.model import Source
from recall_api.memories.schemas import MemoryIdText, ModelNames, Tags, Text
from recall_api.text import Moment, Schema, storable


class ImportFormat(StrEnum):
    """What can be read."""

    NDJSON = "ndjson"
    TEXT = "text"
    """Each line is a memory."""
    PARAGRAPHS = "paragraphs"
    """Each paragraph is a memory."""
    MARKDOWN = "markdown"
    """Recall's own export, or any Markdown (paragraphs and list items), or a folder of it as a ZIP."""
    CHATGPT = "chatgpt"
    """`conversations.json`, or the ZIP that holds it."""
    CLAUDE = "claude"

    @property
    def is_chat(self) -> bool:
        """Say whether it holds conversations, of which only proposals can be made."""
        return self in (ImportFormat.CHATGPT, ImportFormat.CLAUDE)


class MemoryLine(Schema):
    """A memory in a file. Only `text` must be there."""

    id: MemoryIdText | None = None
    text: Text
    tags: Tags = Field(default_factory=list)
    occurred_at: Moment | None = None
    pinned: bool = False
    never_send_to: ModelNames = Field(default_factory=list)
    source: Source | None = None
    origin: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    created_at: Moment | None = None
    updated_at: Moment | None = None


class RejectedLine(Schema):
    """A part of the file that is no memory."""

    line: int = Field(description="Its line; in chat exports and folders the number of the conversation or file.")
    field: str | None
    message: str


class Proposal(Schema):
    """What could be a memory."""

    text: str
    tags: list[str]
    occurred_at: Moment | None


class ImportReport(Schema):
    """What an import did, or would do."""

    format: ImportFormat
    dry_run: bool
    read: int = Field(description="Memories that were found in the file.")
    stored: int = Field(description="New ones; in a dry run those that would be.")
    duplicates: int = Field(description="Those that are there already, or more than once in the file.")
    rejected: int
    rejects: list[RejectedLine] = Field(description="The first 100 of them.")
    samples: list[Proposal] = Field(description="The first five new ones; of a chat export up to 500 proposals.")
    complete: bool = Field(description="False when the file holds more than one import may have; send the rest apart.")
