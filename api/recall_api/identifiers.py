"""Names of users, memories, conversations: types of their own, so that none is passed where another belongs."""

from __future__ import annotations

from typing import Final, NewType

from ulid import ULID

UserId = NewType("UserId", str)
"""The `sub` of a verified token. Made in `recall_api.auth` only; every key of storage is built from one."""

MemoryId = NewType("MemoryId", str)
"""A ULID (Crockford base 32, 26 characters): sorts by the time of its making."""

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
"""ULIDs. A question has an even place: its answer's id is the next number, so that the two are neighbours whatever
else is written to the conversation meanwhile."""

ULID_PATTERN: Final = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
"""Source: the ULID specification; upper case only, so that one memory has one name."""


def new_memory_id() -> MemoryId:
    """Return a fresh id; ids made in the same millisecond by one process still sort in order."""
    return MemoryId(str(ULID()))
