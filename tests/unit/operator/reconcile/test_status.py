"""Conditions: what Kubernetes' tools read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as some

from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.reconcile.status import Verdict, acknowledged, reported
from recall_operator.resources.part import Subject
from recall_operator.resources.plan import PartState
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from recall_operator.models.status import RecallInstanceStatus

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"

verdicts = some.lists(
    some.builds(
        Verdict,
        condition=some.sampled_from(["TablesReady", "DNSReady", "WorkloadReady"]),
        state=some.sampled_from(PartState),
        reason=some.just("Reason"),
        message=some.text(max_size=9000),
        terminal=some.just(value=False),
    ),
    unique_by=lambda item: item.condition,
    min_size=1,
).flatmap(
    lambda items: some.tuples(*(some.booleans() for _ in items)).map(
        lambda flags: [
            Verdict(item.condition, item.state, item.reason, item.message, flag and item.state is PartState.BROKEN)
            for item, flag in zip(items, flags, strict=True)
        ]
    )
)


def subject(status: RecallInstanceStatus | None = None, generation: int = 3) -> Subject:
    metadata: dict[str, Any] = {"name": "beta", "namespace": "default", "uid": "u", "generation": generation}
    instance = RecallInstance.model_validate({"metadata": metadata, "spec": {"hostname": "beta.example.org"}})
    if status:
        instance = instance.model_copy(update={"status": status})
    return Subject(instance, platform(), Owner("test", "default", "beta", "u"))


def kstatus(status: RecallInstanceStatus, generation: int) -> str:
    """The rules of sigs.k8s.io/cli-utils/pkg/kstatus for kinds that it does not know."""
    if status.observed_generation != generation:
        return "InProgress"
    for condition in status.conditions:
        if condition.type == "Reconciling" and condition.status == "True":
            return "InProgress"
        if condition.type == "Stalled" and condition.status == "True":
            return "Failed"
    ready = next(item for item in status.conditions if item.type == "Ready")
    return "Current" if ready.status == "True" else "InProgress"


def by_type(status: RecallInstanceStatus) -> dict[str, Any]:
    return {condition.type: condition for condition in status.conditions}


@given(found=verdicts)
def test_kstatus_argo_and_people_read_the_same(found: list[Verdict]) -> None:
    status = reported(subject(), found, EARLY)
    ready = by_type(status)["Ready"]
    if any(item.terminal for item in found):
        assert (kstatus(status, 3), ready.status.value) == ("Failed", "False")
    elif any(item.state is PartState.BROKEN for item in found):
        assert (kstatus(status, 3), ready.status.value) == ("InProgress", "False")
    elif any(item.state is PartState.PROGRESSING for item in found):
        assert (kstatus(status, 3), ready.status.value) == ("InProgress", "Unknown")
    else:
        assert (kstatus(status, 3), ready.status.value) == ("Current", "True")
    assert {condition.observed_generation for condition in status.conditions} == {3}


@given(before=verdicts, after=verdicts)
def test_a_transition_is_a_change_of_status_and_nothing_else(before: list[Verdict], after: list[Verdict]) -> None:
    first = reported(subject(), before, EARLY)
    second = reported(subject(first), after, LATE)
    for kind, condition in by_type(second).items():
        old = by_type(first).get(kind)
        kept = old is not None and old.status == condition.status
        assert condition.last_transition_time == (EARLY if kept else LATE)


@given(found=verdicts)
def test_the_same_findings_are_the_same_status(found: list[Verdict]) -> None:
    first = reported(subject(), found, EARLY)
    assert reported(subject(first), found, LATE) == first


@given(found=verdicts)
def test_a_new_generation_is_never_called_ready_before_it_was_looked_at(found: list[Verdict]) -> None:
    status = acknowledged(subject(reported(subject(), found, EARLY), generation=4), LATE)
    assert by_type(status)["Ready"].status == "Unknown"
    assert by_type(status)["Ready"].observed_generation == status.observed_generation == 4
    assert kstatus(status, 4) == "InProgress"
