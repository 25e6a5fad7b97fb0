"""The figures of build/bench/web.json as a table in docs/explanation/web-app.md: `python -m tests.bench.web.table`."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from tests.bench.api.table import flat
from tests.bench.web.figures import FILE

AIMS: Final = {
    "lighthouse.app.performance": "within 5 of the bare page's",
    "search_as_you_type.app.p50_ms": "≤ 100",
    "save_until_shown.app.p50_ms": "≤ 100",
}
"""Figures that were aimed for, by their path in the file."""


def aim(path: str) -> str:
    """Return what was aimed for."""
    if path.startswith("lighthouse") and ".bare." not in path and not path.endswith("runs"):
        return AIMS.get(path, "≥ 95" if path.endswith("performance") else "100")
    return AIMS.get(path, "")


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = (f"| `{path}` | {value:g} | {aim(path)} |" for path, value in flat(figures))
    return "\n".join(["| Figure | Value | Aim |", "| --- | ---: | --- |", *rows])


if __name__ == "__main__":
    sys.stdout.write(table(json.loads(FILE.read_text())) + "\n")
