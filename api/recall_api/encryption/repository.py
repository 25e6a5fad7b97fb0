"""Where wrapped data keys are kept: in a table of their own, of which there are no backups.

The table's name is part of what KMS authenticates with each key, so a key works only where it was made.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, cast

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.storage import TransactionRefusedError
from recall_api.user_items import DELETION_KEY, partition

if TYPE_CHECKING:
    from recall_api.identifiers import UserId
    from recall_api.storage import Table

_KEY: Final = "KEY"
_FIRST, _LAST = "!", "~"


class Added(Enum):
    """What became of a new key."""

    STORED = auto()
    TAKEN = auto()
    """Another pod was first."""
    LEAVING = auto()
    """The account is being deleted: it gets no key any more."""


class WrappedKeyRepository:
    """Wrapped data keys in DynamoDB."""

    def __init__(self, table: Table, memories: Table, users: Table) -> None:
        """`memories` and `users` are those tables as they are stored, not opened."""
        self._table = table
        self._memories = memories
        self._users = users

    async def get(self, user_id: UserId) -> bytes | None:
        """Return the user's wrapped key, or none."""
        item = await self._table.get(partition(user_id), _KEY)
        return cast("bytes", item["wrapped"]) if item else None

    async def add(self, user_id: UserId, wrapped: bytes) -> Added:
        """Keep a user's first wrapped key, unless there is one or the account is being deleted."""
        key = partition(user_id)
        item = {PARTITION_KEY: key, SORT_KEY: _KEY, "wrapped": wrapped}
        names = {"#pk": PARTITION_KEY}
        stays = self._users.keyed_part(
            "ConditionCheck", key, DELETION_KEY, condition="attribute_not_exists(#pk)", names=names
        )
        try:
            await self._table.transact([self._table.put_part(item, condition="attribute_not_exists(#pk)"), stays])
        except TransactionRefusedError as refused:
            return Added.LEAVING if refused.condition_failed(1) else Added.TAKEN
        return Added.STORED

    async def has_content(self, user_id: UserId) -> bool:
        """Say whether anything of the user is stored that only a key could have sealed."""
        pages = self._memories.pages(partition(user_id), first=_FIRST, last=_LAST, page_size=1)
        return bool(await anext(aiter(pages)))

    def deletion_part(self, user_id: UserId) -> dict[str, Any]:
        """Return the part of a transaction that deletes the user's key: what it sealed is unreadable from then on."""
        return self._table.keyed_part("Delete", partition(user_id), _KEY)
