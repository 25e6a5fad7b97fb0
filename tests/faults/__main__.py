"""Plays all schedules, prints how each kind went, and writes build/faults.json."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.flows import FLOWS
from tests.faults.schedules import of_flow, play

if TYPE_CHECKING:
    from tests.faults.schedules import Result

OUTPUT = Path("build/faults.json")
_PROBLEMS_SHOWN = 20


def summary(results: list[Result]) -> dict[str, dict[str, Any]]:
    """Return, by kind of fault, how many schedules there were, how many failed, and the longest recovery."""
    kinds: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        kinds[result.schedule.kind].append(result)
    return {
        kind: {
            "schedules": len(played),
            "failed": sum(1 for result in played if result.problem),
            "longestRecoverySeconds": round(max(result.seconds for result in played), 1),
        }
        for kind, played in kinds.items()
    }


def main() -> int:
    """Play everything; return how many kinds failed, at most one."""
    started = time.monotonic()
    results: list[Result] = []
    for flow in FLOWS:
        print(f"{time.monotonic() - started:6.1f} s  {flow.name} …", flush=True)
        results += [play(schedule) for schedule in of_flow(flow)]
    table = summary(results)
    problems = [{"schedule": str(item.schedule), "problem": item.problem} for item in results if item.problem]
    print(f"\n{'kind of fault':38}{'schedules':>10}{'failed':>8}{'recovered within':>18}")
    for kind, row in table.items():
        print(f"{kind:38}{row['schedules']:>10}{row['failed']:>8}{row['longestRecoverySeconds']:>16.1f} s")
    seconds = round(time.monotonic() - started, 1)
    print(f"{'all':38}{len(results):>10}{len(problems):>8}   in {seconds} s")
    for problem in problems[:_PROBLEMS_SHOWN]:
        print(f"\n{problem['schedule']}\n  {str(problem['problem'])[:1500]}")
    OUTPUT.parent.mkdir(exist_ok=True)
    document = {"schedules": len(results), "failed": len(problems), "seconds": seconds, "kinds": table}
    OUTPUT.write_text(json.dumps(document | {"problems": problems}, indent=2) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
