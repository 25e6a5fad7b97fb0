"""Words: Okapi BM25 over documents that come and go, exact at every moment.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the idf that
stays positive, log(1 + (N - n + 0.5) / (n + 0.5)).

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
RECENT_BYTES: Final = 4_000
"""What a document in dictionaries takes: some twenty terms of 200 bytes."""
MAX_COUNT: Final = 65_535


@functools.lru_cache(maxsize=65_536)
def term_key(term: str) -> int:
    """Return the number that stands for a term."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Postings:
    """Where terms occur: those of `keys[i]` are `slots[starts[i]:starts[i + 1]]`, as often as `counts` says."""

    keys: NDArray[np.uint64]
    starts: NDArray[np.int32]
    slots: NDArray[np.int32]
    counts: NDArray[np.uint16]

    @classmethod
    def packed(cls, keys: NDArray[np.uint64], slots: NDArray[np.int32], counts: NDArray[np.uint16]) -> Postings:
        """Return postings from one row an occurrence, in any order."""
        order = np.lexsort((slots, keys))
        distinct, starts = np.unique(keys[order], return_index=True)
        return cls(distinct, np.append(starts, len(keys)).astype(np.int32), slots[order], counts[order])

    @classmethod
    def none(cls) -> Postings:
        """Return postings of nothing."""
        return cls.packed(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.uint16))

    def of(self, key: int) -> slice:
        """Return the rows of a term."""
        at = int(np.searchsorted(self.keys, np.uint64(key)))
        if at == len(self.keys) or int(self.keys[at]) != key:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))


@dataclass(frozen=True)
class Match:
    """A term of a query, the documents that have it, and what it adds to the score of each."""

    term: str
    slots: NDArray[np.int32]
    added: NDArray[np.float32]


def scores(matches: Sequence[Match], size: int) -> NDArray[np.float32]:
    """Return the score of each slot below `size`; 0 where no term occurs."""
    found = np.zeros(size, np.float32)
    for match in matches:
        found[match.slots] += match.added
    return found


def explain(matches: Sequence[Match], slots: Sequence[int], size: int) -> list[dict[str, float]]:
    """Return, for each of `slots`, what each term adds to its score; they sum up to it. All slots are below `size`."""
    parts: list[dict[str, float]] = [{} for _ in slots]
    for match in matches:
        by_slot = scores([match], size)[slots]
        for part, added in zip(parts, by_slot.tolist(), strict=True):
            if added:
                part[match.term] = added
    return parts


class WordIndex:
    """BM25 scores by slot; a slot is a small number that the caller gives to a document."""

    def __init__(self, postings: Postings | None = None, lengths: NDArray[np.int32] | None = None) -> None:
        """Take over what was packed: `lengths` are the terms of each slot, -1 where there is no document."""
        self._packed = postings or Postings.none()
        self._lengths = np.full(64, -1, np.int32) if lengths is None else lengths.copy()
        self._void = np.zeros(len(self._lengths), np.bool_)
        """Slots whose packed rows don't count any more."""
        self._recent: dict[int, dict[int, int]] = {}
        self._recent_terms: dict[int, tuple[int, ...]] = {}
        present = self._lengths[self._lengths >= 0]
        self._documents, self._total_length = len(present), int(present.sum())
        self._changes = 0

    def __len__(self) -> int:
        return self._documents

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about: what is in dictionaries is counted by the document."""
        packed = self._packed
        arrays = (packed.keys, packed.starts, packed.slots, packed.counts, self._lengths, self._void)
        return sum(array.nbytes for array in arrays) + RECENT_BYTES * len(self._recent_terms)

    def add(self, slot: int, terms: Sequence[str]) -> None:
        """Add the document in `slot`, which must be free."""
        if slot >= len(self._lengths):
            size = max(2 * len(self._lengths), slot + 1) - len(self._lengths)
            self._lengths = np.append(self._lengths, np.full(size, -1, np.int32))
            self._void = np.append(self._void, np.zeros(size, np.bool_))
        counts = Counter(map(term_key, terms))
        for key, count in counts.items():
            self._recent.setdefault(key, {})[slot] = min(count, MAX_COUNT)
        self._recent_terms[slot] = tuple(counts)
        self._void[slot] = True
        self._lengths[slot] = len(terms)
        self._documents += 1
        self._total_length += len(terms)
        self._changed()

    def remove(self, slot: int) -> None:
        """Take the document out of `slot`."""
        for key in self._recent_terms.pop(slot, ()):
            found = self._recent[key]
            del found[slot]
            if not found:
                del self._recent[key]
        self._void[slot] = True
        self._documents -= 1
        self._total_length -= int(self._lengths[slot])
        self._lengths[slot] = -1
        self._changed()

    def matches(self, terms: Sequence[str]) -> list[Match]:
        """Return where the terms of a query occur, and what they add there."""
        found = []
        for term, weight in Counter(terms).items():
            slots, counts = self._occurrences(term_key(term))
            if len(slots):
                added = weight * self._idf(len(slots)) * self._saturation(counts, self._lengths[slots])
                found.append(Match(term, slots, added))
        return found

    def lengths(self, size: int) -> NDArray[np.int32]:
        """Return the terms of each document below `size`, -1 where there is none."""
        return self._lengths[:size]

    def pack(self) -> tuple[Postings, NDArray[np.int32]]:
        """Put what is recent into the packed part; return it and the lengths by slot."""
        if self._changes:
            old = self._packed
            keys = np.repeat(old.keys, np.diff(old.starts))
            kept = ~self._void[old.slots]
            recent = [(key, slot, count) for key, found in self._recent.items() for slot, count in found.items()]
            columns = zip(*recent, strict=True) if recent else ((), (), ())
            new_keys, new_slots, new_counts = columns
            self._packed = Postings.packed(
                np.concatenate([keys[kept], np.array(new_keys, np.uint64)]),
                np.concatenate([old.slots[kept], np.array(new_slots, np.int32)]),
                np.concatenate([old.counts[kept], np.array(new_counts, np.uint16)]),
            )
            self._recent, self._recent_terms, self._changes = {}, {}, 0
            self._void = np.zeros(len(self._lengths), np.bool_)
        return self._packed, self._lengths

    def _changed(self) -> None:
        self._changes += 1
        if self._changes > max(PACKED_AT, self._documents // 8):
            self.pack()

    def _occurrences(self, key: int) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        rows = self._packed.of(key)
        slots, counts = self._packed.slots[rows], self._packed.counts[rows]
        if self._changes:
            kept = ~self._void[slots]
            recent = self._recent.get(key, {})
            slots = np.concatenate([slots[kept], np.fromiter(recent, np.int32, len(recent))])
            counts = np.concatenate([counts[kept], np.fromiter(recent.values(), np.uint16, len(recent))])
        return slots, counts

    def _idf(self, documents: int) -> float:
        return math.log1p((self._documents - documents + 0.5) / (documents + 0.5))

    def _saturation(self, counts: NDArray[np.uint16], lengths: NDArray[np.int32]) -> NDArray[np.float32]:
        often = counts.astype(np.float32)
        average = self._total_length / self._documents
        shrunk = np.asarray(lengths * (K1 * B / average) + K1 * (1 - B), np.float32)
        return np.asarray(often * (K1 + 1) / (often + shrunk), np.float32)
