"""What happens during an answer: a closed set of events, and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recall_api.chat.proposals import Proposal
    from recall_api.errors import ProblemError
    from recall_api.identifiers import ConversationId, MemoryId, MessageId
    from recall_api.search.index import Hit


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Usage:
    """Tokens as Bedrock counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True)
class Started:
    """The question was accepted; where it will be kept."""

    model: str
    conversation_id: ConversationId | None
    """None: nothing of it is stored."""
    message_id: MessageId | None
    answer_id: MessageId | None


@dataclass(frozen=True)
class Recalled:
    """The memories that the model is given, in the order of their citation numbers (from 1)."""

    hits: tuple[Hit, ...]
    by_meaning: bool


@dataclass(frozen=True)
class Delta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True)
class Citation:
    """The answer up to here rests on a part of a memory."""

    number: int
    """Which of the recalled memories, from 1."""
    memory_id: MemoryId
    start: int
    """Where the cited part of the memory's text begins, in code points."""
    end: int
    """Where it ends (exclusive)."""
    answer_offset: int
    """Length of the answer, in code points, when it was cited."""


@dataclass(frozen=True)
class Guarded:
    """The guardrail, or the model's own filter, stepped in."""

    stop_reason: str


@dataclass(frozen=True)
class Proposed:
    """Words of the user that may be worth remembering, if the user says so."""

    id: str
    proposal: Proposal
    message_id: MessageId


@dataclass(frozen=True)
class Done:
    """The answer is complete."""

    model: str
    stop_reason: str
    usage: Usage
    latency_ms: int
    cost: int = 0
    """Micro-dollars."""


@dataclass(frozen=True)
class Failed:
    """The answer ended before it was complete; what came so far is not all of it."""

    problem: ProblemError


ChatEvent = Started | Recalled | Delta | Citation | Guarded | Proposed | Done | Failed
