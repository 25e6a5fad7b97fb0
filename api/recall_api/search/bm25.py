"""Words: Okapi BM25 over documents that come and go, exact at every moment; long ones count by their best passage.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf that
stays positive, log(1 + (N - n + 0.5) / (n + 0.5)). Passages: Kaszkiel and Zobel, "Effective Ranking with Arbitrary
Passages" (2001); here they are equal parts of a text. What differs from the textbook, and why, is in decision 0192: a
document's length is compared with a usual passage's, not with the average document's.

Most documents are in the packed part: arrays, sorted by term, of where each term occurs. What was added since the last
packing is in dictionaries; what was removed from the packed part is marked. A packing costs a sort, and is done when
an eighth of the documents has changed. Terms are kept as 64-bit hashes: small, and never needed back.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

K1: Final = 1.2
B: Final = 0.75
"""The usual values; nothing here was tuned to a set of questions."""
PACKED_AT: Final = 512
"""Fewer changes than this are never packed: dictionaries do for them."""
RECENT_BYTES: Final = 100
"""What an occurrence in dictionaries takes, about."""
MAX_COUNT: Final = 65_535
PASSAGE: Final = 150
"""Terms of a usual passage: longer texts are cut into equal parts of at most so many; lengths are measured by it."""
_PART_BITS: Final = 16
"""Of the number by which a part of a document is known in dictionaries; those above say which document."""
MAX_PARTS: Final = 1 << _PART_BITS


@functools.lru_cache(maxsize=65_536)
def term_key(term: str) -> int:
    """Return the number that stands for a term."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def parts(lengths: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return into how many passages documents of so many terms are cut; one where there is none."""
    return np.minimum(np.maximum(-(-lengths // PASSAGE), 1), MAX_PARTS)


def shrinkage(lengths: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return, for documents of so many terms, how often a term must occur in a passage for half of what it can add.

    What is longer than a passage counts by the geometric mean of its length and a passage's: more passages have more
    chances that one of them is good, and each is a smaller part of what the document says.
    """
    relative = np.maximum(lengths, 0) / PASSAGE
    return np.asarray(K1 * (1 - B + B * np.minimum(relative, np.sqrt(relative))), np.float32)


@functools.lru_cache(maxsize=4_096)
def _shrinkage_of(length: int) -> float:
    return float(shrinkage(np.array([length], np.int32))[0])


@dataclass(frozen=True)
class Postings:
    """Where terms occur: those of `keys[i]` in `slots[starts[i]:starts[i + 1]]`, as often as `counts` says.

    `parts` says in which passage of the document, from 0 on. The rows of a term are sorted by slot.
    """

    keys: NDArray[np.uint64]
    starts: NDArray[np.int32]
    slots: NDArray[np.int32]
    parts: NDArray[np.uint16]
    counts: NDArray[np.uint16]

    @classmethod
    def packed(
        cls,
        keys: NDArray[np.uint64],
        slots: NDArray[np.int32],
        parts: NDArray[np.uint16],
        counts: NDArray[np.uint16],
    ) -> Postings:
        """Return postings from one row a passage that a term occurs in, in any order."""
        order = np.lexsort((slots, keys))
        distinct, starts = np.unique(keys[order], return_index=True)
        ends = np.append(starts, len(keys)).astype(np.int32)
        return cls(distinct, ends, slots[order], parts[order], counts[order])

    @classmethod
    def none(cls) -> Postings:
        """Return postings of nothing."""
        return cls.packed(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.uint16), np.empty(0, np.uint16))

    def of(self, key: int) -> slice:
        """Return the rows of a term."""
        at = int(np.searchsorted(self.keys, np.uint64(key)))
        if at == len(self.keys) or int(self.keys[at]) != key:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))


@dataclass(frozen=True)
class Match:
    """A term of a query, the passages that have it, and what it adds to the score of each."""

    term: str
    passages: NDArray[np.int32]
    added: NDArray[np.float32]


@dataclass(frozen=True)
class Further:
    """Where passages after the first one of their documents lie: behind those, which have the numbers of slots."""

    before: NDArray[np.int32]
    """How many lie before those of each slot; one more for all."""
    slots: NDArray[np.int32]
    """Whose each of them is."""

    @classmethod
    def of(cls, lengths: NDArray[np.int32]) -> Further:
        """Return it for documents of so many terms."""
        further = parts(lengths) - 1
        before = np.append(0, np.cumsum(further)).astype(np.int32)
        return cls(before, np.repeat(np.arange(len(lengths), dtype=np.int32), further))


@dataclass(frozen=True)
class Found:
    """What a query's terms add to documents: a document's score is that of its best passage."""

    matches: tuple[Match, ...]
    sums: NDArray[np.float32]
    """By passage: the first one of each slot, then the further ones."""
    size: int
    """Slots."""
    further: Further

    def scores(self) -> NDArray[np.float32]:
        """Return the score of each slot; 0 where no term occurs."""
        found = self.sums[: self.size].copy()
        np.maximum.at(found, self.further.slots, self.sums[self.size :])
        return found

    def explain(self, slots: Sequence[int]) -> list[dict[str, float]]:
        """Return, for each of `slots`, what each term adds to its score; they sum up to it."""
        best = [self._best_passage(slot) for slot in slots]
        found: list[dict[str, float]] = [{} for _ in slots]
        for match in self.matches:
            by_passage = np.zeros(len(self.sums), np.float32)
            by_passage[match.passages] = match.added
            for part, added in zip(found, by_passage[best].tolist(), strict=True):
                if added:
                    part[match.term] = added
        return found

    def _best_passage(self, slot: int) -> int:
        start, end = self.size + self.further.before[slot : slot + 2]
        if start == end or self.sums[slot] >= self.sums[start:end].max():
            return slot
        return int(start + np.argmax(self.sums[start:end]))


class WordIndex:
    """BM25 scores by slot; a slot is a small number that the caller gives to a document."""

    def __init__(self, postings: Postings | None = None, lengths: NDArray[np.int32] | None = None) -> None:
        """Take over what was packed: `lengths` are the terms of each slot, -1 where there is no document."""
        self._packed = postings or Postings.none()
        self._lengths = np.full(64, -1, np.int32) if lengths is None else lengths.copy()
        self._shrinkage = shrinkage(self._lengths)
        self._void = np.zeros(len(self._lengths), np.bool_)
        """Slots whose packed rows don't count any more."""
        self._recent: dict[int, dict[int, int]] = {}
        """How often a term occurs, by the slot and the part of the document."""
        self._recent_terms: dict[int, tuple[int, ...]] = {}
        self._recent_rows = 0
        self._documents = int(np.count_nonzero(self._lengths >= 0))
        self._further: Further | None = None
        """None when it must be counted anew."""
        self._changes = 0

    def __len__(self) -> int:
        return self._documents

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about: what is in dictionaries is counted by the document."""
        packed = self._packed
        arrays = (packed.keys, packed.starts, packed.slots, packed.parts, packed.counts)
        by_slot = (self._lengths, self._shrinkage, self._void)
        return sum(array.nbytes for array in (*arrays, *by_slot)) + RECENT_BYTES * self._recent_rows

    def add(self, slot: int, terms: Sequence[str], labels: Sequence[str] = ()) -> None:
        """Add the document in `slot`, which must be free: its text's terms in order, and what all passages have."""
        length = len(terms) + len(labels)
        if slot >= len(self._lengths):
            size = max(2 * len(self._lengths), slot + 1) - len(self._lengths)
            self._lengths = np.append(self._lengths, np.full(size, -1, np.int32))
            self._shrinkage = np.append(self._shrinkage, np.zeros(size, np.float32))
            self._void = np.append(self._void, np.zeros(size, np.bool_))
        self._lengths[slot] = length
        self._shrinkage[slot] = _shrinkage_of(length)
        text, common = list(map(term_key, terms)), list(map(term_key, labels))
        passages = self._parts(slot)
        for part in range(passages):
            start, end = part * len(text) // passages, (part + 1) * len(text) // passages
            counts = Counter(text[start:end] + common)
            self._recent_rows += len(counts)
            for key, count in counts.items():
                self._recent.setdefault(key, {})[slot << _PART_BITS | part] = min(count, MAX_COUNT)
        self._recent_terms[slot] = tuple({*text, *common})
        self._void[slot] = True
        self._documents += 1
        self._changed()

    def remove(self, slot: int) -> None:
        """Take the document out of `slot`."""
        places = range(slot << _PART_BITS, (slot << _PART_BITS) + self._parts(slot))
        for key in self._recent_terms.pop(slot, ()):
            found = self._recent[key]
            for place in places:
                if found.pop(place, 0):
                    self._recent_rows -= 1
            if not found:
                del self._recent[key]
        self._void[slot] = True
        self._documents -= 1
        self._lengths[slot] = -1
        self._changed()

    def find(self, terms: Sequence[str], size: int) -> Found:
        """Return where the terms of a query occur in the documents below `size`, all there are, and what they add."""
        if self._further is None:
            self._further = Further.of(self._lengths)
        further = self._further
        sums = np.zeros(size + len(further.slots), np.float32)
        matches = []
        for term, weight in Counter(terms).items():
            slots, parts, counts = self._occurrences(term_key(term))
            if len(slots):
                documents, passages = len(slots), slots
                later = np.flatnonzero(parts)
                if len(later):
                    documents = int(np.count_nonzero(np.diff(slots))) + 1  # a document's rows are side by side
                    passages = slots.copy()
                    passages[later] = size - 1 + further.before[slots[later]] + parts[later]
                often = counts.astype(np.float32)
                added = often / (often + self._shrinkage[slots]) * np.float32(weight * self._idf(documents) * (K1 + 1))
                sums[passages] += added
                matches.append(Match(term, passages, added))
        return Found(tuple(matches), sums, size, further)

    def lengths(self, size: int) -> NDArray[np.int32]:
        """Return the terms of each document below `size`, -1 where there is none."""
        return self._lengths[:size]

    def pack(self) -> tuple[Postings, NDArray[np.int32]]:
        """Put what is recent into the packed part; return it and the lengths by slot."""
        if self._changes:
            old = self._packed
            keys = np.repeat(old.keys, np.diff(old.starts))
            kept = ~self._void[old.slots]
            recent = [(key, place, count) for key, found in self._recent.items() for place, count in found.items()]
            new_keys, new_places, new_counts = zip(*recent, strict=True) if recent else ((), (), ())
            slots, parts = _split(np.array(new_places, np.int64))
            self._packed = Postings.packed(
                np.concatenate([keys[kept], np.array(new_keys, np.uint64)]),
                np.concatenate([old.slots[kept], slots]),
                np.concatenate([old.parts[kept], parts]),
                np.concatenate([old.counts[kept], np.array(new_counts, np.uint16)]),
            )
            self._recent, self._recent_terms, self._recent_rows, self._changes = {}, {}, 0, 0
            self._void = np.zeros(len(self._lengths), np.bool_)
        return self._packed, self._lengths

    def _changed(self) -> None:
        self._further = None
        self._changes += 1
        if self._changes > max(PACKED_AT, self._documents // 8):
            self.pack()

    def _parts(self, slot: int) -> int:
        return 1 if self._lengths[slot] <= PASSAGE else int(parts(self._lengths[slot : slot + 1])[0])

    def _occurrences(self, key: int) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.uint16]]:
        rows = self._packed.of(key)
        slots, parts, counts = self._packed.slots[rows], self._packed.parts[rows], self._packed.counts[rows]
        if self._changes:
            kept = ~self._void[slots]
            recent = self._recent.get(key, {})
            new_slots, new_parts = _split(np.fromiter(recent, np.int64, len(recent)))
            slots = np.concatenate([slots[kept], new_slots])
            parts = np.concatenate([parts[kept], new_parts])
            counts = np.concatenate([counts[kept], np.fromiter(recent.values(), np.uint16, len(recent))])
        return slots, parts, counts

    def _idf(self, documents: int) -> float:
        return math.log1p((self._documents - documents + 0.5) / (documents + 0.5))


def _split(places: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    return (places >> _PART_BITS).astype(np.int32), (places & (MAX_PARTS - 1)).astype(np.uint16)
