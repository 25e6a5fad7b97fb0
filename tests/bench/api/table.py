"""The figures of build/bench/api.json as the table of docs/explanation/speed.md: `python -m tests.bench.api.table`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.bench.api.__main__ import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AIMS: Final = {
    "read_overhead_ratio": "≤ 1.5",
    "write_overhead_ratio": "≤ 1.5",
    "rps_per_core": "≥ 5 times mem0's",
    "search.10000.warm_p50_ms": "≤ 3",
    "search.10000.cold_ms": "≤ 300",
    "ttft_added_ms.p50": "≤ 3, and below LiteLLM's",
    "streams_dropped": "0",
}
"""Figures that were aimed for, by their path in the file."""


def flat(figures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the numbers of a tree and their paths."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        elif name != "processors":
            yield f"{above}{name}", value


def table(figures: Mapping[str, Any]) -> str:
    """Return the figures as Markdown, and how busy the machine was."""
    load = figures.get("load_average", {})
    rows = flat({name: value for name, value in figures.items() if name != "load_average"})
    busy = "; ".join(f"{part} {one['before'][0]:.1f} to {one['after'][0]:.1f}" for part, one in load.items())
    return "\n".join(
        [
            "| Figure | Value | Aim |",
            "| --- | ---: | --- |",
            *(f"| `{path}` | {value:g} | {AIMS.get(path, '')} |" for path, value in rows),
            "",
            f"{figures['processors']} processors; load average before and after each part: {busy}.",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(table(json.loads(OUTPUT.read_text())) + "\n")
