"""Plays all schedules on all processors, prints how each kind went, and writes build/faults.json."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.emulated_world import EMULATED_FLOWS, running
from tests.faults.flows import FLOWS
from tests.faults.schedules import of_flow, play

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.schedules import Result, Schedule

OUTPUT = Path("build/faults.json")
_PROBLEMS_SHOWN = 20
_SHARES = 12
"""Of each flow: small enough for all processors to have work until the end, and each share has all kinds of faults."""
_IN_MEMORY, _EMULATED = "in memory", "on the emulated AWS"


@dataclass(frozen=True)
class Played:
    """How a schedule ended, in words that another process can be told."""

    kind: str
    schedule: str
    seconds: float
    problem: str | None


def _told(results: Iterable[Result]) -> list[Played]:
    return [Played(item.schedule.kind, str(item.schedule), item.seconds, item.problem) for item in results]


def play_share(place: str, name: str, share: int, words: str = "") -> list[Played]:
    """Play every `_SHARES`-th schedule of one flow in one of the two worlds, beginning with the one at `share`.

    Of these, only those that have `words` in their name.
    """

    def chosen(schedules: Iterable[Schedule]) -> Iterable[Schedule]:
        return (item for item in itertools.islice(schedules, share, None, _SHARES) if words in str(item))

    if place == _IN_MEMORY:
        flow = next(flow for flow in FLOWS if flow.name == name)
        return _told(play(schedule) for schedule in chosen(of_flow(flow)))
    flow = next(flow for flow in EMULATED_FLOWS if flow.name == name)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as emulated:
        return _told(emulated.play(schedule) for schedule in chosen(emulated.schedules(flow)))


def summary(results: list[Played]) -> dict[str, dict[str, Any]]:
    """Return, by kind of fault, how many schedules there were, how many failed, and the longest recovery."""
    kinds: dict[str, list[Played]] = defaultdict(list)
    for result in results:
        kinds[result.kind].append(result)
    return {
        kind: {
            "schedules": len(played),
            "failed": sum(1 for result in played if result.problem),
            "longestRecoverySeconds": round(max(result.seconds for result in played), 1),
        }
        for kind, played in sorted(kinds.items())
    }


def document(results: list[Played], seconds: float, *, complete: bool) -> dict[str, Any]:
    """Return what build/faults.json holds; written again and again, so that a run that is ended tells what it saw."""
    problems = [{"schedule": item.schedule, "problem": item.problem} for item in results if item.problem]
    return {
        "complete": complete,
        "schedules": len(results),
        "failed": len(problems),
        "seconds": round(seconds, 1),
        "kinds": summary(results),
        "problems": problems,
    }


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    grammar = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=f"{__doc__} A problem in it names its schedule; --schedule plays that one again.",
    )
    names = sorted({flow.name for flow in (*FLOWS, *EMULATED_FLOWS)})
    grammar.add_argument("--flow", choices=names, action="append", help="only this flow; may be repeated")
    grammar.add_argument("--world", choices=("memory", "aws"), help="only in memory, or only on the emulated AWS")
    grammar.add_argument("--schedule", default="", metavar="WORDS", help="only schedules with WORDS in their name")
    return grammar


def main() -> int:
    """Play what was asked for; return 1 when a schedule ended badly, 2 when there was none."""
    options = parser().parse_args()
    started = time.monotonic()
    results: list[Played] = []
    worlds = {"aws": (_EMULATED, EMULATED_FLOWS), "memory": (_IN_MEMORY, FLOWS)}
    flows = [
        (place, flow.name)
        for world, (place, there) in worlds.items()
        for flow in there
        if options.world in {None, world} and (not options.flow or flow.name in options.flow)
    ]
    OUTPUT.parent.mkdir(exist_ok=True)
    with ProcessPoolExecutor() as pool:
        shares = {
            pool.submit(play_share, *flow, share, options.schedule): flow for share in range(_SHARES) for flow in flows
        }
        for number, done in enumerate(as_completed(shares), start=1):
            place, name = shares[done]
            played = done.result()
            results += played
            failed = sum(1 for item in played if item.problem)
            seconds = time.monotonic() - started
            found = document(results, seconds, complete=number == len(shares))
            OUTPUT.write_text(json.dumps(found, indent=2) + "\n")
            print(f"{seconds:7.1f} s  {name} {place}: {len(played)} schedules, {failed} failed", flush=True)
    if not results:
        print(f"No schedule is called so: {options.schedule!r}", file=sys.stderr)
        return 2
    table, problems = found["kinds"], found["problems"]
    print(f"\n{'kind of fault':38}{'schedules':>10}{'failed':>8}{'recovered within':>18}")
    for kind, row in table.items():
        print(f"{kind:38}{row['schedules']:>10}{row['failed']:>8}{row['longestRecoverySeconds']:>16.1f} s")
    print(f"{'all':38}{len(results):>10}{len(problems):>8}   in {found['seconds']} s")
    for problem in problems[:_PROBLEMS_SHOWN]:
        print(f"\n{problem['schedule']}\n  {str(problem['problem'])[:1500]}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
