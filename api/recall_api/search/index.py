"""One user's search index: memories, their words, vectors, dates and tags, in memory and exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recall_api.identifiers import MemoryId
from recall_api.search.bm25 import WordIndex
from recall_api.search.facts import Facts
from recall_api.search.filters import EVERYTHING, Filter
from recall_api.search.fusion import MIN_SIMILARITY, TIME_WEIGHT, fuse
from recall_api.search.snapshot import Snapshot
from recall_api.search.texts import Texts
from recall_api.search.tokens import date_terms, query_terms, spans, terms
from recall_api.search.vectors import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from recall_api.memories.model import Memory
    from recall_api.search.times import Time

SLOT_BYTES: Final = 250
"""What a memory's id takes, as a key of a dictionary, with its date and tags."""

_NO_ID: Final = b""


@dataclass(frozen=True)
class WordsPart:
    """How a hit was found by words; ranks are among all memories that the filter takes, from 1 on."""

    rank: int
    score: float
    terms: dict[str, float]
    """What each term of the query adds; in a long text, in its best passage."""


@dataclass(frozen=True)
class VectorPart:
    """How a hit was found by meaning."""

    rank: int
    similarity: float
    """-1 to 1: a cosine that gives less weight to what all memories share."""


@dataclass(frozen=True)
class TimePart:
    """How a hit was found by a time that the query names."""

    time: Time
    score: float


@dataclass(frozen=True)
class Ranked:
    """A memory that was found, by its id, and why."""

    memory_id: MemoryId
    score: float
    words: WordsPart | None
    vector: VectorPart | None
    in_time: bool


@dataclass(frozen=True)
class Hit:
    """A memory that was found, and why."""

    memory: Memory
    score: float
    words: WordsPart | None
    vector: VectorPart | None
    time: TimePart | None = None

    @classmethod
    def of(cls, ranked: Ranked, memory: Memory, times: Sequence[Time] = ()) -> Hit:
        """Return the hit for a memory."""
        occurred_at = memory.content.occurred_at
        time = next((time for time in times if occurred_at and time.holds(occurred_at)), None)
        part = TimePart(time, TIME_WEIGHT) if ranked.in_time and time else None
        return cls(memory, ranked.score, ranked.words, ranked.vector, part)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where the query's words stand in the text: first character and the one after the last (code points)."""
        return spans(self.memory.content.text, set(self.words.terms)) if self.words else []


def label_terms(memory: Memory) -> list[str]:
    """Return the words by which a memory is found beside its text: its tags, and its date as text."""
    content = memory.content
    found = [term for tag in content.tags for term in terms(tag)]
    if content.occurred_at is not None:
        found.extend(date_terms(content.occurred_at))
    return found


