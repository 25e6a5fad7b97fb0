"""Where the instance's own secrets are kept: beside its users, under a key that no user can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.errors import unavailable

if TYPE_CHECKING:
    from recall_api.storage import Table

_PARTITION: Final = "INSTANCE"


class InstanceRepository:
    """Secrets of the instance in the users table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def key(self, name: str, proposed: bytes) -> bytes:
        """Return the key `name`; when there is none yet, `proposed` becomes it, for all pods alike."""
        item = await self._table.get(_PARTITION, name)
        if item is None:
            await self._table.put_new({PARTITION_KEY: _PARTITION, SORT_KEY: name, "key": proposed})
            item = await self._table.get(_PARTITION, name)
        if item is None:
            raise unavailable("Storage")
        return cast("bytes", item["key"])
