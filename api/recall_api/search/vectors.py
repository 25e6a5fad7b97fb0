"""Meaning: exact similarity over a matrix of unit vectors, less what all of them have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numkong
import numpy as np

from recall_api.search.directions import Directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_ROWS: Final = 64
LEARNT_AT: Final = 64
"""Fewer changes than this, and than an eighth of the vectors, leave directions as they were learnt."""


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vector` at length 1; a vector of zeros stays."""
    length = float(np.linalg.norm(vector))
    return vector if length == 0 else np.asarray(vector / length, np.float32)


def to_bytes(vector: NDArray[np.float32]) -> bytes:
    """Return a vector as it is stored: little-endian float32."""
    return vector.astype("<f4").tobytes()


def from_bytes(stored: bytes) -> NDArray[np.float32]:
    """Return a stored vector."""
    return np.frombuffer(stored, "<f4").astype(np.float32, copy=False)


class VectorIndex:
    """Similarities by slot; a slot without a vector has none (NaN).

    Vectors are held in half precision, as in snapshots: a search waits for memory more than for arithmetic.
    """

    def __init__(self, dimensions: int, packed: NDArray[np.float16] | None = None) -> None:
        """Take over what was packed: a row for each slot, NaN where there is no vector."""
        self.dimensions = dimensions
        if packed is None:
            self._rows: NDArray[np.float16] = np.zeros((_FIRST_ROWS, dimensions), np.float16)
            self._present: NDArray[np.bool_] = np.zeros(_FIRST_ROWS, np.bool_)
        else:
            self._rows = packed.copy()
            self._present = ~np.isnan(self._rows[:, 0])
            self._rows[~self._present] = 0
        self._directions: Directions | None = None
        self._lengths: NDArray[np.float32] = np.ones(len(self._rows), np.float32)
        """How long directions take each row to be."""
        self._changes = 0
        """Since directions were learnt."""

    def __contains__(self, slot: int) -> bool:
        return slot < len(self._present) and bool(self._present[slot])

    def set(self, slot: int, vector: NDArray[np.float32]) -> None:
        """Put a vector into `slot`; its length does not matter, its direction does."""
        if slot >= len(self._present):
            size = max(2 * len(self._present), slot + 1)
            rows = np.zeros((size, self.dimensions), np.float16)
            rows[: len(self._rows)] = self._rows
            self._rows = rows
            self._lengths = np.append(self._lengths, np.ones(size - len(self._lengths), np.float32))
            self._present = np.append(self._present, np.zeros(size - len(self._present), np.bool_))
        self._rows[slot] = unit(vector).astype(np.float16)
        self._present[slot] = True
        if self._directions is not None:
            self._lengths[slot] = self._directions.lengths(self._rows[slot : slot + 1])[0]
        self._changes += 1

    def remove(self, slot: int) -> None:
        """Take the vector out of `slot`, if there is one."""
        if slot in self:
            self._rows[slot] = 0
            self._present[slot] = False
            self._changes += 1

    def __len__(self) -> int:
        return int(self._present.sum())

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        axes = self._directions.axes.nbytes if self._directions is not None else 0
        return self._rows.nbytes + self._present.nbytes + self._lengths.nbytes + axes

    def pack(self, size: int) -> NDArray[np.float16]:
        """Return what `VectorIndex` takes over, for the slots below `size`."""
        packed = np.full((size, self.dimensions), np.nan, np.float16)
        known = np.flatnonzero(self._present[:size])
        packed[known] = self._rows[known]
        return packed

    def similarities(self, query: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Return the similarity (-1 to 1) of `query` with each slot below `size`; NaN where there is no vector."""
        directions = self._learnt()
        known = min(size, len(self._present))
        found = np.full(size, np.nan, np.float32)
        weighed = directions.weighed(unit(query)).astype(np.float16)
        products = numkong.cdist(weighed[np.newaxis], self._rows[:known], metric="dot")
        found[:known] = np.asarray(products)[0] / self._lengths[:known]
        found[:known][~self._present[:known]] = np.nan
        return found

    def _learnt(self) -> Directions:
        """Return the directions, learnt anew when many vectors have changed since."""
        if self._directions is None or self._changes > max(LEARNT_AT, len(self) // 8):
            self._directions = Directions.common(self._rows[self._present])
            self._lengths = self._directions.lengths(self._rows)
            self._changes = 0
        return self._directions
