"""When an instance ends by itself (`spec.expiresAfter`), as pure functions of its creation and the clock.

An instance that has expired is deleted as `kubectl delete` does it: by the same finalizer, each part by its own
deletion policy. The deletion holds only for the version of the object that was read, so that an extension which comes
at the last moment wins.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.models.durations import parse
from recall_operator.models.spec import DeletionPolicy
from recall_operator.resources.plan import Action, Change, Difference, KubernetesDelete

if TYPE_CHECKING:
    from recall_operator.models.instance import RecallInstance

PART: Final = "instance"
"""What plans and metrics call the instance itself, beside its parts."""
LONGEST_NOTICE: Final = timedelta(hours=24)
NOTICE_SHARE: Final = 4
"""The notice is a quarter of the life, at most a day: of three days 18 hours, of one hour 15 minutes."""


def expires_at(instance: RecallInstance) -> datetime | None:
    """Return when the instance ends, in UTC; None when it has no end (or, in a plan, is not made yet)."""
    wanted, created = instance.spec.expires_after, instance.metadata.creation_timestamp
    if wanted is None or created is None:
        return None
    return datetime.fromisoformat(created).astimezone(UTC) + parse(wanted)


def notice_at(instance: RecallInstance) -> datetime | None:
    """Return from when on the end is announced; None when there is no end."""
    end = expires_at(instance)
    if end is None or instance.spec.expires_after is None:
        return None
    return end - min(LONGEST_NOTICE, parse(instance.spec.expires_after) / NOTICE_SHARE)


def is_expired(instance: RecallInstance, now: datetime) -> bool:
    """Whether the instance is to be deleted: its end has come, and nobody has deleted it yet."""
    end = expires_at(instance)
    return end is not None and end <= now and not instance.deleting


def next_moment(instance: RecallInstance, now: datetime) -> datetime | None:
    """Return when, after `now`, the end is announced or comes; None when neither will."""
    moments = (notice_at(instance), expires_at(instance))
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def kept(instance: RecallInstance) -> str:
    """Return the sentence that says what outlives the instance."""
    policies = instance.spec.deletion_policy.model_dump(by_alias=True)
    names = [name for name, policy in policies.items() if policy is DeletionPolicy.RETAIN]
    return (
        f"Kept by spec.deletionPolicy: {', '.join(names)}." if names else "Nothing of it is kept, no memories either."
    )


def announcement(instance: RecallInstance) -> str:
    """Return what people read ahead of the end: when, what is lost, and how to put it off."""
    end = expires_at(instance)
    return (
        f"spec.expiresAfter {instance.spec.expires_after} is over at {end:%Y-%m-%dT%H:%M:%SZ}: the instance is deleted "
        f"then. {kept(instance)} To keep it, raise spec.expiresAfter or take it away."
    )


def expiry_change(instance: RecallInstance) -> Change:
    """Return the change that deletes an instance that has expired."""
    metadata = instance.metadata
    key = ObjectKey(KIND, metadata.namespace, metadata.name)
    return Change(
        PART,
        Action.DELETE,
        KIND,
        metadata.name,
        (KubernetesDelete(key, metadata.uid, metadata.resource_version),),
        (Difference("spec.expiresAfter", instance.spec.expires_after, None),),
        destructive=True,
    )
