"""Recall quality on the labelled set, mem0's search beside it with the same embedder: build/bench/recall.json."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recall_api.search.evaluate import Figures, evaluate, figures, read, table
from tests.bench import peers
from tests.bench.embedders import wordllama
from tests.bench.recall_quality.data import evaluation_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILD: Final = Path("build/bench")
OUTPUT: Final = BUILD / "recall.json"


def mem0_figures(file: Path) -> Figures:
    """Return the figures of mem0's search on a labelled file."""
    script = Path(__file__).parent / "mem0_search.py"
    # -P: the script's folder has packages whose names are those of standard modules.
    done = subprocess.run([peers.python(), "-P", script, file], check=True, stdout=subprocess.PIPE, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return figures((answer["found"], answer["relevant"]) for answer in answers)


def falls_short(results: Mapping[str, Figures]) -> list[str]:
    """Say by which figures the fused search is not better than another one."""
    fused = vars(results["fused"])
    return [
        f"{name} of fused ({fused[name]}) is not above {method}'s ({value})"
        for method in ("words", "vectors", "mem0")
        for name, value in vars(results[method]).items()
        if fused[name] <= value
    ]


def main() -> None:
    """Measure, write the figures, and fail when fusing does not pay."""
    BUILD.mkdir(parents=True, exist_ok=True)
    file = BUILD / "recall-quality.jsonl"
    file.write_text("".join(f"{line}\n" for line in evaluation_lines()), encoding="utf-8")
    results = asyncio.run(evaluate(read(file), wordllama()))
    results["mem0"] = mem0_figures(file)
    OUTPUT.write_text(json.dumps({method: vars(one) for method, one in results.items()}, indent=2) + "\n")
    print(f"{table(results)}\nwritten to {OUTPUT}")
    if short := falls_short(results):
        sys.exit("\n".join(short))


if __name__ == "__main__":
    main()
