"""Chat as requests and events."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from recall_api.chat.model import Turn
from recall_api.errors import Problem
from recall_api.identifiers import ULID_PATTERN
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
        default_factory=list,
        description="What was said before, for an incognito question: the user first, in turns, the assistant last.",
    )
    conversation_id: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The stored conversation that this goes on with; absent begins a new one."
    )
    replaces: Annotated[str, Field(pattern=ULID_PATTERN)] | None = Field(
        default=None,
        description="A message of the conversation: the question that it is or answers, and all that follows it, make "
        "way for this question and its answer. The same text asks again, another one edits.",
    )
    incognito: bool = Field(default=False, description="True: nothing of question and answer is stored.")
    model: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="One of the models in `/v1/config`; absent means the default."
    )
    memory: bool = Field(default=True, description="False: answer without any memories.")
    max_memories: Annotated[int, Field(ge=1, le=20, strict=True)] = 8
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _check_turns(self) -> Self:
        # Bedrock's rule for Converse: the user begins, and roles alternate.
        expected = ["user" if number % 2 == 0 else "assistant" for number in range(len(self.history))]
        if len(self.history) % 2 or [said.role for said in self.history] != expected:
            raise PydanticCustomError(
                "turns", "history must begin with the user, alternate, and end with the assistant"
            )
        if self.history and not self.incognito:
            raise PydanticCustomError(
                "history", "history belongs to incognito questions; a stored conversation goes on by conversationId"
            )
        if self.incognito and self.conversation_id is not None:
            raise PydanticCustomError("incognito", "an incognito question belongs to no conversation; leave its id out")
        if self.replaces is not None and self.conversation_id is None:
            raise PydanticCustomError("replaces", "replaces needs the conversationId that the message is in")
        return self

    def turns(self) -> tuple[Turn, ...]:
        """Return the conversation; the last turn is the question."""
        return (*(Turn(said.role, said.text) for said in self.history), Turn("user", self.message))


class StartedEvent(Schema):
    """Event `started`, always the first: which model answers, and where the exchange will be kept."""

    model: str
    stored: bool = Field(description="False for an incognito question: nothing of it is kept.")
    conversation_id: str | None
    message_id: str | None
    answer_id: str | None


class RecalledMemory(MemoryView):
    """A memory that the model is given."""

    number: int = Field(description="By which citations name it, from 1.")
    explanation: Explanation


class RecalledEvent(Schema):
    """Event `recalled`, the second: which memories the model is given."""

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


class GuardrailEvent(Schema):
    """Event `guardrail`: the answer was held back, by the instance's guardrail or by the model's own filter."""

    stop_reason: Literal["guardrail_intervened", "content_filtered"]
    message: str = (
        "The answer was held back by this instance's rules for content. The model will not be told of this exchange."
    )


class ProposalEvent(Schema):
    """Event `proposal`: words of the question that may be worth remembering; nothing is stored until it is accepted."""

    id: str = Field(description="Accept or reject it below `/v1/conversations/{conversationId}/proposals/`.")
    text: str
    start: int = Field(description="Where it begins in the question, in code points.")
    end: int
    message_id: str


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
    cost_micro_dollars: int = Field(description="Millionths of a US dollar.")


EVENT_SCHEMAS: dict[str, type[Schema | Problem]] = {
    "started": StartedEvent,
    "recalled": RecalledEvent,
    "delta": DeltaEvent,
    "citation": CitationEvent,
    "guardrail": GuardrailEvent,
    "proposal": ProposalEvent,
    "done": DoneEvent,
    "error": Problem,
}
"""Every event of a stream by its name. `error` is the last one of an answer that is not complete."""
