"""The status of an instance as a pure function of what its parts say. Nothing here is remembered or guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.hibernation_spec import HibernationMode
from recall_operator.models.hibernation_windows import next_transition
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.models.status import (
    Condition,
    ConditionStatus,
    HibernationStatus,
    RecallInstanceStatus,
    ResourceStatus,
    Urls,
)
from recall_operator.reconcile.expiry import announcement, expires_at, kept, notice_at
from recall_operator.resources.plan import PartState
from recall_operator.resources.workload_manifests import image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_operator.errors import Failure
    from recall_operator.resources.part import Subject
    from recall_operator.resources.plan import Assessment

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"
PAUSED: Final = "Paused"
DRY_RUN: Final = "DryRun"
ANNOTATIONS_VALID: Final = "AnnotationsValid"
"""There only while it is False: an annotation of ours was not understood."""
EXPIRING: Final = "Expiring"
"""There only while it is True: the end that spec.expiresAfter sets is near."""

_OF_THE_WHOLE: Final = frozenset({READY, RECONCILING, STALLED, PAUSED, DRY_RUN, ANNOTATIONS_VALID, EXPIRING})
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"

_MESSAGE_LIMIT: Final = 4096
_STATUS_OF: Final = {
    PartState.READY: ConditionStatus.TRUE,
    PartState.PROGRESSING: ConditionStatus.UNKNOWN,
    PartState.BROKEN: ConditionStatus.FALSE,
}


@dataclass(frozen=True)
class Verdict:
    """What one pass found about one part."""

    condition: str
    state: PartState
    reason: str
    message: str
    terminal: bool = False
    resources: tuple[ResourceStatus, ...] = ()

    @classmethod
    def of(cls, condition: str, assessment: Assessment, failure: Failure | None) -> Verdict:
        """Return the verdict on a part that could be read; a `failure` while it was changed weighs more."""
        if failure:
            return cls.failed(condition, failure, assessment.resources)
        return cls(
            condition,
            assessment.state,
            assessment.reason,
            assessment.message,
            assessment.terminal,
            assessment.resources,
        )

    @classmethod
    def failed(cls, condition: str, failure: Failure, resources: tuple[ResourceStatus, ...] = ()) -> Verdict:
        """Return the verdict on a part that an error stopped."""
        state = PartState.BROKEN if failure.terminal or failure.broken else PartState.PROGRESSING
        return cls(condition, state, failure.reason, failure.message, failure.terminal, resources)


@dataclass(frozen=True)
class _Word:
    """A condition without its times."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def _summary(verdicts: Sequence[Verdict], asleep: str | None) -> list[_Word]:
    """Return Ready, Reconciling and Stalled; `asleep` says what to read when it sleeps, None when it does not.

    Never are Reconciling and Stalled both true: kstatus would call the instance in progress for ever.
    """
    broken = [item for item in verdicts if item.state is PartState.BROKEN]
    terminal = [item for item in broken if item.terminal]
    moving = [item for item in verdicts if item.state is PartState.PROGRESSING]
    yes, no, unknown = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
    if broken:
        first = (terminal or broken)[0]
        text = " ".join(f"{item.condition}: {item.message}" for item in broken)
        ready = _Word(READY, no, first.reason, text)
    elif moving:
        text = " ".join(f"{item.condition}: {item.message}" for item in moving)
        ready = _Word(READY, unknown, "Progressing", text)
    elif asleep:
        ready = _Word(READY, yes, "Asleep", asleep)
    else:
        ready = _Word(READY, yes, "AllPartsReady", "Every part is as the spec asks.")
    stalled = (
        _Word(STALLED, yes, terminal[0].reason, f"{terminal[0].condition}: {terminal[0].message}")
        if terminal
        else _Word(STALLED, no, "NotStalled", "Nothing waits for a change of the spec.")
    )
    working = not terminal and bool(broken or moving)
    reconciling = (
        _Word(RECONCILING, yes, "Progressing", ready.message)
        if working
        else _Word(RECONCILING, no, "Settled", "The operator has nothing to do.")
    )
    return [ready, reconciling, stalled]


