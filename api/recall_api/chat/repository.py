"""Where conversations are kept: an item for each, and an item for each message, in the user's partition.

A question and its answer are written in one transaction, with the conversation's own item: there is never a question
without an answer, and a conversation that is deleted meanwhile stays deleted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from recall_api.chat.conversation import (
    AnswerMessage,
    AskedMessage,
    Conversation,
    Decision,
    Message,
    Place,
    Status,
    StoredProposal,
    title_of,
)
from recall_api.chat.model import Citation
from recall_api.chat.proposals import Proposal
from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.identifiers import ConversationId, MemoryId, MessageId
from recall_api.memories.repository import partition
from recall_api.storage import Item, TransactionRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recall_api.identifiers import UserId
    from recall_api.storage import Table

_FIRST_ID: Final = "0" * 26
_LAST_ID: Final = "7" + "Z" * 25
_EXISTS: Final = "attribute_exists(#pk) AND attribute_not_exists(#deleting)"
_NAMES: Final = {"#pk": PARTITION_KEY, "#deleting": "deleting"}
REPLACED_AT_ONCE: Final = 90
"""Messages that one transaction deletes beside what it writes; DynamoDB allows 100 parts."""


def _conversation_key(conversation_id: str) -> str:
    return f"CONV#{conversation_id}"


def _message_key(conversation_id: ConversationId, message_id: str) -> str:
    return f"MSG#{conversation_id}#{message_id}"


def _conversation_from(item: Item) -> Conversation:
    return Conversation(
        id=ConversationId(item[SORT_KEY].removeprefix("CONV#")),
        title=item["title"],
        created_at=datetime.fromisoformat(item["createdAt"]),
        updated_at=datetime.fromisoformat(item["updatedAt"]),
        messages=item["messages"],
    )


def _asked_item(message: AskedMessage) -> Item:
    proposals = [
        {
            "text": stored.proposal.text,
            "start": stored.proposal.start,
            "end": stored.proposal.end,
            "decision": stored.decision.value,
            "memoryId": stored.memory_id,
        }
        for stored in message.proposals
    ]
    return {
        "role": "user",
        "text": message.text,
        "createdAt": message.created_at.isoformat(),
        **({"proposals": proposals} if proposals else {}),
    }


def _answer_item(message: AnswerMessage) -> Item:
    return {
        "role": "assistant",
        "text": message.text,
        "createdAt": message.created_at.isoformat(),
        "model": message.model,
        "status": message.status.value,
        "stopReason": message.stop_reason,
        "citations": [
            [found.number, found.memory_id, found.start, found.end, found.answer_offset] for found in message.citations
        ],
        "recalled": list(message.recalled),
        "cost": message.cost,
    }


def _message_from(item: Item) -> Message:
    message_id = MessageId(item[SORT_KEY].rpartition("#")[2])
    created_at = datetime.fromisoformat(item["createdAt"])
    if item["role"] == "user":
        return AskedMessage(
            message_id,
            item["text"],
            created_at,
            tuple(
                StoredProposal(
                    Proposal(stored["text"], stored["start"], stored["end"]),
                    Decision(stored["decision"]),
                    MemoryId(stored["memoryId"]) if stored["memoryId"] else None,
                )
                for stored in item.get("proposals", ())
            ),
        )
    return AnswerMessage(
        id=message_id,
        text=item["text"],
        created_at=created_at,
        model=item["model"],
        status=Status(item["status"]),
        stop_reason=item["stopReason"],
        citations=tuple(
            Citation(number, MemoryId(memory_id), start, end, offset)
            for number, memory_id, start, end, offset in item["citations"]
        ),
        recalled=tuple(MemoryId(memory_id) for memory_id in item["recalled"]),
        cost=item["cost"],
    )


class ConversationRepository:
    """Conversations in DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, user_id: UserId, conversation_id: ConversationId) -> Conversation | None:
        """Return a conversation; none when there is none, or it is being deleted."""
        item = await self._table.get(partition(user_id), _conversation_key(conversation_id))
        return _conversation_from(item) if item and "deleting" not in item else None

    async def newest(
        self, user_id: UserId, *, after: ConversationId | None, page_size: int
    ) -> AsyncIterator[list[Conversation]]:
        """Yield pages of conversations, those begun last first."""
        pages = self._table.pages(
            partition(user_id),
            first=_conversation_key(_FIRST_ID),
            last=_conversation_key(_LAST_ID),
            descending=True,
            after=_conversation_key(after) if after else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [_conversation_from(item) for item in page if "deleting" not in item]

    async def messages(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        *,
        before: MessageId | None = None,
        since: MessageId | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[list[Message]]:
        """Yield pages of messages, the last one first: those before `before` (exclusive) and from `since` on."""
        pages = self._table.pages(
            partition(user_id),
            first=_message_key(conversation_id, since or _FIRST_ID),
            last=_message_key(conversation_id, _LAST_ID),
            descending=True,
            after=_message_key(conversation_id, before) if before else None,
            page_size=page_size,
        )
        async for page in pages:
            yield [_message_from(item) for item in page]

    async def message(self, user_id: UserId, conversation_id: ConversationId, message_id: MessageId) -> Message | None:
        """Return one message."""
        item = await self._table.get(partition(user_id), _message_key(conversation_id, message_id))
        return _message_from(item) if item else None

    async def add(self, user_id: UserId, place: Place, question: AskedMessage, answer: AnswerMessage) -> bool:
        """Store an exchange instead of what it replaces; false when the conversation was deleted meanwhile.

        What another exchange replaced in the meantime (the same question, asked again in two windows) is left out.
        """
        while True:
            try:
                return await self._add(user_id, place, question, answer)
            except TransactionRefusedError as refused:
                if refused.condition_failed(0):
                    return False
                gone = {
                    message_id
                    for number, message_id in enumerate(place.replaces[:REPLACED_AT_ONCE], 3)
                    if refused.condition_failed(number)
                }
                if not gone:
                    raise
                place = replace(place, replaces=tuple(found for found in place.replaces if found not in gone))

    async def _add(self, user_id: UserId, place: Place, question: AskedMessage, answer: AnswerMessage) -> bool:
        key = partition(user_id)
        replaced = [_message_key(place.conversation_id, message_id) for message_id in place.replaces]
        parts = [
            self._conversation_part(user_id, place, question),
            *(
                self._table.put_part(
                    {PARTITION_KEY: key, SORT_KEY: _message_key(place.conversation_id, message_id), **item}
                )
                for message_id, item in ((question.id, _asked_item(question)), (answer.id, _answer_item(answer)))
            ),
            *(
                self._table.keyed_part(
                    "Delete", key, sort, condition="attribute_exists(#pk)", names={"#pk": PARTITION_KEY}
                )
                for sort in replaced[:REPLACED_AT_ONCE]
            ),
        ]
        await self._table.transact(parts)
        await self._table.delete_many(key, replaced[REPLACED_AT_ONCE:])
        return True

    def _conversation_part(self, user_id: UserId, place: Place, question: AskedMessage) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        if place.is_new:
            item = {
                PARTITION_KEY: partition(user_id),
                SORT_KEY: _conversation_key(place.conversation_id),
                "title": title_of(question.text),
                "createdAt": question.created_at.isoformat(),
                "updatedAt": now,
                "messages": 2,
            }
            return self._table.put_part(item, condition="attribute_not_exists(#pk)")
        return self._table.keyed_part(
            "Update",
            partition(user_id),
            _conversation_key(place.conversation_id),
            update="SET #updated = :now ADD #messages :more",
            condition=_EXISTS,
            names=_NAMES | {"#updated": "updatedAt", "#messages": "messages"},
            values={":now": now, ":more": 2 - len(place.replaces)},
        )

    async def rename(self, user_id: UserId, conversation_id: ConversationId, title: str) -> Conversation | None:
        """Give a conversation another title; none when there is none."""
        item = await self._table.update(
            partition(user_id),
            _conversation_key(conversation_id),
            "SET #title = :title",
            condition=_EXISTS,
            names=_NAMES | {"#title": "title"},
            values={":title": title},
        )
        return _conversation_from(item) if item else None

    async def delete(self, user_id: UserId, conversation_id: ConversationId) -> bool:
        """Delete a conversation with its messages; false when there is none.

        It is marked first, which hides it and keeps answers out of it that are still being written; its own item goes
        last. A deletion that was interrupted is taken up by the next call.
        """
        key, own = partition(user_id), _conversation_key(conversation_id)
        marked = await self._table.update(
            key,
            own,
            "SET #deleting = :yes",
            condition="attribute_exists(#pk)",
            names=_NAMES,
            values={":yes": True},
        )
        if marked is None:
            return False
        async for page in self.messages(user_id, conversation_id):
            await self._table.delete_many(key, [_message_key(conversation_id, message.id) for message in page])
        await self._table.delete(key, own)
        return True

    async def decide(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
        number: int,
        decision: Decision,
        memory_id: MemoryId | None,
    ) -> bool:
        """Note what became of a message's proposal; false when something else was decided before."""
        found = await self._table.update(
            partition(user_id),
            _message_key(conversation_id, message_id),
            f"SET #proposals[{number}].#decision = :new, #proposals[{number}].#memory = :memory",
            condition=f"#proposals[{number}].#decision IN (:pending, :new)",
            names={"#proposals": "proposals", "#decision": "decision", "#memory": "memoryId"},
            values={":pending": Decision.PENDING.value, ":new": decision.value, ":memory": memory_id},
        )
        return found is not None
