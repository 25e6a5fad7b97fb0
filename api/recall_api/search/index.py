"""One user's search index: memories, their words and their vectors, in memory and exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recall_api.search.bm25 import WordIndex
from recall_api.search.fusion import fuse
from recall_api.search.tokens import date_terms, terms
from recall_api.search.vectors import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from recall_api.identifiers import MemoryId
    from recall_api.memories.model import Memory

CANDIDATES: Final = 100
"""How many of each ranking are fused; more than any answer holds."""
MIN_SIMILARITY: Final = 0.05
"""Cosine below which two texts have nothing to do with each other, so that noise is no hit."""


@dataclass(frozen=True)
class WordsPart:
    """How a hit was found by words."""

    rank: int
    score: float
    terms: dict[str, float]
    """What each term of the query adds."""


@dataclass(frozen=True)
class VectorPart:
    """How a hit was found by meaning."""

    rank: int
    similarity: float
    """Cosine, -1 to 1."""


@dataclass(frozen=True)
class Hit:
    """A memory that was found, and why."""

    memory: Memory
    score: float
    words: WordsPart | None
    vector: VectorPart | None


def memory_terms(memory: Memory) -> list[str]:
    """Return everything by which a memory is found by words: its text, its tags, and its date as text."""
    content = memory.content
    found = terms(content.text)
    for tag in content.tags:
        found.extend(terms(tag))
    if content.occurred_at is not None:
        found.extend(date_terms(content.occurred_at))
    return found


class UserIndex:
    """Not for use by several threads at once: the event loop owns it."""

    def __init__(self, dimensions: int) -> None:
        self._words = WordIndex()
        self._vectors = VectorIndex(dimensions)
        self._memories: dict[int, Memory] = {}
        self._slots: dict[MemoryId, int] = {}
        self._free: list[int] = []
        self._without_vector: dict[MemoryId, None] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, memory: Memory) -> None:
        """Add a memory, or replace what is known of it; a vector stays when the text does."""
        slot = self._slots.get(memory.id)
        if slot is None:
            slot = self._free.pop() if self._free else len(self._slots)
            self._slots[memory.id] = slot
            self._without_vector[memory.id] = None
        else:
            self._words.remove(slot)
            if self._memories[slot].content.text != memory.content.text:
                self._vectors.remove(slot)
                self._without_vector[memory.id] = None
        self._memories[slot] = memory
        self._words.add(slot, memory_terms(memory))

    def remove(self, memory_id: MemoryId) -> None:
        """Forget a memory, if it is known."""
        slot = self._slots.pop(memory_id, None)
        if slot is not None:
            del self._memories[slot]
            self._words.remove(slot)
            self._vectors.remove(slot)
            self._without_vector.pop(memory_id, None)
            self._free.append(slot)

    def put_vector(self, memory_id: MemoryId, content_hash: str, vector: NDArray[np.float32]) -> bool:
        """Add the vector of a text; say whether it still is that memory's text."""
        slot = self._slots.get(memory_id)
        if slot is None or self._memories[slot].content.content_hash != content_hash:
            return False
        if len(vector) != self._vectors.dimensions:
            return False
        self._vectors.set(slot, vector)
        self._without_vector.pop(memory_id, None)
        return True

    def without_vector(self) -> Iterator[Memory]:
        """Yield the memories that can't be found by meaning yet, the oldest first."""
        for memory_id in tuple(self._without_vector):
            yield self._memories[self._slots[memory_id]]

    def search(
        self,
        query: str,
        query_vector: NDArray[np.float32] | None,
        *,
        limit: int,
        accepts: Callable[[Memory], bool] | None = None,
    ) -> list[Hit]:
        """Return the best hits for a query, best first, among the memories that `accepts` takes."""
        size = max(self._memories, default=-1) + 1
        if not size:
            return []
        query_terms = terms(query)
        word_scores = self._words.scores(query_terms, size)
        similarities = (
            np.full(size, np.nan, np.float32)
            if query_vector is None
            else self._vectors.similarities(query_vector, size)
        )
        if accepts is not None:
            refused = [slot for slot, memory in self._memories.items() if not accepts(memory)]
            word_scores[refused] = 0
            similarities[refused] = np.nan
        fused = fuse(_best(word_scores, 0.0), _best(similarities, MIN_SIMILARITY))
        return [
            Hit(
                memory=self._memories[found.slot],
                score=found.score,
                words=None
                if found.words_rank is None
                else WordsPart(
                    found.words_rank, float(word_scores[found.slot]), self._words.explain(query_terms, found.slot)
                ),
                vector=None
                if found.vectors_rank is None
                else VectorPart(found.vectors_rank, float(similarities[found.slot])),
            )
            for found in fused[:limit]
        ]


def _best(scores: NDArray[np.float32], least: float) -> list[int]:
    """Return the slots whose score exceeds `least`, best first, at most `CANDIDATES`; ties by slot."""
    slots = np.flatnonzero(scores > least)  # NaN exceeds nothing
    if len(slots) > CANDIDATES:
        kept = np.argpartition(-scores[slots], CANDIDATES - 1)[:CANDIDATES]
        slots = np.sort(slots[kept])
    return [int(slot) for slot in slots[np.argsort(-scores[slots], kind="stable")]]
