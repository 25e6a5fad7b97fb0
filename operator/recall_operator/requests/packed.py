"""Keeps many small answers in little memory: a parsed answer takes ten times what it takes packed."""

from __future__ import annotations

import pickle
import zlib
from typing import Any


def pack(answer: Any) -> bytes:
    """Return `answer` (plain data, with times) as bytes."""
    return zlib.compress(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL), 1)


def unpack(packed: bytes) -> Any:
    """Return a copy of what was packed. Only for bytes of this very process."""
    return pickle.loads(zlib.decompress(packed))  # noqa: S301 - made by `pack` and never left the process
