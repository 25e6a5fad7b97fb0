"""OpenAI's chat completions as requests and answers: what is understood, and what is refused by name.

Source: OpenAI API reference, "Create chat completion". A parameter that would change the answer and cannot be obeyed
is refused; one at its neutral value, or one that is only a hint, is taken. Names are OpenAI's, so not in camelCase.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from recall_api.chat.prompt import MAX_OUTPUT_TOKENS
from recall_api.openai.models import WITHOUT_MEMORIES
from recall_api.text import Words

MAX_MESSAGES: Final = 1_000
MOST_OUTPUT_TOKENS: Final = 65_536
"""No model of Bedrock writes more in one answer; a smaller model refuses what is too much for it."""


class Part(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _only(*neutral: Any) -> BeforeValidator:
    """Return the rule that a parameter may have these values, which change nothing."""

    def check(value: Any) -> Any:
        for allowed in (None, *neutral):
            if value == allowed and isinstance(value, bool) == isinstance(allowed, bool):
                return None if allowed in ([], {}) else allowed
        raise PydanticCustomError("unsupported_value", "is not supported here; leave it out")

    return BeforeValidator(check)


class TextPart(Part):
    """Text; images, sound and files are refused."""

    type: Literal["text"]
    text: Words


Content = Annotated[Words | list[TextPart], Field(description="Text, or parts of it.")]


class SystemMessage(Part):
    """Instructions of your application, before everything that was said."""

    role: Literal["system", "developer"]
    content: Content
    name: Annotated[None, _only()] = None


class UserMessage(Part):
    """What the user said."""

    role: Literal["user"]
    content: Content
    name: Annotated[None, _only()] = None


class AssistantMessage(Part):
    """What the model said; an answer of this API can be sent back as it is."""

    role: Literal["assistant"]
    content: Content
    name: Annotated[None, _only()] = None
    refusal: Annotated[None, _only()] = None
    tool_calls: Annotated[None, _only([])] = None
    function_call: Annotated[None, _only()] = None
    audio: Annotated[None, _only()] = None
    annotations: Annotated[None, _only([])] = None


InputMessage = Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]


class StreamOptions(Part):
    """How a stream is written."""

    include_usage: bool | None = Field(default=None, description="A last chunk says how many tokens it took.")
    include_obfuscation: Annotated[Literal[False] | None, _only(False)] = None


class TextFormat(Part):
    """Plain text."""

    type: Literal["text"]


class CompletionRequest(Part):
    """A conversation to go on with. Nothing of it is stored."""

    model: Annotated[str, Field(max_length=128)] = Field(
        description=f"One of `/v1/openai/models`; with the suffix `{WITHOUT_MEMORIES}` no memories are recalled."
    )
    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS)] | None = Field(
        default=None, description=f"{MAX_OUTPUT_TOKENS} when absent; what they may cost is set aside of the budget."
    )
    max_tokens: Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS)] | None = Field(
        default=None, description="The older name of `max_completion_tokens`; not both."
    )
    temperature: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="0 to 1; some models take only one of `temperature` and `top_p`."
    )
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: Words | Annotated[list[Words], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    user: str | None = Field(default=None, description="Ignored: the user comes from the token.")
    safety_identifier: str | None = Field(default=None, description="Ignored: the user comes from the token.")
    prompt_cache_key: str | None = Field(default=None, description="A hint; ignored.")
    metadata: dict[str, str] | None = Field(default=None, description="Belongs to stored completions; ignored.")
    parallel_tool_calls: bool | None = Field(default=None, description="Means nothing without tools.")

    store: Annotated[Literal[False] | None, _only(False)] = Field(
        default=None, description="Nothing is stored here; `/v1/chat` keeps conversations."
    )
    n: Annotated[Literal[1] | None, _only(1)] = None
    frequency_penalty: Annotated[Literal[0] | None, _only(0)] = None
    presence_penalty: Annotated[Literal[0] | None, _only(0)] = None
    logprobs: Annotated[Literal[False] | None, _only(False)] = None
    logit_bias: Annotated[None, _only({})] = None
    response_format: TextFormat | None = None
    modalities: Annotated[list[Literal["text"]] | None, Field(max_length=1)] = None
    service_tier: Annotated[Literal["auto", "default"] | None, _only("auto", "default")] = None
    tool_choice: Annotated[Literal["none", "auto"] | None, _only("none", "auto")] = None
    tools: Annotated[None, _only([])] = Field(default=None, description="Tools are not supported; `[]` is taken.")


class Piece(BaseModel):
    """Base of what a stream brings: what says nothing is left out."""

    model_config = ConfigDict(frozen=True)


class Answered(Piece):
    """Base of whole answers."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class CompletionMemory(Answered):
    """A memory that the model was given."""

    number: int = Field(description="By which citations name it, from 1.")
    memory_id: str
    text: str
    occurred_at: str | None
    score: float


class CompletionCitation(Answered):
    """The answer up to `answer_offset` rests on `start` to `end` of a memory (code points)."""

    number: int
    memory_id: str
    start: int
    end: int
    answer_offset: int


class CompletionRecall(Piece):
    """What Recall adds: the memories that shaped the answer. In a stream each part comes when it is known."""

    memories: list[CompletionMemory] = Field(default_factory=list)
    citations: list[CompletionCitation] = Field(default_factory=list)
    stop_reason: str | None = Field(default=None, description="Bedrock's own word for the end.")
    cost_micro_dollars: int | None = Field(default=None, description="Millionths of a US dollar; known at the end.")


FinishReason = Literal["stop", "length", "content_filter"]


class CachedTokens(Answered):
    """Tokens of the prompt that were read from a cache."""

    cached_tokens: int


class CompletionUsage(Answered):
    """Tokens as Bedrock counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class CompletionMessage(Answered):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class CompletionChoice(Answered):
    """The one answer."""

    index: Literal[0] = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: FinishReason


class Completion(Answered):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage
    recall: CompletionRecall


class CompletionDelta(Piece):
    """More of the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class CompletionChunkChoice(Piece):
    """More of the one answer."""

    index: Literal[0] = 0
    delta: CompletionDelta
    logprobs: None = None
    finish_reason: FinishReason | None = None


class CompletionChunk(Piece):
    """A piece of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[CompletionChunkChoice]
    usage: CompletionUsage | None = None
    recall: CompletionRecall | None = None


class OpenAiModel(Answered):
    """A model that may be chosen."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class OpenAiModelPage(Answered):
    """All models; there are no further pages."""

    object: Literal["list"] = "list"
    data: list[OpenAiModel]
