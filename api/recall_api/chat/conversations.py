"""What can be done with conversations, apart from talking."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from recall_api.chat.conversation import (
    HISTORY_CHARACTERS,
    AnswerMessage,
    AskedMessage,
    Conversation,
    Decision,
    Message,
    Place,
    StoredProposal,
    history,
    new_conversation_id,
    question_of,
)
from recall_api.errors import ProblemError, invalid, not_found
from recall_api.identifiers import ULID_PATTERN, ConversationId, MemoryId, MessageId
from recall_api.memories.model import MemoryContent, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recall_api.chat.model import Turn
    from recall_api.chat.repository import ConversationRepository
    from recall_api.identifiers import UserId
    from recall_api.memories.model import Memory
    from recall_api.memories.service import MemoryService

_PROPOSAL_ID: Final = re.compile(r"([0-7][0-9A-HJKMNP-TV-Z]{25})-([0-9])")
PAGE: Final = 100


def proposal_id(message_id: MessageId, number: int) -> str:
    """Return the id of a message's proposal."""
    return f"{message_id}-{number}"


class ConversationService:
    """Conversations of one user at a time."""

    def __init__(self, repository: ConversationRepository, memories: MemoryService) -> None:
        self._repository = repository
        self._memories = memories

    async def get(self, user_id: UserId, conversation_id: ConversationId) -> Conversation:
        """Return a conversation.

        Raises:
            ProblemError: 404 when the user has none of that id.
        """
        found = await self._repository.get(user_id, conversation_id)
        if found is None:
            raise not_found("conversation")
        return found

    async def page(
        self, user_id: UserId, *, limit: int, after: ConversationId | None
    ) -> tuple[list[Conversation], ConversationId | None]:
        """Return up to `limit` conversations, those begun last first, and the one to go on after."""
        found: list[Conversation] = []
        async for page in self._repository.newest(user_id, after=after, page_size=limit + 1):
            found += page
            if len(found) > limit:
                return found[:limit], found[limit - 1].id
        return found, None

    async def messages(
        self, user_id: UserId, conversation_id: ConversationId, *, limit: int, before: MessageId | None
    ) -> tuple[list[Message], MessageId | None]:
        """Return up to `limit` messages, the last one first, and the one to go on before."""
        await self.get(user_id, conversation_id)
        found: list[Message] = []
        async for page in self._repository.messages(user_id, conversation_id, before=before, page_size=limit + 1):
            found += page
            if len(found) > limit:
                return found[:limit], found[limit - 1].id
        return found, None

    async def rename(self, user_id: UserId, conversation_id: ConversationId, title: str) -> Conversation:
        """Give a conversation another title; 404 when there is none."""
        found = await self._repository.rename(user_id, conversation_id, title)
        if found is None:
            raise not_found("conversation")
        return found

    async def delete(self, user_id: UserId, conversation_id: ConversationId) -> None:
        """Delete a conversation with all that was said; 404 when there is none."""
        if not await self._repository.delete(user_id, conversation_id):
            raise not_found("conversation")

    async def place(
        self, user_id: UserId, conversation_id: ConversationId | None, replaces: str | None, text: str, model: str
    ) -> tuple[Place, tuple[Turn, ...]]:
        """Return where the question `text` will be kept, and what `model` is told of what was said before it.

        Raises:
            ProblemError: 404 when there is no such conversation; 422 when it has no such message to replace.
        """
        if conversation_id is None:
            return Place(new_conversation_id(), is_new=True), ()
        place = Place(conversation_id, is_new=False)
        if replaces is None:
            _, said = await asyncio.gather(
                self.get(user_id, conversation_id), self._said(user_id, conversation_id, None)
            )
        else:
            await self.get(user_id, conversation_id)
            before = question_of(replaces)
            old = await self._repository.message(user_id, conversation_id, before)
            if not isinstance(old, AskedMessage):
                raise invalid("body.replaces", "The conversation has no such message.", "message_unknown")
            later = [
                message.id
                async for page in self._repository.messages(user_id, conversation_id, since=before)
                for message in page
            ]
            same = old.proposals if old.text == text else None
            place = Place(conversation_id, is_new=False, replaces=tuple(later), proposals=same)
            said = await self._said(user_id, conversation_id, before)
        return place, history(said, await self._kept_from(user_id, model, said))

    async def _kept_from(self, user_id: UserId, model: str, said: Iterable[Message]) -> frozenset[MemoryId]:
        """Return the memories of earlier answers, by whichever model, that `model` must not be told."""
        recalled = {found for message in said if isinstance(message, AnswerMessage) for found in message.recalled}
        memories = await self._memories.get_many(user_id, sorted(recalled))
        return frozenset(found for found, memory in memories.items() if memory.content.is_kept_from(model))

    async def _said(self, user_id: UserId, conversation_id: ConversationId, before: MessageId | None) -> list[Message]:
        """Return what was said before a message, the newest first, as much as a model is told."""
        said: list[Message] = []
        async for messages in self._repository.messages(user_id, conversation_id, before=before, page_size=PAGE):
            said += messages
            if sum(len(message.text) for message in said) > HISTORY_CHARACTERS:
                break
        return said

    async def accept(self, user_id: UserId, conversation_id: ConversationId, proposal: str) -> tuple[Memory, bool]:
        """Store what was proposed as a memory; return it, and whether it is new. Again changes nothing.

        Raises:
            ProblemError: 404 when there is no such proposal; 409 when it was rejected.
        """
        message_id, number, stored = await self._proposal(user_id, conversation_id, proposal)
        if stored.decision is Decision.REJECTED:
            raise _decided(stored.decision)
        # Decided first: a rejection that comes at the same moment finds it accepted and makes no orphan.
        await self._decide(user_id, conversation_id, message_id, number, Decision.ACCEPTED, None)
        memory, is_new = await self._memories.create(
            user_id, MemoryContent(stored.proposal.text), Source.ACCEPTED, origin=conversation_id
        )
        await self._decide(user_id, conversation_id, message_id, number, Decision.ACCEPTED, memory)
        return memory, is_new

    async def reject(self, user_id: UserId, conversation_id: ConversationId, proposal: str) -> None:
        """Note that the user does not want what was proposed; 404 and 409 as for `accept`."""
        message_id, number, stored = await self._proposal(user_id, conversation_id, proposal)
        if stored.decision is Decision.ACCEPTED:
            raise _decided(stored.decision)
        await self._decide(user_id, conversation_id, message_id, number, Decision.REJECTED, None)

    async def _decide(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
        number: int,
        decision: Decision,
        memory: Memory | None,
    ) -> None:
        memory_id = memory.id if memory else None
        if not await self._repository.decide(user_id, conversation_id, message_id, number, decision, memory_id):
            raise _decided(Decision.REJECTED if decision is Decision.ACCEPTED else Decision.ACCEPTED)

    async def _proposal(
        self, user_id: UserId, conversation_id: ConversationId, proposal: str
    ) -> tuple[MessageId, int, StoredProposal]:
        await self.get(user_id, conversation_id)
        match = _PROPOSAL_ID.fullmatch(proposal)
        if match is not None:
            message_id, number = MessageId(match[1]), int(match[2])
            message = await self._repository.message(user_id, conversation_id, message_id)
            if isinstance(message, AskedMessage) and number < len(message.proposals):
                return message_id, number, message.proposals[number]
        raise not_found("proposal")


def _decided(decision: Decision) -> ProblemError:
    return ProblemError(409, "decided", "Decided already", f"The proposal was {decision.value} before.")


def conversation_id_of(text: str) -> ConversationId:
    """Return `text` as an id; what cannot be one names no conversation."""
    return ConversationId(text if re.fullmatch(ULID_PATTERN, text) else "0" * 26)
