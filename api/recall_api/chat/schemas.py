"""Chat as requests and events."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from recall_api.chat.model import Turn
from recall_api.errors import Problem
from recall_api.memories.schemas import MemoryView
from recall_api.search.schemas import Explanation
from recall_api.text import Schema, Words

MAX_MESSAGE_LENGTH = 32_000
MAX_HISTORY = 200


class ChatMessage(Schema):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: Annotated[Words, Field(max_length=MAX_MESSAGE_LENGTH)]


class ChatRequest(Schema):
    """A question, and the conversation that it goes on with."""

    message: Annotated[Words, Field(max_length=MAX_MESSAGE_LENGTH, examples=["What should I not cook for dinner?"])]
    history: Annotated[list[ChatMessage], Field(max_length=MAX_HISTORY)] = Field(
        default_factory=list, description="What was said before: the user first, then in turns, the assistant last."
    )
    model: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="One of the models in `/v1/config`; absent means the default."
    )
    memory: bool = Field(default=True, description="False: answer without any memories.")
    max_memories: Annotated[int, Field(ge=1, le=20, strict=True)] = 8

    @model_validator(mode="after")
    def _check_turns(self) -> Self:
        # Bedrock's rule for Converse: the user begins, and roles alternate.
        expected = ["user" if number % 2 == 0 else "assistant" for number in range(len(self.history))]
        if len(self.history) % 2 or [said.role for said in self.history] != expected:
            raise PydanticCustomError(
                "turns", "history must begin with the user, alternate, and end with the assistant"
            )
        return self

    def turns(self) -> tuple[Turn, ...]:
        """Return the conversation; the last turn is the question."""
        return (*(Turn(said.role, said.text) for said in self.history), Turn("user", self.message))


class RecalledMemory(MemoryView):
    """A memory that the model is given."""

    number: int = Field(description="By which citations name it, from 1.")
    explanation: Explanation


class RecalledEvent(Schema):
    """Event `recalled`, always the first: which memories the model is given."""

    memories: list[RecalledMemory]
    by_meaning: bool


class DeltaEvent(Schema):
    """Event `delta`: more text of the answer."""

    text: str


class CitationEvent(Schema):
    """Event `citation`: the answer up to `answerOffset` rests on `start` to `end` of a memory (code points)."""

    number: int
    memory_id: str
    start: int
    end: int
    answer_offset: int


class UsageView(Schema):
    """Tokens as Bedrock counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class DoneEvent(Schema):
    """Event `done`, the last of a complete answer."""

    model: str
    stop_reason: str
    usage: UsageView
    latency_ms: int


EVENT_SCHEMAS: dict[str, type[Schema | Problem]] = {
    "recalled": RecalledEvent,
    "delta": DeltaEvent,
    "citation": CitationEvent,
    "done": DoneEvent,
    "error": Problem,
}
"""Every event of a stream by its name. `error` is the last one of an answer that is not complete."""
