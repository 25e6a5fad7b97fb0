"""Memories as items of the table: keys, and the way from a memory to its item and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.identifiers import MemoryId
from recall_api.memories.model import Action, Deleted, HistoryEntry, Memory, MemoryContent, Source
from recall_api.user_items import partition

if TYPE_CHECKING:
    from recall_api.identifiers import UserId
    from recall_api.storage import Item

FIRST_ID: Final = "0" * 26
LAST_ID: Final = "7" + "Z" * 25
"""Least and greatest ULID."""
STATE_KEY: Final = "STATE"
LAST_VERSION: Final = 10**12 - 1


def memory_key(memory_id: str) -> str:
    """Return a memory's sort key."""
    return f"MEM#{memory_id}"


def trash_key(memory_id: str) -> str:
    """Return the sort key of a memory that was deleted and can still be brought back."""
    return f"TRASH#{memory_id}"


def history_key(memory_id: str, version: int) -> str:
    """Return the sort key of what a memory was before the user's change `version`."""
    return f"HIST#{memory_id}#{version:012d}"


def vector_key(space: str, memory_id: str) -> str:
    """Return the sort key of a memory's vector in `space` (a model and a number of dimensions)."""
    return f"VEC#{space}#{memory_id}"


def guard_key(content_hash: str) -> str:
    """Return the sort key that only one memory with these words can hold."""
    return f"HASH#{content_hash}"


def change_key(version: int) -> str:
    """Return the sort key of the record of a change."""
    return f"CHANGE#{version:012d}"


def to_item(user_id: UserId, memory: Memory) -> Item:
    """Return a memory's item."""
    return {
        PARTITION_KEY: partition(user_id),
        SORT_KEY: memory_key(memory.id),
        "contentHash": memory.content.content_hash,
        **attributes(memory),
    }


def attributes(memory: Memory) -> Item:
    """Return what an item says of a memory beside its keys and its hash."""
    item: Item = {
        "version": memory.version,
        "createdAt": memory.created_at.isoformat(),
        "updatedAt": memory.updated_at.isoformat(),
        "source": memory.source.value,
        **_content_to_item(memory.content),
    }
    if memory.origin:
        item["origin"] = memory.origin
    return item


def from_item(item: Item) -> Memory:
    """Return the memory in an item, in use or in the trash."""
    return Memory(
        id=MemoryId(item[SORT_KEY].partition("#")[2]),
        content=_content_from_item(item),
        version=item["version"],
        created_at=datetime.fromisoformat(item["createdAt"]),
        updated_at=datetime.fromisoformat(item["updatedAt"]),
        source=Source(item["source"]),
        origin=item.get("origin", ""),
    )


def to_trash(user_id: UserId, deleted: Deleted) -> Item:
    """Return the item of a deleted memory."""
    return to_item(user_id, deleted.memory) | {
        SORT_KEY: trash_key(deleted.memory.id),
        "deletedAt": deleted.deleted_at.isoformat(),
        TIME_TO_LIVE_ATTRIBUTE: int(deleted.gone_at.timestamp()),
    }


def from_trash(item: Item) -> Deleted:
    """Return the deleted memory in an item."""
    return Deleted(
        from_item(item),
        deleted_at=datetime.fromisoformat(item["deletedAt"]),
        gone_at=datetime.fromtimestamp(item[TIME_TO_LIVE_ATTRIBUTE], UTC),
    )


def to_history(user_id: UserId, memory_id: MemoryId, entry: HistoryEntry, expires_at: int) -> Item:
    """Return the item of a change; `expires_at` is Unix time in s."""
    return {
        PARTITION_KEY: partition(user_id),
        SORT_KEY: history_key(memory_id, entry.version),
        "action": entry.action.value,
        "at": entry.at.isoformat(),
        "before": _content_to_item(entry.before) if entry.before else None,
        TIME_TO_LIVE_ATTRIBUTE: expires_at,
    }


def from_history(item: Item) -> HistoryEntry:
    """Return the change in an item."""
    return HistoryEntry(
        version=int(item[SORT_KEY].rpartition("#")[2]),
        action=Action(item["action"]),
        at=datetime.fromisoformat(item["at"]),
        before=_content_from_item(item["before"]) if item["before"] else None,
    )


def _content_to_item(content: MemoryContent) -> Item:
    item: Item = {"text": content.text}
    if content.tags:
        item["tags"] = list(content.tags)
    if content.occurred_at is not None:
        item["occurredAt"] = content.occurred_at.isoformat()
    if content.pinned:
        item["pinned"] = True
    if content.never_send_to:
        item["neverSendTo"] = list(content.never_send_to)
    return item


def _content_from_item(item: Item) -> MemoryContent:
    occurred_at = item.get("occurredAt")
    return MemoryContent(
        text=item["text"],
        tags=tuple(item.get("tags", ())),
        occurred_at=datetime.fromisoformat(occurred_at) if occurred_at else None,
        pinned=item.get("pinned", False),
        never_send_to=tuple(item.get("neverSendTo", ())),
    )
