"""Which tables an instance has, what they are called and how they are marked: all of it follows from its spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recall_operator.models.base import GROUP
from recall_operator.ownership import derived_name

if TYPE_CHECKING:
    from recall_operator.resources.part import Subject

DATA: Final = ("memories", "users")
KEYS: Final = "keys"
"""The table of users' wrapped data keys: never backed up, never paid by the hour, never made anew for old data."""
KEYS_TABLE_TAG: Final = f"{GROUP}/keys-table"
"""Tag of tables whose content is sealed by users' data keys; its value is the name of the table that has those."""
TABLE_PREFIX: Final = "recall"
"""Names that the operator gives begin with this, a dot and the cluster."""
_NAME_LIMIT: Final = 255
"""Source: DynamoDB, Naming rules."""


def roles(subject: Subject) -> tuple[str, ...]:
    """Return which tables the instance has."""
    return (*DATA, KEYS) if subject.instance.spec.encryption.per_user_keys else DATA


def table_name(subject: Subject, role: str) -> str:
    """Return the name of the table of a `role` (`memories`, `users` or `keys`)."""
    named = getattr(subject.instance.spec.tables, role).name
    owner = subject.owner
    derived = derived_name(TABLE_PREFIX, owner.cluster, owner.namespace, owner.name, role, limit=_NAME_LIMIT)
    return str(named or derived)


def table_arn(subject: Subject, role: str) -> str:
    """Return the ARN of the table of a `role`, whether it exists or not."""
    aws = subject.platform.aws
    return f"arn:aws:dynamodb:{aws.region}:{aws.account_id}:table/{table_name(subject, role)}"


def sealing_tags(subject: Subject) -> dict[str, str]:
    """Return the tag that says by which keys the instance's tables are sealed, if they are."""
    return {KEYS_TABLE_TAG: table_name(subject, KEYS)} if KEYS in roles(subject) else {}


def wanted_tags(subject: Subject) -> dict[str, str]:
    """Return all tags of the instance's tables; the owner's win over the user's."""
    return {**subject.instance.spec.tables.tags, **sealing_tags(subject), **subject.owner.tags()}
