"""What the API answers, as frozen models. Fields that this version does not know are left out, not refused."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Memory(Model):
    """A memory as it is stored."""

    id: str
    text: str
    tags: tuple[str, ...]
    occurred_at: datetime | None
    pinned: bool
    never_send_to: tuple[str, ...]
    source: str
    """`typed`, `imported` or `accepted`."""
    origin: str
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """What `If-Match` asks for."""
        return f'"{self.version}"'


class Stored(Memory):
    """The answer to storing a memory."""

    duplicate: bool
    """True when it was there already: nothing new was stored."""


class Page(Model):
    """One page of a list."""

    items: tuple[Memory, ...]
    next_cursor: str | None


class Span(Model):
    """A part of a text, in characters; `end` is the one after it."""

    start: int
    end: int


class WordsExplanation(Model):
    """How a memory was found by its words."""

    rank: int
    score: float
    terms: dict[str, float]
    spans: tuple[Span, ...]


class VectorExplanation(Model):
    """How a memory was found by its meaning."""

    rank: int
    similarity: float


class TimeSpan(Model):
    """A time that a query names."""

    words: str
    start: datetime
    end: datetime


class TimeExplanation(TimeSpan):
    """How a memory was found by a time that the query names."""

    score: float


class Explanation(Model):
    """Why a memory was found."""

    score: float
    words: WordsExplanation | None
    vector: VectorExplanation | None
    time: TimeExplanation | None


class Hit(Model):
    """A memory that was found, and why."""

    memory: Memory
    explanation: Explanation


class Found(Model):
    """What was found, the best first."""

    hits: tuple[Hit, ...]
    by_meaning: bool
    """False when only words could be searched."""
    times: tuple[TimeSpan, ...]


class RejectedLine(Model):
    """A part of a file that is no memory."""

    line: int
    field: str | None
    message: str


class Sample(Model):
    """What could be a memory."""

    text: str
    tags: tuple[str, ...]
    occurred_at: datetime | None


class ImportReport(Model):
    """What an import did, or would do."""

    format: str
    dry_run: bool
    read: int
    stored: int
    duplicates: int
    rejected: int
    rejects: tuple[RejectedLine, ...]
    samples: tuple[Sample, ...]
    complete: bool


class Started(Model):
    """The question was accepted."""

    model: str
    stored: bool
    conversation_id: str | None
    message_id: str | None
    answer_id: str | None


class RecalledMemory(Memory):
    """A memory that the model is given."""

    number: int
    """By which citations name it, from 1."""
    explanation: Explanation


class Recalled(Model):
    """The memories that the model is given."""

    memories: tuple[RecalledMemory, ...]
    by_meaning: bool


class Delta(Model):
    """More text of the answer."""

    text: str


class Citation(Model):
    """The answer up to `answer_offset` rests on `start` to `end` of a memory."""

    number: int
    memory_id: str
    start: int
    end: int
    answer_offset: int


class Guardrail(Model):
    """The answer was held back."""

    stop_reason: str
    message: str


class Proposal(Model):
    """Words of the question that may be worth remembering."""

    id: str
    text: str
    start: int
    end: int
    message_id: str


class Usage(Model):
    """Tokens as Bedrock counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class Done(Model):
    """The answer is complete."""

    model: str
    stop_reason: str
    usage: Usage
    latency_ms: int
    cost_micro_dollars: int


ChatEvent = Started | Recalled | Delta | Citation | Guardrail | Proposal | Done

EVENTS: dict[str, type[ChatEvent]] = {
    "started": Started,
    "recalled": Recalled,
    "delta": Delta,
    "citation": Citation,
    "guardrail": Guardrail,
    "proposal": Proposal,
    "done": Done,
}

ImportFormat = Literal["ndjson", "text", "paragraphs", "markdown", "chatgpt", "claude"]
ExportFormat = Literal["ndjson", "markdown"]
