"""Conversations as requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from recall_api.chat.conversation import (
    MAX_TITLE_LENGTH,
    AskedMessage,
    Conversation,
    Decision,
    Message,
    Status,
)
from recall_api.chat.conversations import proposal_id
from recall_api.chat.schemas import CitationEvent
from recall_api.text import Moment, Schema, Words


class ConversationUpdate(Schema):
    """Another title."""

    title: Annotated[Words, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_LENGTH)]


class ConversationView(Schema):
    """A conversation, without its messages."""

    id: str
    title: str
    created_at: Moment
    updated_at: Moment
    messages: int

    @classmethod
    def of(cls, conversation: Conversation) -> ConversationView:
        """Return the answer for `conversation`."""
        return cls(
            id=conversation.id,
            title=conversation.title,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
            messages=conversation.messages,
        )


class ConversationPage(Schema):
    """One page of conversations, those begun last first."""

    items: list[ConversationView]
    next_cursor: str | None


class ProposalView(Schema):
    """Words of a question that may be worth remembering."""

    id: str
    text: str
    start: int
    end: int
    decision: Decision
    memory_id: str | None = Field(description="The memory that it became.")


class MessageView(Schema):
    """A question or an answer."""

    id: str
    role: Literal["user", "assistant"]
    text: str
    created_at: Moment
    model: str | None = None
    status: Status | None = Field(default=None, description="How an answer ended.")
    stop_reason: str | None = None
    citations: list[CitationEvent] = Field(default_factory=list)
    recalled: list[str] = Field(default_factory=list, description="Ids of the memories that the model was given.")
    proposals: list[ProposalView] = Field(default_factory=list)
    cost_micro_dollars: int | None = Field(
        default=None,
        description="What an answer cost, in millionths of a US dollar; estimated when it was stopped or broke off.",
    )

    @classmethod
    def of(cls, message: Message) -> MessageView:
        """Return the answer for `message`."""
        if isinstance(message, AskedMessage):
            return cls(
                id=message.id,
                role="user",
                text=message.text,
                created_at=message.created_at,
                proposals=[
                    ProposalView(
                        id=proposal_id(message.id, number),
                        text=stored.proposal.text,
                        start=stored.proposal.start,
                        end=stored.proposal.end,
                        decision=stored.decision,
                        memory_id=stored.memory_id,
                    )
                    for number, stored in enumerate(message.proposals)
                ],
            )
        return cls(
            id=message.id,
            role="assistant",
            text=message.text,
            created_at=message.created_at,
            model=message.model,
            status=message.status,
            stop_reason=message.stop_reason or None,
            citations=[
                CitationEvent(
                    number=found.number,
                    memory_id=found.memory_id,
                    start=found.start,
                    end=found.end,
                    answer_offset=found.answer_offset,
                )
                for found in message.citations
            ],
            recalled=list(message.recalled),
            cost_micro_dollars=message.cost,
        )


class MessagePage(Schema):
    """One page of messages, the last one first."""

    items: list[MessageView]
    next_cursor: str | None