def _stamped(words: Sequence[_Word], previous: Sequence[Condition], generation: int, now: str) -> list[Condition]:
    """Return the conditions with their times: a transition is a change of the status, nothing else."""
    before = {item.type: item for item in previous}
    return [
        Condition(
            type=word.type,
            status=word.status,
            reason=word.reason,
            message=word.message[:_MESSAGE_LIMIT],
            observed_generation=generation,
            last_transition_time=before[word.type].last_transition_time
            if word.type in before and before[word.type].status is word.status
            else now,
        )
        for word in words
    ]


def conditions_of_one(verdict: Verdict, previous: Sequence[Condition], generation: int, now: str) -> list[Condition]:
    """Return Ready, Reconciling and Stalled of an object without parts: the `verdict` is on the whole of it."""
    ready, reconciling, stalled = _summary([verdict], None)
    said = _Word(READY, ready.status, verdict.reason, verdict.message)
    followers = [
        _Word(item.type, item.status, item.reason, verdict.message) if item.status is ConditionStatus.TRUE else item
        for item in (reconciling, stalled)
    ]
    return _stamped([said, *followers], previous, generation, now)


def condition(status: RecallInstanceStatus, kind: str) -> Condition | None:
    """Return the condition of a type; None when the status has none."""
    return next((item for item in status.conditions if item.type == kind), None)


def urls(subject: Subject) -> Urls:
    """Return where the instance answers."""
    web = subject.platform.web
    return Urls(
        web=web.origin(subject.instance.spec.hostname),
        api=web.origin(subject.instance.api_hostname),
        sign_in=subject.platform.identity.sign_in_url,
    )


def _version(reference: str) -> str:
    """Return the tag of an image, or the start of its digest, or the whole reference when it has neither."""
    if "@" in reference:
        return reference.rsplit(":", 1)[1][:12]
    last = reference.rsplit("/", 1)[-1]
    return last.rsplit(":", 1)[1] if ":" in last else reference


def hibernation(subject: Subject) -> HibernationStatus | None:
    """Return whether the instance sleeps and until when; None when no windows rule that."""
    wanted = subject.instance.spec.hibernation
    if wanted.mode is not HibernationMode.SCHEDULED:
        return None
    upcoming = next_transition(subject.now, wanted.times, wanted.time_zone)
    return HibernationStatus(
        asleep=subject.asleep, next_transition_at=upcoming.strftime(_TIME) if upcoming is not None else None
    )


def _asleep_message(subject: Subject, schedule: HibernationStatus | None) -> str | None:
    if not subject.asleep:
        return None
    until = f" until {schedule.next_transition_at}" if schedule and schedule.next_transition_at else ""
    return f"Hibernating{until}; set spec.hibernation.mode to Awake to wake it."


def _misread(problems: Sequence[str]) -> list[_Word]:
    if not problems:
        return []
    return [_Word(ANNOTATIONS_VALID, ConditionStatus.FALSE, "InvalidAnnotation", " ".join(problems))]


def _ending(subject: Subject) -> list[_Word]:
    """Return the announcement of the instance's end, from the moment on when it is due."""
    notice = notice_at(subject.instance)
    if notice is None or subject.now < notice or subject.instance.deleting:
        return []
    return [_Word(EXPIRING, ConditionStatus.TRUE, "ExpiresSoon", announcement(subject.instance))]


def farewell(subject: Subject, now: str) -> Condition:
    """Return what is told of an instance that is deleted because its life is over."""
    text = f"spec.expiresAfter {subject.instance.spec.expires_after} is over. {kept(subject.instance)}"
    word = _Word(EXPIRING, ConditionStatus.TRUE, "Expired", text)
    return _stamped([word], (), subject.instance.metadata.generation, now)[0]


def _end(subject: Subject) -> str | None:
    end = expires_at(subject.instance)
    return None if end is None else end.strftime(_TIME)


