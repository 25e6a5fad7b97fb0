"""Numbers out of measurements."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def milliseconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


def added(values: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Return by how much the quantiles of `values` exceed those of `base`."""
    over, under = quantiles(values), quantiles(base)
    return {name: round(over[name] - under[name], 2) for name in over}


def median_ratio(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> float:
    """Return the median, over pairs of blocks that ran one after the other, of the ratio of their medians."""
    return round(statistics.median(statistics.median(one) / statistics.median(other) for one, other in pairs), 2)
