"""The key that seals cursors: made by the first pod that needs one, read once by every other."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from recall_api.pages import KEY_BYTES, CursorSealer

if TYPE_CHECKING:
    from recall_api.instance.repository import InstanceRepository


class InstanceKeys:
    """Keys that all pods share."""

    def __init__(self, repository: InstanceRepository) -> None:
        self._repository = repository
        self._lock = asyncio.Lock()
        self._cursors: CursorSealer | None = None

    async def cursors(self) -> CursorSealer:
        """Return what seals and opens cursors."""
        if self._cursors is None:
            async with self._lock:
                if self._cursors is None:
                    self._cursors = CursorSealer(await self._repository.key("CURSOR_KEY", os.urandom(KEY_BYTES)))
        return self._cursors
