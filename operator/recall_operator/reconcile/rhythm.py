"""When an instance is looked at again: what a pass left behind, and the moments at which it changes by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from recall_operator.reconcile.expiry import next_moment
from recall_operator.reconcile.status import hibernation
from recall_operator.resources.plan import PartState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_operator.annotations import Wishes
    from recall_operator.reconcile.status import Verdict
    from recall_operator.resources.part import Subject

_TRANSITION_MARGIN_SECONDS = 0.5


class Outcome(Enum):
    """What a pass left behind: when to look again."""

    SETTLED = auto()
    """As wanted, or nothing that trying again would mend: look again at the slow resync."""
    MOVED = auto()
    """Not there yet, but further than before: look again at once."""
    PROGRESSING = auto()
    """Not there yet, and nothing new to tell: look again soon, and less and less often."""
    FAILED = auto()
    """An error that may pass: back off."""
    GONE = auto()
    """There is no such instance: forget it."""


@dataclass(frozen=True)
class Rhythm:
    """When one instance is looked at again, where that differs from all others."""

    poll_seconds: float | None = None
    """How often to look while it is settled; None means as often as at all others."""
    within_seconds: float | None = None
    """When to look at the latest: sleep begins or ends then, or the instance's life."""


Tell = Callable[[str, Rhythm], None]
"""Takes a key and its rhythm."""


def rhythm_of(subject: Subject, asked: Wishes) -> Rhythm:
    """Return when the instance is looked at again by itself: as its annotations ask, and when sleep or life end."""
    schedule = hibernation(subject)
    moments = [next_moment(subject.instance, subject.now)]
    if schedule and schedule.next_transition_at:
        moments.append(datetime.fromisoformat(schedule.next_transition_at))
    soonest = min((moment for moment in moments if moment), default=None)
    if soonest is None:
        return Rhythm(asked.poll_seconds)
    # A pass a moment too early would see the old state and wait for the resync.
    wait = (soonest - subject.now).total_seconds()
    return Rhythm(asked.poll_seconds, max(wait, 0.0) + _TRANSITION_MARGIN_SECONDS)


def outcome_of(verdicts: Sequence[Verdict], *, failed: bool, moved: bool, moving: bool) -> Outcome:
    """Say when to look again. A part that is stalled stops nothing but itself and those that wait for it.

    Args:
        verdicts: what the pass found of each part.
        failed: whether there was an error that may pass.
        moved: whether the status says something new.
        moving: whether a part is on its way by itself.
    """
    if failed:
        return Outcome.FAILED
    stalled = any(item.terminal for item in verdicts)
    if all(item.state is PartState.READY for item in verdicts) or (stalled and not moved and not moving):
        return Outcome.SETTLED
    return Outcome.MOVED if moved else Outcome.PROGRESSING
