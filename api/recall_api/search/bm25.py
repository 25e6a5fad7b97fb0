"""Words: Okapi BM25 over documents that come and go, exact at every moment.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf that
stays positive, log(1 + (N - n + 0.5) / (n + 0.5)).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

K1: Final = 1.2
B: Final = 0.75
"""The usual values; nothing here was tuned to a set of questions."""


class _Postings:
    """Where one term occurs: slot to count, and the same as arrays when a search needs them."""

    __slots__ = ("_counts", "_slots", "by_slot")

    def __init__(self) -> None:
        self.by_slot: dict[int, int] = {}
        self._slots: NDArray[np.int32] | None = None
        self._counts: NDArray[np.float32] | None = None

    def changed(self) -> None:
        self._slots = self._counts = None

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if self._slots is None or self._counts is None:
            self._slots = np.fromiter(self.by_slot.keys(), np.int32, len(self.by_slot))
            self._counts = np.fromiter(self.by_slot.values(), np.float32, len(self.by_slot))
        return self._slots, self._counts


class WordIndex:
    """BM25 scores by slot; a slot is a small number that the caller gives to a document."""

    def __init__(self) -> None:
        self._postings: dict[str, _Postings] = {}
        self._terms: dict[int, tuple[str, ...]] = {}
        self._lengths: NDArray[np.float32] = np.zeros(64, np.float32)
        self._total_length = 0

    def __len__(self) -> int:
        return len(self._terms)

    def add(self, slot: int, terms: Sequence[str]) -> None:
        """Add the document in `slot`, which must be free."""
        if slot >= len(self._lengths):
            self._lengths = np.resize(self._lengths, max(2 * len(self._lengths), slot + 1))
        counts = Counter(terms)
        for term, count in counts.items():
            postings = self._postings.get(term)
            if postings is None:
                postings = self._postings[term] = _Postings()
            postings.by_slot[slot] = count
            postings.changed()
        self._terms[slot] = tuple(counts)
        self._lengths[slot] = len(terms)
        self._total_length += len(terms)

    def remove(self, slot: int) -> None:
        """Take the document out of `slot`."""
        for term in self._terms.pop(slot):
            postings = self._postings[term]
            del postings.by_slot[slot]
            postings.changed()
            if not postings.by_slot:
                del self._postings[term]
        self._total_length -= int(self._lengths[slot])
        self._lengths[slot] = 0

    def scores(self, terms: Sequence[str], size: int) -> NDArray[np.float32]:
        """Return the score of each slot below `size` for a query; 0 where no term occurs."""
        scores = np.zeros(size, np.float32)
        for term, weight in Counter(terms).items():
            postings = self._postings.get(term)
            if postings is not None:
                slots, counts = postings.arrays()
                scores[slots] += weight * self._idf(len(slots)) * self._saturation(counts, self._lengths[slots])
        return scores

    def explain(self, terms: Sequence[str], slot: int) -> dict[str, float]:
        """Return what each of the query's terms adds to the score of `slot`; they sum up to it."""
        parts: dict[str, float] = {}
        for term, weight in Counter(terms).items():
            postings = self._postings.get(term)
            if postings is not None and (count := postings.by_slot.get(slot)):
                saturation = self._saturation(np.float32(count), self._lengths[slot])
                parts[term] = float(weight * self._idf(len(postings.by_slot)) * saturation)
        return parts

    def _idf(self, documents: int) -> float:
        return math.log1p((len(self._terms) - documents + 0.5) / (documents + 0.5))

    def _saturation(
        self, counts: NDArray[np.float32] | np.float32, lengths: NDArray[np.float32] | np.float32
    ) -> NDArray[np.float32]:
        average = self._total_length / len(self._terms)
        return np.asarray(counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths / average)), np.float32)
