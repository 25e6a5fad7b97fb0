"""The short form of `make test-faults`: of every flow, one schedule of every kind."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import faults
from tests.faults.flows import FLOWS, Flow
from tests.faults.schedules import Schedule, of_flow, play, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.doors import Call
    from tests.faults.process import Process

AT_LEAST = 500


def one_of_each_kind(schedules: Iterable[Schedule]) -> list[Schedule]:
    """Return one schedule of every kind, from the middle of the flow."""
    kinds: dict[str, list[Schedule]] = defaultdict(list)
    for schedule in schedules:
        kinds[schedule.kind].append(schedule)
    return [found[len(found) // 2] for found in kinds.values()]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_kind_of_fault_is_survived(flow: Flow) -> None:
    results = [play(schedule) for schedule in one_of_each_kind(of_flow(flow))]
    assert [f"{result.schedule}: {result.problem}" for result in results if result.problem] == []


def test_the_long_form_is_long_enough() -> None:
    assert len(list(itertools.islice((item for flow in FLOWS for item in of_flow(flow)), AT_LEAST))) == AT_LEAST


@pytest.mark.parametrize(
    ("things", "name"), [("tables", "recall.test.default.beta"), ("clients", "foreign1"), ("roles", "foreign-new")]
)
def test_what_must_not_happen_is_noticed(things: str, name: str) -> None:
    """Who touches what is foreign, or leaves something behind, must not pass: the checks see it."""
    flow = FLOWS[0]
    last = recorded(flow).sites[-1]

    class Vandal(faults.Nothing):
        async def __call__(self, call: Call, process: Process) -> Any:
            if call.site == last:
                found = getattr(process.world.aws, things)
                found.pop(name) if name in found else found.update({name: {"Tags": []}})
            return await call.act()

    problem = play(Schedule("vandal", flow, "the end", Vandal)).problem
    assert problem is not None
    assert problem.startswith("another end" if name == "foreign-new" else "something unowned was touched")
