"""What a user may ask for of the tables: how they are named, paid, encrypted, tagged and filled."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field

from recall_operator.models.base import KmsKeyArn, ResourceModel, validations

if TYPE_CHECKING:
    from datetime import datetime


class BillingMode(StrEnum):
    """How reads and writes of a table are paid."""

    ON_DEMAND = "OnDemand"
    PROVISIONED = "Provisioned"


class Billing(ResourceModel):
    """How the tables are paid."""

    mode: BillingMode = Field(description="OnDemand: by request. Provisioned: by the hour, for a fixed capacity.")
    read_capacity: int | None = Field(
        default=None, ge=1, le=40000, description="Read units per second of each table; only with mode Provisioned."
    )
    write_capacity: int | None = Field(
        default=None, ge=1, le=40000, description="Write units per second of each table; only with mode Provisioned."
    )


BILLING_RULE = (
    "(self.mode == 'Provisioned') == has(self.readCapacity) && has(self.readCapacity) == has(self.writeCapacity)",
    "spec.tables.billing: mode Provisioned needs readCapacity and writeCapacity, such as 5 and 5; "
    "with mode OnDemand leave both out",
)

TagValue = Annotated[str, Field(max_length=256)]

TAG_RULES = (
    (
        "self.all(key, key.size() > 0 && key.size() <= 128 && !key.startsWith('aws:'))",
        "spec.tables.tags: a key has 1 to 128 characters and does not begin with aws:, which is AWS's own",
    ),
    (
        "self.all(key, !key.startsWith('recall.kug.la/'))",
        "spec.tables.tags: keys that begin with recall.kug.la/ say who owns a table; choose another key",
    ),
)


class PointInTime(ResourceModel):
    """A moment of another table."""

    source_table: str = Field(
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Name of the table to restore from; its point-in-time recovery must be on.",
    )
    at: AwareDatetime | None = Field(
        default=None,
        description="Moment to restore, such as 2026-05-01T12:00:00Z; absent means the latest that can be restored.",
    )


class RestoreFrom(ResourceModel):
    """Where a table's first content comes from."""

    backup: str | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        description="Name of a RecallBackup in the same namespace; the table waits until it is Ready.",
    )
    backup_arn: str | None = Field(
        default=None,
        max_length=1024,
        pattern=r"^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]+/backup/[A-Za-z0-9-]+$",
        description="ARN of an on-demand backup of such a table.",
    )
    point_in_time: PointInTime | None = Field(default=None, description="A moment of another table.")

    @property
    def moment(self) -> datetime | None:
        """The moment to restore; None when it is a backup, or the latest."""
        return self.point_in_time.at if self.point_in_time else None


RESTORE_SCHEMA = validations(
    (
        "[has(self.backup), has(self.backupArn), has(self.pointInTime)].filter(given, given).size() == 1",
        "spec.tables: restoreFrom takes exactly one of backup, backupArn and pointInTime; leave the others out",
    )
)


class NamedTable(ResourceModel):
    """One DynamoDB table."""

    name: str | None = Field(
        default=None,
        min_length=3,
        max_length=255,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description=(
            "Name of the table; absent means recall.<cluster>.<namespace>.<name>.<table>. It can't be changed later."
        ),
    )


class Table(NamedTable):
    """One DynamoDB table that can be filled from a backup."""

    restore_from: RestoreFrom | None = Field(
        default=None,
        description="Fill the table from a backup when it is made; absent means empty. It can't be changed later.",
        json_schema_extra=RESTORE_SCHEMA,
    )


class Tables(ResourceModel):
    """The instance's data."""

    memories: Table = Field(default_factory=Table, description="Memories, their vectors, and conversations.")
    users: Table = Field(default_factory=Table, description="Profiles, usage and personal access tokens.")
    keys: NamedTable = Field(
        default_factory=NamedTable,
        description=(
            "Users' wrapped data keys, only with spec.encryption.perUserKeys. It is never backed up: a backup would "
            "bring back what was erased."
        ),
    )
    point_in_time_recovery: bool = Field(
        default=True,
        description="Keep 35 days of continuous backups of memories and users, restorable to any second.",
    )
    deletion_protection: bool | None = Field(
        default=None,
        description=(
            "Let DynamoDB refuse to delete the tables; absent means not managed. With deletionPolicy.tables Delete the "
            "operator lifts it before it deletes them."
        ),
    )
    billing: Billing | None = Field(
        default=None,
        description="How memories and users are paid; absent means made on demand and not managed afterwards.",
        json_schema_extra=validations(BILLING_RULE),
    )
    kms_key_arn: KmsKeyArn | None = Field(
        default=None,
        description="KMS key that encrypts the tables; absent means not managed (a new table gets AWS's own key).",
    )
    tags: dict[str, TagValue] = Field(
        default_factory=dict,
        max_length=40,
        description="Further tags of the tables; a tag that is taken out here stays on the tables.",
        json_schema_extra=validations(*TAG_RULES),
    )
