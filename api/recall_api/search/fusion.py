"""Two rankings become one: a convex combination of their scores over the union, each on a scale from 0 to 1.

Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (ACM TOIS 2023): it beats
reciprocal ranks, which forget by how much one hit is better than the next, and it needs little tuning. What only one
ranking knows is a candidate as well: a hit by words alone can surface. Decision 0080 has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS_WEIGHT: Final = 0.55
VECTORS_WEIGHT: Final = 0.45
"""Neither is known to be better for what somebody will store (decision 0166); the only memory with a rare word comes
before the one that is nearest in meaning."""
TIME_WEIGHT: Final = 0.5
"""What lying in a time that the query names adds: less than the best match by words, more than a faint one."""
MIN_SIMILARITY: Final = 0.05
"""Similarity below which two texts have nothing to do with each other, so that noise is no hit."""

SENTENCE: Final = 15
"""Terms of a usual sentence: what is much shorter says too little to be near to anything."""


def evidence(lengths: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the share of its similarity that a memory of so many terms is given: little text, little evidence.

    Short texts are near to much by chance ("Thanks, Maria!" to all that is asked about Maria).
    """
    return np.asarray(-np.expm1(np.minimum(-lengths, 0) / np.float32(SENTENCE)), np.float32)


def fuse(
    words: NDArray[np.float32],
    similarities: NDArray[np.float32],
    lengths: NDArray[np.int32],
    in_time: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Return one score for each slot, 0 for what is no hit.

    Args:
        words: BM25 scores, 0 where no word occurs.
        similarities: From -1 to 1, NaN where there is no vector.
        lengths: Terms of the memories.
        in_time: Whether it happened when the query says; none when the query names no time.
    """
    found = np.nan_to_num(similarities, nan=0.0)
    found[found <= MIN_SIMILARITY] = 0
    fused = WORDS_WEIGHT * _scaled(words) + VECTORS_WEIGHT * _scaled(found * evidence(lengths))
    if in_time is not None:
        fused[in_time] += TIME_WEIGHT
    return np.asarray(fused, np.float32)


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    best = float(scores.max(initial=0.0))
    return scores / np.float32(best) if best > 0 else scores
