"""Conversations as they are kept: pairs of a question and its answer, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ulid import ULID

from recall_api.chat.model import Citation, Turn
from recall_api.identifiers import ConversationId, MessageId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from recall_api.chat.proposals import Proposal
    from recall_api.identifiers import MemoryId

MAX_TITLE_LENGTH: Final = 120
TITLE_LENGTH: Final = 60
"""Characters of a title that is taken from the first question."""
HISTORY_CHARACTERS: Final = 120_000
"""What a model is told at most of a conversation, the newest part of it: some 30,000 tokens."""
HISTORY_MESSAGES: Final = 200


class Status(StrEnum):
    """How an answer ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    """The user stopped it, or closed the browser."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """The guardrail stepped in; the model is not told of the exchange again."""


class Decision(StrEnum):
    """What the user said to a proposal."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class StoredProposal:
    """A proposal and what became of it."""

    proposal: Proposal
    decision: Decision = Decision.PENDING
    memory_id: MemoryId | None = None


@dataclass(frozen=True)
class Conversation:
    """A conversation, without its messages."""

    id: ConversationId
    title: str
    created_at: datetime
    updated_at: datetime
    messages: int


@dataclass(frozen=True)
class AskedMessage:
    """A question."""

    id: MessageId
    text: str
    created_at: datetime
    proposals: tuple[StoredProposal, ...] = ()


@dataclass(frozen=True)
class AnswerMessage:
    """An answer, whole or not."""

    id: MessageId
    text: str
    created_at: datetime
    model: str
    status: Status
    stop_reason: str = ""
    citations: tuple[Citation, ...] = ()
    recalled: tuple[MemoryId, ...] = ()
    cost: int = 0


Message = AskedMessage | AnswerMessage


@dataclass(frozen=True)
class Place:
    """Where an exchange will be kept."""

    conversation_id: ConversationId
    is_new: bool
    message_id: MessageId = field(default_factory=lambda: new_message_id())
    replaces: tuple[MessageId, ...] = ()
    """Messages that it takes the place of: an edited or repeated question and all that followed it."""
    proposals: tuple[StoredProposal, ...] | None = None
    """What was proposed when the same question was asked before."""

    @property
    def answer_id(self) -> MessageId:
        """The id of the answer."""
        return answer_to(self.message_id)


def new_conversation_id() -> ConversationId:
    """Return a fresh id."""
    return ConversationId(str(ULID()))


def new_message_id() -> MessageId:
    """Return a fresh id of a question."""
    return MessageId(str(ULID.from_int(int(ULID()) & ~1)))


def answer_to(message_id: MessageId) -> MessageId:
    """Return the id of the answer to a question."""
    return MessageId(str(ULID.from_int(int(ULID.from_str(message_id)) | 1)))


def question_of(message_id: str) -> MessageId:
    """Return the id of the question that `message_id` is, or answers."""
    return MessageId(str(ULID.from_int(int(ULID.from_str(message_id)) & ~1)))


def title_of(text: str) -> str:
    """Return the title of a conversation that begins with `text`."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "\u2026"


def history(newest_first: Iterable[Message], kept_from: Collection[MemoryId] = ()) -> tuple[Turn, ...]:
    """Return what a model is told of a conversation: its newest whole exchanges, in their order.

    Answers that were given a memory which must be `kept_from` the model may repeat it, and are left out.
    """
    turns: list[Turn] = []
    answer: AnswerMessage | None = None
    characters = 0
    for message in newest_first:
        if isinstance(message, AnswerMessage):
            answer = message
        elif answer is not None and answer.id == answer_to(message.id):
            if (
                answer.status is Status.BLOCKED
                or not answer.text.strip()
                or any(found in kept_from for found in answer.recalled)
            ):
                continue
            characters += len(message.text) + len(answer.text)
            if characters > HISTORY_CHARACTERS or len(turns) >= HISTORY_MESSAGES:
                break
            turns += [Turn("assistant", answer.text), Turn("user", message.text)]
    return tuple(reversed(turns))