def acknowledged(subject: Subject, now: str) -> RecallInstanceStatus:
    """Return the status at the first sight of a new generation: nothing known of it yet, so Ready is Unknown."""
    previous, generation = subject.instance.status, subject.instance.metadata.generation
    text = "The operator has seen the new spec and works on it."
    words = [
        _Word(READY, ConditionStatus.UNKNOWN, "Progressing", text),
        _Word(RECONCILING, ConditionStatus.TRUE, "Progressing", text),
        _Word(STALLED, ConditionStatus.FALSE, "NotStalled", "Nothing waits for a change of the spec."),
        *_ending(subject),
    ]
    summary = _stamped(words, previous.conditions, generation, now)
    parts = [item for item in previous.conditions if item.type not in _OF_THE_WHOLE]
    changed = {
        "observed_generation": generation,
        "plan": None,
        "conditions": [*summary, *parts],
        "urls": urls(subject),
        "version": _version(image(subject)),
        "expires_at": _end(subject),
    }
    return previous.model_copy(update=changed)


def held(
    subject: Subject, kind: str, reason: str, message: str, now: str, problems: Sequence[str] = ()
) -> RecallInstanceStatus:
    """Return the status while the user holds the operator back; `kind` is the condition that says so.

    Nobody looks after the parts now, so Ready is Unknown, and what is said of them keeps its old generation.
    """
    previous, generation = subject.instance.status, subject.instance.metadata.generation
    words = [
        _Word(READY, ConditionStatus.UNKNOWN, reason, message),
        _Word(RECONCILING, ConditionStatus.FALSE, reason, message),
        _Word(STALLED, ConditionStatus.FALSE, "NotStalled", "Nothing waits for a change of the spec."),
        _Word(kind, ConditionStatus.TRUE, reason, message),
        *(word for word in _ending(subject) if word.type != kind),
        *_misread(problems),
    ]
    parts = [item for item in previous.conditions if item.type not in _OF_THE_WHOLE]
    changed = {
        "observed_generation": generation,
        "conditions": [*_stamped(words, previous.conditions, generation, now), *parts],
        "plan": None,
        "expires_at": _end(subject),
    }
    return previous.model_copy(update=changed)


def reported(
    subject: Subject, verdicts: Sequence[Verdict], now: str, problems: Sequence[str] = ()
) -> RecallInstanceStatus:
    """Return the status after a pass; `problems` are annotations that were not understood."""
    instance = subject.instance
    generation = instance.metadata.generation
    schedule = hibernation(subject)
    parts = [_Word(item.condition, _STATUS_OF[item.state], item.reason, item.message) for item in verdicts]
    words = [*_summary(verdicts, _asleep_message(subject, schedule)), *_ending(subject), *_misread(problems), *parts]
    return RecallInstanceStatus(
        observed_generation=generation,
        conditions=_stamped(words, instance.status.conditions, generation, now),
        urls=urls(subject),
        version=_version(image(subject)),
        resources=[resource for item in verdicts for resource in item.resources],
        last_handled_reconcile_at=instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION),
        hibernation=schedule,
        expires_at=_end(subject),
    )


def refused(instance_generation: int, previous: Sequence[Condition], message: str, now: str) -> RecallInstanceStatus:
    """Return the status of an instance whose stored spec the operator can't read."""
    words = [
        _Word(READY, ConditionStatus.FALSE, "InvalidSpec", message),
        _Word(RECONCILING, ConditionStatus.FALSE, "Settled", "The operator has nothing to do."),
        _Word(STALLED, ConditionStatus.TRUE, "InvalidSpec", message),
    ]
    conditions = _stamped(words, previous, instance_generation, now)
    return RecallInstanceStatus(observed_generation=instance_generation, conditions=conditions)


def status_manifest(instance_key: tuple[str, str], status: RecallInstanceStatus) -> dict[str, Any]:
    """Return the manifest that applies `status` to the instance of this (namespace, name)."""
    namespace, name = instance_key
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": namespace, "name": name},
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
