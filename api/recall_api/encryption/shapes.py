"""What of each kind of item stays in the clear; everything that is not named here is sealed.

So a new attribute, or a new kind of item, is sealed from its first day. What is named here may say when, how much, in
which order and by which model, never what about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERPRINT_PREFIX: Final = "HASH#"
"""Start of the sort keys that end in a hash of a text: stored as a fingerprint of the hash."""

_ALWAYS: Final = frozenset({PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE})


@dataclass(frozen=True)
class Shape:
    """What of one kind of item is not sealed."""

    clear: frozenset[str] = frozenset()
    everything: bool = False
    """No attribute is sealed, whatever its name: names are made up as they are needed."""
    fingerprints: frozenset[str] = frozenset()
    """Hashes of texts, which are compared and never read: stored as fingerprints."""
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attributes that are lists of maps, each with the fields of a map that stay in the clear."""

    def is_clear(self, path: tuple[str, ...]) -> bool:
        """Say whether an attribute (`("title",)`), or a field of a list's maps (`("proposals", "text")`), is."""
        if self.everything or path[0] in _ALWAYS or path[0] in self.clear:
            return True
        return len(path) > 1 and path[1] in self.parts.get(path[0], ())


def _clear(*names: str) -> Shape:
    return Shape(frozenset(names))


_MEMORY: Final = frozenset({"version", "createdAt", "updatedAt", "deletedAt", "source"})
_HASHED: Final = frozenset({"contentHash"})

OF_USERS: Final[Mapping[str, Shape]] = {
    # The memories table.
    "MEM": Shape(_MEMORY, fingerprints=_HASHED),
    "TRASH": Shape(_MEMORY, fingerprints=_HASHED),
    "HIST": _clear("action", "at"),
    "VEC": _clear(),
    "HASH": _clear("memoryId"),
    "CHANGE": _clear("action", "memoryId"),
    "STATE": _clear("version", "count"),
    "SNAPSHOT": _clear("version", "name", "parts"),
    "CONV": _clear("createdAt", "updatedAt", "messages", "deleting"),
    "MSG": Shape(
        frozenset({"role", "createdAt", "model", "status", "stopReason", "cost"}),
        parts={"proposals": frozenset({"start", "end", "decision", "memoryId"})},
    ),
    # The users table.
    "PROFILE": _clear("tier", "validAfter"),
    "DELETION": _clear("state", "startedAt", "finishedAt", "signIn", "counts", "keyDeleted"),
    "PAT": _clear("id", "userId", "scopes", "digest", "createdAt", "lastUsedOn"),
    "USAGE": Shape(everything=True),
}
"""By the start of the sort key, for items under a user."""

OF_ALL: Final[Mapping[str, Shape]] = {
    "INSTANCE": _clear("key", "username", "passes", "dueAt"),
    "SPENDERS": _clear(),
    "TOKEN": _clear("id", "userId", "scopes", "digest", "createdAt", "lastUsedOn"),
}
"""By the start of the partition key, for items that are found without knowing their user: nothing else may be in them,
because there is no key that could seal it."""
