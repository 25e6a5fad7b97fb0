"""Meaning: exact cosine similarity over a matrix of unit vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_ROWS: Final = 64


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

    Vectors are rounded to half precision when they come, as snapshots hold them: a search finds the same
    whatever way the index was loaded. They are computed with in single precision, which processors do faster.
    """

    def __init__(self, dimensions: int, packed: NDArray[np.float16] | None = None) -> None:
        """Take over what was packed: a row for each slot, NaN where there is no vector."""
        self.dimensions = dimensions
        if packed is None:
            self._rows: NDArray[np.float32] = np.zeros((_FIRST_ROWS, dimensions), np.float32)
            self._present: NDArray[np.bool_] = np.zeros(_FIRST_ROWS, np.bool_)
        else:
            self._rows = packed.astype(np.float32)
            self._present = ~np.isnan(self._rows[:, 0])
            self._rows[~self._present] = 0

    def __contains__(self, slot: int) -> bool:
        return slot < len(self._present) and bool(self._present[slot])

    def set(self, slot: int, vector: NDArray[np.float32]) -> None:
        """Put a vector into `slot`; its length does not matter, its direction does."""
        if slot >= len(self._present):
            size = max(2 * len(self._present), slot + 1)
            rows = np.zeros((size, self.dimensions), np.float32)
            rows[: len(self._rows)] = self._rows
            self._rows = rows
            self._present = np.append(self._present, np.zeros(size - len(self._present), np.bool_))
        self._rows[slot] = unit(vector).astype(np.float16)
        self._present[slot] = True

    def remove(self, slot: int) -> None:
        """Take the vector out of `slot`, if there is one."""
        if slot in self:
            self._rows[slot] = 0
            self._present[slot] = False

    def __len__(self) -> int:
        return int(self._present.sum())

    def pack(self, size: int) -> NDArray[np.float16]:
        """Return what `VectorIndex` takes over, for the slots below `size`."""
        packed = np.full((size, self.dimensions), np.nan, np.float16)
        known = np.flatnonzero(self._present[:size])
        packed[known] = self._rows[known]
        return packed

    def similarities(self, query: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Return the cosine of `query` with each slot below `size`; NaN where there is no vector."""
        known = min(size, len(self._present))
        found = np.full(size, np.nan, np.float32)
        rows, present = self._rows[:known], self._present[:known]
        found[:known] = rows @ unit(query)
        found[:known][~present] = np.nan
        return found