class UserIndex:
    """Not for use by several threads at once: its owner sees to that."""

    def __init__(self, dimensions: int, snapshot: Snapshot | None = None) -> None:
        self.previous: VectorIndex | None = None
        """Vectors of the model before, which serve until those of the new one are complete."""
        self._without_vector: dict[MemoryId, None] = {}
        if snapshot is None:
            self._words, self._facts, self._vectors = WordIndex(), Facts(), VectorIndex(dimensions)
            self._texts = Texts()
            self._ids: NDArray[np.bytes_] = np.zeros(64, "S26")
            self._hashes: NDArray[np.uint8] = np.zeros((64, 32), np.uint8)
            self._slots: dict[MemoryId, int] = {}
            self._free: list[int] = []
            return
        self._words = WordIndex(snapshot.postings, snapshot.lengths)
        self._facts = Facts(snapshot.occurred, snapshot.others)
        self._vectors = VectorIndex(dimensions, snapshot.vectors)
        self._texts = Texts(snapshot.texts)
        self._ids, self._hashes = snapshot.ids.copy(), snapshot.hashes.copy()
        self._slots, self._free = {}, []
        for slot, memory_id in enumerate(self._ids.tolist()):
            if memory_id == _NO_ID:
                self._free.append(slot)
            else:
                self._slots[MemoryId(memory_id.decode())] = slot
        for missing in self._ids[np.isnan(snapshot.vectors[:, 0]) & (self._ids != _NO_ID)].tolist():
            self._without_vector[MemoryId(missing.decode())] = None

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about: arrays and texts exactly, Python's objects by the piece."""
        arrays = self._ids.nbytes + self._hashes.nbytes + self._words.nbytes + self._vectors.nbytes
        if self.previous is not None:
            arrays += self.previous.nbytes
        return arrays + self._texts.nbytes + SLOT_BYTES * len(self._slots)

    @property
    def size(self) -> int:
        """Slots in use or free: those below it are all there are."""
        return len(self._slots) + len(self._free)

    def put(self, memory: Memory) -> None:
        """Add a memory, or replace what is known of it; a vector stays when the text does."""
        content_hash = np.frombuffer(bytes.fromhex(memory.content.content_hash), np.uint8)
        slot = self._slots.get(memory.id)
        if slot is None:
            slot = self._free.pop() if self._free else len(self._slots)
            self._make_room(slot)
            self._slots[memory.id] = slot
            self._ids[slot] = memory.id.encode()
            self._without_vector[memory.id] = None
        else:
            self._words.remove(slot)
            if not np.array_equal(self._hashes[slot], content_hash):
                self._drop_vectors(slot)
                self._without_vector[memory.id] = None
        self._hashes[slot] = content_hash
        self._texts.put(slot, memory)
        self._facts.put(slot, memory.content)
        self._words.add(slot, terms(memory.content.text), label_terms(memory))

    def memory(self, memory_id: MemoryId) -> Memory | None:
        """Return a memory, if it is known."""
        slot = self._slots.get(memory_id)
        return self._texts.get(slot, memory_id) if slot is not None else None

    def remove(self, memory_id: MemoryId) -> None:
        """Forget a memory, if it is known."""
        slot = self._slots.pop(memory_id, None)
        if slot is not None:
            self._texts.remove(slot)
            self._words.remove(slot)
            self._facts.remove(slot)
            self._drop_vectors(slot)
            self._without_vector.pop(memory_id, None)
            self._ids[slot] = _NO_ID
            self._free.append(slot)

    def put_vector(
        self, memory_id: MemoryId, content_hash: str, vector: NDArray[np.float32], *, previous: bool = False
    ) -> bool:
        """Add the vector of a text; say whether it still is that memory's text."""
        slot = self._slots.get(memory_id)
        vectors = self.previous if previous else self._vectors
        if slot is None or vectors is None or len(vector) != vectors.dimensions:
            return False
        if self._hashes[slot].tobytes().hex() != content_hash:
            return False
        vectors.set(slot, vector)
        if not previous:
            self._without_vector.pop(memory_id, None)
            if not self._without_vector:
                self.previous = None  # the new model's vectors are complete: they serve from now on
        return True

    def without_vector(self) -> Iterator[MemoryId]:
        """Yield the memories that can't be found by meaning yet, or not by the new model's, the oldest first."""
        yield from tuple(self._without_vector)

    def rank(
        self,
        query: str,
        query_vector: NDArray[np.float32] | None,
        *,
        limit: int,
        wanted: Filter = EVERYTHING,
        times: Sequence[Time] = (),
    ) -> list[Ranked]:
        """Return the best memories for a query, best first, among those that the filter takes.

        Args:
            query: Words, in any language.
            query_vector: The query's vector by the model whose vectors serve (`previous` while there are any).
            limit: How many to return at most.
            wanted: What they must be.
            times: Times that the query names; what happened then is found, and ranks higher.
        """
        size = self.size
        if not self._slots:
            return []
        found = self._words.find(query_terms(query), size)
        words = found.scores()
        vectors = self.previous or self._vectors
        similarities = (
            np.full(size, np.nan, np.float32) if query_vector is None else vectors.similarities(query_vector, size)
        )
        in_time = self._facts.in_time(times, size) if times else None
        if wanted != EVERYTHING:
            refused = self._facts.refused(wanted, size)
            words[refused], similarities[refused] = 0, np.nan
            if in_time is not None:
                in_time &= ~refused
        fused = fuse(words, similarities, self._words.lengths(size), in_time)
        best = _best(fused, limit)
        parts = found.explain(best)
        return [
            Ranked(
                memory_id=MemoryId(self._ids[slot].decode()),
                score=float(score),
                words=WordsPart(_rank(words, slot), float(words[slot]), part) if words[slot] > 0 else None,
                vector=VectorPart(_rank(similarities, slot), float(similarities[slot]))
                if similarities[slot] > MIN_SIMILARITY
                else None,
                in_time=in_time is not None and bool(in_time[slot]),
            )
            for slot, score, part in zip(best, fused[best], parts, strict=True)
        ]

    def search(
        self,
        query: str,
        query_vector: NDArray[np.float32] | None,
        *,
        limit: int,
        wanted: Filter = EVERYTHING,
        times: Sequence[Time] = (),
    ) -> list[Hit]:
        """Return the best memories as `rank` does, and what they say."""
        ranked = self.rank(query, query_vector, limit=limit, wanted=wanted, times=times)
        memories = [self._texts.get(self._slots[found.memory_id], found.memory_id) for found in ranked]
        return [Hit.of(found, memory, times) for found, memory in zip(ranked, memories, strict=True)]

    def snapshot(self) -> Snapshot:
        """Return everything, to be loaded again without reading and splitting texts."""
        size = self.size
        postings, lengths = self._words.pack()
        occurred, others = self._facts.pack(size)
        return Snapshot(
            self._ids[:size].copy(), self._hashes[:size].copy(), postings, lengths[:size].copy(), occurred.copy(),
            others, self._vectors.pack(size), self._texts.pack(size),
        )  # fmt: skip

    def _make_room(self, slot: int) -> None:
        if slot >= len(self._ids):
            more = max(64, len(self._ids))
            self._ids = np.append(self._ids, np.zeros(more, "S26"))
            self._hashes = np.append(self._hashes, np.zeros((more, 32), np.uint8), axis=0)

    def _drop_vectors(self, slot: int) -> None:
        self._vectors.remove(slot)
        if self.previous is not None:
            self.previous.remove(slot)


def _best(scores: NDArray[np.float32], limit: int) -> list[int]:
    """Return the slots with a positive score, best first, at most `limit`; ties by slot."""
    slots = np.flatnonzero(scores > 0)
    if len(slots) > limit:
        least = np.partition(scores[slots], len(slots) - limit)[len(slots) - limit]
        slots = slots[scores[slots] >= least]
    return [int(slot) for slot in slots[np.argsort(-scores[slots], kind="stable")][:limit]]


def _rank(scores: NDArray[np.float32], slot: int) -> int:
    return int(np.count_nonzero(scores > scores[slot])) + 1  # NaN exceeds nothing
