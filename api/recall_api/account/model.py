"""An account as the API handles it, and the pure decisions about one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

BACKUP_TIME: Final = timedelta(days=35)
"""How long point-in-time recovery can bring back a table as it was. Source: DynamoDB developer guide (its longest)."""

FREE: Final = "free"
"""Tier of a user of whom nothing else is said."""


@dataclass(frozen=True)
class Profile:
    """What a user says about themselves, and the tier that they have."""

    display_name: str = ""
    time_zone: str = "UTC"
    tier: str = FREE
    valid_after: int = 0
    """Sessions that began up to this second (Unix time) are refused."""


class DeletionState(StrEnum):
    """How far the deletion of an account is."""

    RUNNING = "running"
    DONE = "done"


class SignIn(StrEnum):
    """What became of the user in the user pool."""

    PENDING = "pending"
    DELETED = "deleted"


@dataclass(frozen=True)
class Deletion:
    """The receipt of a deletion."""

    state: DeletionState
    started_at: datetime
    finished_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """What was there, by kind; empty until it is counted."""
    sign_in: SignIn = SignIn.PENDING
    key_deleted: bool = False
    """Whether the data key by which everything was sealed was deleted when the deletion began."""

    @property
    def unreadable_since(self) -> datetime | None:
        """From when on nothing of the user can be read in any backup; none when it was not sealed."""
        return self.started_at if self.key_deleted else None

    @property
    def backups_until(self) -> datetime | None:
        """When the last backup that still holds something is gone; none while the deletion runs."""
        return self.finished_at + BACKUP_TIME if self.finished_at else None


_KINDS: Final = {
    "MEM": "memories",
    "TRASH": "deletedMemories",
    "HIST": "history",
    "VEC": "vectors",
    "CONV": "conversations",
    "MSG": "messages",
    "PAT": "personalAccessTokens",
    "USAGE": "usage",
    "PROFILE": "profile",
}
"""What users know each kind of item by; all others keep order among these and count as `records`."""


def count_kinds(sort_keys: Iterable[str]) -> Counter[str]:
    """Count items by what users know them by."""
    return Counter(_KINDS.get(key.partition("#")[0], "records") for key in sort_keys)
