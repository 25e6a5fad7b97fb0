"""Which users spent anything in a month: one small item each, so that no table is ever scanned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.usage.repository import month_from, spenders_partition, usage_key
from recall_api.user_items import partition

if TYPE_CHECKING:
    from recall_api.identifiers import UserId
    from recall_api.storage import Table
    from recall_api.usage.model import Month

_FIRST: Final = " "
_LAST: Final = "~"
"""Printable ASCII: users' ids lie between them."""


class SpendersRepository:
    """All users of a month."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def add(self, month: str, user: UserId) -> None:
        """Put a user on the list of a month; again is no error."""
        await self._table.put_new({PARTITION_KEY: spenders_partition(month), SORT_KEY: user})

    async def page(self, month: str, *, limit: int, after: str | None) -> tuple[list[tuple[UserId, Month]], str | None]:
        """Return up to `limit` users with their months, and the user to go on after."""
        pages = self._table.pages(spenders_partition(month), first=_FIRST, last=_LAST, after=after, page_size=limit + 1)
        found = await anext(aiter(pages))
        users: list[UserId] = [item[SORT_KEY] for item in found[:limit]]
        items = await asyncio.gather(*(self._table.get(partition(user), usage_key(month)) for user in users))
        months = [(user, month_from(month, item)) for user, item in zip(users, items, strict=True) if item is not None]
        return months, users[-1] if len(found) > limit else None
