"""What filters and times ask of memories, by slot: arrays, so that no search walks through all of them in Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from recall_api.memories.model import MemoryContent
    from recall_api.search.filters import Filter
    from recall_api.search.times import Time


class Facts:
    """Dates, tags and refused models by slot."""

    def __init__(self, occurred: NDArray[np.float64] | None = None, others: bytes = b"[[], []]") -> None:
        """Take over what was packed."""
        self._occurred = np.full(64, np.nan) if occurred is None else occurred.copy()
        tags, refused = json.loads(others)
        self._tags: dict[int, frozenset[str]] = {slot: frozenset(names) for slot, names in tags}
        self._refused: dict[int, tuple[str, ...]] = {slot: tuple(models) for slot, models in refused}

    def put(self, slot: int, content: MemoryContent) -> None:
        """Note what the memory in `slot` is now."""
        self.remove(slot)
        if slot >= len(self._occurred):
            size = max(2 * len(self._occurred), slot + 1)
            self._occurred = np.append(self._occurred, np.full(size - len(self._occurred), np.nan))
        if content.occurred_at is not None:
            self._occurred[slot] = content.occurred_at.timestamp()
        if content.tags:
            self._tags[slot] = frozenset(content.tags)
        if content.never_send_to:
            self._refused[slot] = content.never_send_to

    def remove(self, slot: int) -> None:
        """Forget about `slot`."""
        if slot < len(self._occurred):
            self._occurred[slot] = np.nan
        self._tags.pop(slot, None)
        self._refused.pop(slot, None)

    def in_time(self, times: Sequence[Time], size: int) -> NDArray[np.bool_]:
        """Return whether each slot below `size` happened in one of `times`."""
        occurred = self._occurred[:size]
        found = np.zeros(size, np.bool_)
        for time in times:
            found |= (occurred >= time.start.timestamp()) & (occurred < time.end.timestamp())
        return found

    def refused(self, wanted: Filter, size: int) -> NDArray[np.bool_]:
        """Return whether each slot below `size` is left out by the filter."""
        occurred = self._occurred[:size]
        left_out = np.zeros(size, np.bool_)
        if wanted.occurred_after is not None:
            left_out |= ~(occurred >= wanted.occurred_after.timestamp())
        if wanted.occurred_before is not None:
            left_out |= ~(occurred < wanted.occurred_before.timestamp())
        if wanted.tags:
            left_out |= ~_these((slot for slot, tags in self._tags.items() if wanted.tags <= tags), size)
        if wanted.model is not None:
            models = {"*", wanted.model}
            left_out |= _these((slot for slot, refused in self._refused.items() if models & set(refused)), size)
        if wanted.any_model:
            left_out |= _these(self._refused, size)
        return left_out

    def pack(self, size: int) -> tuple[NDArray[np.float64], bytes]:
        """Return what `Facts` takes over, for the slots below `size`."""
        others = [[[slot, list(values)] for slot, values in by.items()] for by in (self._tags, self._refused)]
        return self._occurred[:size], json.dumps(others, ensure_ascii=False).encode()


def _these(slots: Iterable[int], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, np.bool_)
    found[list(slots)] = True
    return found
