"""What the memories of an index say, by slot: packed, and read only when one is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic_core import from_json, to_json

from recall_api.contract import SORT_KEY
from recall_api.memories.items import attributes, from_item, memory_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recall_api.identifiers import MemoryId
    from recall_api.memories.model import Memory

ROW_BYTES: Final = 130
"""What a memory that is not in the packed part takes beside its row: an object and a key of a dictionary."""


@dataclass(frozen=True)
class PackedTexts:
    """Memories as JSON: that of a slot is `rows[starts[slot]:starts[slot + 1]]`, nothing where there is none."""

    starts: NDArray[np.int64]
    rows: bytes


class Texts:
    """Memories by slot; all but their ids, which the index has."""

    def __init__(self, packed: PackedTexts | None = None) -> None:
        """Take over what was packed."""
        self._packed = packed or PackedTexts(np.zeros(1, np.int64), b"")
        self._void: set[int] = set()
        """Slots whose packed rows don't count any more."""
        self._recent: dict[int, bytes] = {}
        self._recent_bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about."""
        packed = self._packed.starts.nbytes + len(self._packed.rows)
        return packed + self._recent_bytes + ROW_BYTES * (len(self._recent) + len(self._void))

    def put(self, slot: int, memory: Memory) -> None:
        """Keep what the memory in `slot` is now."""
        self.remove(slot)
        row = to_json(attributes(memory))
        self._recent[slot] = row
        self._recent_bytes += len(row)

    def remove(self, slot: int) -> None:
        """Forget what is in `slot`."""
        self._recent_bytes -= len(self._recent.pop(slot, b""))
        if slot < len(self._packed.starts) - 1:
            self._void.add(slot)

    def get(self, slot: int, memory_id: MemoryId) -> Memory:
        """Return the memory in `slot`.

        Raises:
            KeyError: there is none.
        """
        row = self._row(slot)
        if not row:
            raise KeyError(slot)
        # Only keys are cached, never what users wrote.
        return from_item({SORT_KEY: memory_key(memory_id), **from_json(row, cache_strings="keys")})

    def pack(self, size: int) -> PackedTexts:
        """Return what `Texts` takes over, for the slots below `size`."""
        rows = [self._row(slot) for slot in range(size)]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return PackedTexts(starts, b"".join(rows))

    def _row(self, slot: int) -> bytes:
        if (recent := self._recent.get(slot)) is not None:
            return recent
        if slot in self._void or slot >= len(self._packed.starts) - 1:
            return b""
        return self._packed.rows[self._packed.starts[slot] : self._packed.starts[slot + 1]]
