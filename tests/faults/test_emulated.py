"""A few schedules on the emulated AWS, and the AWS in memory held to it; `RECALL_LONG=1` plays them all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.emulated_world import EMULATED_FLOWS, EmulatedRun, running
from tests.faults.schedules import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.faults.flows import Flow

LONG = bool(os.environ.get("RECALL_LONG"))
FLOWS = [flow for flow in EMULATED_FLOWS if LONG or flow.name in ("create", "delete", "restore")]
ALIKE: Mapping[str, tuple[str, ...]] = {
    "tables": ("TableStatus", "KeySchema", "DeletionProtectionEnabled", "tags", "recovery", "expiry", "items"),
    "roles": ("AssumeRolePolicyDocument", "Tags", "policies"),
}
"""What both tell of a thing; the emulator tells more."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedRun]:
    folder: Path = tmp_path_factory.mktemp("faults")
    with running(folder) as found:
        yield found


def told(end: dict[str, Any]) -> dict[str, Any]:
    """Return what is comparable of all that there is at the end of a flow."""
    things = {
        kind: {name: {field: item.get(field) for field in fields} for name, item in end[kind].items()}
        for kind, fields in ALIKE.items()
    }
    for table in things["tables"].values():
        table["DeletionProtectionEnabled"] = bool(table["DeletionProtectionEnabled"])
    counts = {kind: len(end[kind]) for kind in ("clients", "associations", "guardrails")}
    return things | counts | {"records": end["records"], "objects": end["objects"]}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_the_aws_in_memory_ends_as_the_emulated_one(run: EmulatedRun, flow: Flow) -> None:
    assert told(run.recorded(flow).end) == told(recorded(flow).end)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_faults_are_survived_on_the_emulated_aws(run: EmulatedRun, flow: Flow) -> None:
    schedules = list(run.schedules(flow))
    chosen = schedules if LONG else [schedules[len(schedules) // 2]]
    results = [run.play(schedule) for schedule in chosen]
    assert [f"{result.schedule}: {result.problem}" for result in results if result.problem] == []
