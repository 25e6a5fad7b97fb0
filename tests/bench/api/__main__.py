"""How fast the API is, and beside what: build/bench/api.json. `--quick` is a smoke run of a minute or two.

Everything runs on this machine and on loopback only: emulated AWS and Bedrock, the API as its image runs it, mem0 and
LiteLLM's proxy from PyPI in an environment of their own. A shared machine is noisy: what is compared takes turns,
ratios are of medians, throughput is by processor time, and the load of the machine is written beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.api import memory, overhead, search, streams, throughput
from tests.bench.api.world import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OUTPUT = Path("build/bench/api.json")
QUICK_OUTPUT = Path("build/bench/api-quick.json")


class Progress:
    """Says on the terminal what is being done."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """Say it."""
        print(f"[{time.monotonic() - self._began:6.0f} s] {text}", flush=True)


def load() -> list[float]:
    """Return how many processes wanted a processor, over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def parts(*, quick: bool, note: Progress) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the measurements by name, in their order."""

    def overhead_part() -> dict[str, Any]:
        with world() as made, made.pod() as pod:
            return overhead.measure(made, pod, 3 if quick else 20, note)

    def throughput_part() -> dict[str, Any]:
        with world() as made, made.pod() as pod:
            return throughput.measure(made, pod, 200 if quick else 1_000, note)

    def search_part() -> dict[str, Any]:
        with world() as made:
            return {"search": search.measure(made, search.SIZES[:2] if quick else search.SIZES, note)}

    def first_words_part() -> dict[str, Any]:
        with world() as made, made.pod() as pod:
            return streams.measure(made, pod, 20 if quick else 200, note)

    def held_part() -> dict[str, Any]:
        with world() as made:
            return streams.hold(made, note, 50 if quick else streams.STREAMS)

    def memory_part() -> dict[str, Any]:
        with world() as made:
            return memory.measure(made, 50 if quick else 1_000, note)

    return {
        "overhead": overhead_part,
        "throughput": throughput_part,
        "search": search_part,
        "first-words": first_words_part,
        "held": held_part,
        "memory": memory_part,
    }


def main() -> None:
    """Measure, and write the figures after each part."""
    parser = argparse.ArgumentParser(prog="make bench-api", description="Measure the API.")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run, roughly")
    parser.add_argument("part", nargs="*", help="measure these only, and keep the other figures: overhead throughput "
                        "search first-words held memory")  # fmt: skip
    options = parser.parse_args()
    note = Progress()
    known = parts(quick=options.quick, note=note)
    chosen: Iterable[str] = options.part or known
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"unknown: {' '.join(unknown)}; choose from {' '.join(known)}")
    output = QUICK_OUTPUT if options.quick else OUTPUT
    output.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = json.loads(output.read_text()) if options.part and output.exists() else {}
    figures["processors"] = os.cpu_count()
    for name in chosen:
        note(f"{name} …")
        before = load()
        figures |= known[name]()
        figures.setdefault("load_average", {})[name] = {"before": before, "after": load()}
        output.write_text(json.dumps(figures, indent=2) + "\n")
    print(output.read_text(), end="")
    note(f"written to {output}")


if __name__ == "__main__":
    main()
