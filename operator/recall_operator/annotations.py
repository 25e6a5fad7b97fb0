"""What people ask of the operator by annotations: read in one place, and never silently misread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recall_operator.models.base import GROUP
from recall_operator.models.durations import parse
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.ownership import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PAUSED: Final = f"{GROUP}/paused"
DRY_RUN: Final = f"{GROUP}/dry-run"
POLL_INTERVAL: Final = f"{GROUP}/poll-interval"
ABANDON: Final = f"{GROUP}/abandon"
HAND_OVER_DNS: Final = f"{GROUP}/hand-over-dns"
RECONCILE_REQUESTED: Final = RECONCILE_REQUESTED_ANNOTATION

_SHORTEST_POLL_SECONDS: Final = 10
"""More often would take a share of AWS's request quotas that other instances need."""
_LONGEST_POLL_SECONDS: Final = 24 * 3600


@dataclass(frozen=True)
class Wishes:
    """The annotations of one instance, understood."""

    paused: bool = False
    dry_run: bool = False
    poll_seconds: float | None = None
    """How often to look at the instance; None means as often as at all others."""
    abandoned: frozenset[str] = frozenset()
    """Parts to leave behind, as they are, when the instance is deleted."""
    problems: tuple[str, ...] = ()
    """Annotations that could not be understood, each with its remedy."""


def _duration(text: str) -> float | None:
    try:
        seconds = parse(text).total_seconds()
    except ValueError:
        return None
    return seconds if _SHORTEST_POLL_SECONDS <= seconds <= _LONGEST_POLL_SECONDS else None


def heir_of_names(annotations: Mapping[str, str]) -> Place | None:
    """Return where the instance is that is to take over the DNS names; None when nothing is handed over.

    Raises:
        ValueError: the annotation is there and names no place where an instance can be.
    """
    text = annotations.get(HAND_OVER_DNS)
    heir = Place.parse(text) if text is not None else None
    if text is not None and heir is None:
        raise ValueError(
            f'{HAND_OVER_DNS} is "{text}" and hands nothing over; write <cluster>/<namespace>/<name> of the instance '
            "that is to have the names."
        )
    return heir


def wishes(annotations: Mapping[str, str], parts: Collection[str]) -> Wishes:
    """Return what `annotations` ask for.

    A value that is not understood holds back rather than goes on: `paused: "yes"` pauses, and says what is wrong.

    Args:
        annotations: of the instance.
        parts: names of all parts.
    """
    problems: list[str] = []

    def switch(name: str) -> bool:
        value = annotations.get(name, "false")
        if value not in ("true", "false"):
            problems.append(f'{name} is "{value}" and counts as "true"; write "true" or "false".')
        return value != "false"

    interval = annotations.get(POLL_INTERVAL)
    poll_seconds = _duration(interval) if interval is not None else None
    if interval is not None and poll_seconds is None:
        problems.append(f'{POLL_INTERVAL} is "{interval}" and is ignored; write 10s to 24h, such as "5m".')
    named = {name.strip() for name in annotations.get(ABANDON, "").split(",")} - {""}
    if unknown := sorted(named - set(parts)):
        problems.append(f"{ABANDON} names no parts: {', '.join(unknown)}; the parts are {', '.join(parts)}.")
    try:
        heir_of_names(annotations)
    except ValueError as error:
        problems.append(str(error))
    return Wishes(
        paused=switch(PAUSED),
        dry_run=switch(DRY_RUN),
        poll_seconds=poll_seconds,
        abandoned=frozenset(named & set(parts)),
        problems=tuple(problems),
    )
