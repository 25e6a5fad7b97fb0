"""Names of users and memories: types of their own, so that one is never passed where the other belongs."""

from __future__ import annotations

from typing import Final, NewType

from ulid import ULID

UserId = NewType("UserId", str)
"""The `sub` of a verified token. Made in `recall_api.auth` only; every key of storage is built from one."""

MemoryId = NewType("MemoryId", str)
"""A ULID (Crockford base 32, 26 characters): sorts by the time of its making."""

ULID_PATTERN: Final = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
"""Source: the ULID specification; upper case only, so that one memory has one name."""


def new_memory_id() -> MemoryId:
    """Return a fresh id; ids made in the same millisecond by one process still sort in order."""
    return MemoryId(str(ULID()))
