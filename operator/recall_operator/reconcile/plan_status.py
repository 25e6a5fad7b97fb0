"""A plan as the status and programs see it: plain, and never larger than a status may be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from recall_operator.errors import Failure
from recall_operator.models.status import PlannedChange, PlanStatus
from recall_operator.resources.plan import Action, Assessment, PartState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.resources.plan import Change

_BUDGET_CHARACTERS: Final = 16 * 1024
_MOST_CHANGES: Final = 64
_MOST_FIELDS: Final = 64
_FIELD_CHARACTERS: Final = 512
_PROBLEM_CHARACTERS: Final = 1024


def is_destructive(change: Change) -> bool:
    """Whether something that exists would be lost by `change`."""
    return change.destructive or change.action is Action.DELETE


def _value(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, sort_keys=True, default=str)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _planned(change: Change) -> PlannedChange:
    lines = [
        _cut(f"{item.field}: {_value(item.before)} -> {_value(item.after)}", _FIELD_CHARACTERS)
        for item in change.differences
    ]
    return PlannedChange(
        part=change.part,
        action=change.action.value,
        kind=change.kind,
        name=change.name,
        destructive=is_destructive(change),
        waits_for=change.waits_for,
        fields=lines[:_MOST_FIELDS],
    )


def problems(plans: Mapping[str, Assessment | Failure]) -> list[str]:
    """Return which parts can't be planned or are in nobody's power to mend but the user's, and why."""
    found: list[str] = []
    for name, plan in plans.items():
        if isinstance(plan, Failure) or plan.state is PartState.BROKEN:
            found.append(f"{name}: {plan.reason}: {plan.message}")
    return found


def plan_status(generation: int, changes: Iterable[Change], troubles: Iterable[str]) -> PlanStatus:
    """Return the plan for the status: as many changes as fit, and the number of all."""
    every = list(changes)
    shown: list[PlannedChange] = []
    left = _BUDGET_CHARACTERS
    for change in every[:_MOST_CHANGES]:
        planned = _planned(change)
        left -= len(planned.model_dump_json(by_alias=True))
        if left < 0:
            break
        shown.append(planned)
    return PlanStatus(
        observed_generation=generation,
        total=len(every),
        destructive=sum(map(is_destructive, every)),
        changes=shown,
        problems=[_cut(text, _PROBLEM_CHARACTERS) for text in troubles],
    )
