"""What sealing costs the processor: `python -m tests.bench.api.sealing` prints microseconds for one item.

A memory of some 200 characters with two tags, as one of the table's pages has a thousand of, and its vector.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.encryption.cipher import UserCipher
from recall_api.encryption.items import opened_item, sealed_item
from recall_api.storage import encode_item

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
EACH = 2_000


def microseconds(work: Callable[[], Any]) -> float:
    """Return the median time of one call, in microseconds."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(EACH):
            work()
        found.append((time.perf_counter() - began) / EACH * 1e6)
    return round(statistics.median(found), 1)


def main() -> None:
    """Measure and print."""
    cipher = UserCipher(os.urandom(32))
    common = {PARTITION_KEY: "USER#anna", "version": 7, "createdAt": "2026-05-01", "contentHash": "ab" * 32}
    memory = encode_item(common | {SORT_KEY: "MEM#1", "text": "The blue bicycle. " * 11, "tags": ["home", "cellar"]})
    vector = encode_item(common | {SORT_KEY: "VEC#space#1", "vector": os.urandom(1_024)})
    figures = {"load_average": os.getloadavg()[0]}
    for name, item in (("memory", memory), ("vector", vector)):
        sealed = sealed_item(item, cipher)
        figures[f"{name}_sealed_us"] = microseconds(lambda item=item: sealed_item(item, cipher))  # type: ignore[misc]
        figures[f"{name}_opened_us"] = microseconds(lambda sealed=sealed: opened_item(dict(sealed), cipher))  # type: ignore[misc]
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
