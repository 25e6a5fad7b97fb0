"""Two rankings become one: weighted reciprocal rank fusion over the union of their candidates.

Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual rank learning
methods" (SIGIR 2009). What only one ranking knows is a candidate as well: a hit by words alone can surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

RANK_CONSTANT: Final = 60
"""The paper's k: how little the difference between first and second counts."""
WORDS_WEIGHT: Final = 1.0
VECTORS_WEIGHT: Final = 0.7
"""Words count more: memories name people, places and dates, which vectors blur."""


@dataclass(frozen=True)
class Fused:
    """One candidate of the union; ranks start at 1, none when a ranking does not have it."""

    slot: int
    score: float
    words_rank: int | None
    vectors_rank: int | None


def fuse(by_words: Sequence[int], by_vectors: Sequence[int]) -> list[Fused]:
    """Return the union of two rankings (best first), best first; ties go to the better words rank, then the slot."""
    words = {slot: rank for rank, slot in enumerate(by_words, 1)}
    vectors = {slot: rank for rank, slot in enumerate(by_vectors, 1)}
    fused = [
        Fused(
            slot,
            (WORDS_WEIGHT / (RANK_CONSTANT + words[slot]) if slot in words else 0.0)
            + (VECTORS_WEIGHT / (RANK_CONSTANT + vectors[slot]) if slot in vectors else 0.0),
            words.get(slot),
            vectors.get(slot),
        )
        for slot in words.keys() | vectors.keys()
    ]
    return sorted(fused, key=lambda hit: (-hit.score, hit.words_rank or len(words) + 1, hit.slot))
