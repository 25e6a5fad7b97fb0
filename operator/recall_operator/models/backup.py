"""A RecallBackup: one on-demand backup of an instance's tables, what the user asks for and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from recall_operator.models.base import GROUP, ResourceModel, validations
from recall_operator.models.instance import Metadata
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import Condition  # noqa: TC001 - pydantic reads it at run time

BACKUP_KIND: Final = "RecallBackup"
BACKUP_PLURAL: Final = "recallbackups"
BACKUP_FINALIZER: Final = f"{GROUP}/finalizer"
NAME_LIMIT: Final = 80
"""Room for an instance's name and a time."""


class TableRole(StrEnum):
    """Which of an instance's two tables."""

    MEMORIES = "memories"
    USERS = "users"


class RecallBackupSpec(ResourceModel):
    """One on-demand backup of an instance's tables. What is backed up can't be changed: make another."""

    instance_name: str = Field(
        min_length=1,
        max_length=50,
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        description="Name of the RecallInstance, in the same namespace, whose tables are backed up. Immutable.",
        json_schema_extra=validations(
            (
                "self == oldSelf",
                "spec.instanceName can't be changed: the backup is of that instance; make another RecallBackup",
            ),
        ),
    )
    tables: list[TableRole] = Field(
        default=[TableRole.MEMORIES, TableRole.USERS],
        min_length=1,
        max_length=2,
        description="Which tables; absent means both. Immutable.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            **validations(
                (
                    "self == oldSelf",
                    "spec.tables can't be changed: a moment that is past can't be backed up; make another RecallBackup",
                ),
            ),
        },
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description=(
            "What becomes of the backups when this object is deleted. Retain: they stay on AWS. Delete: they are "
            "deleted first. It can be changed, also while the object is being deleted."
        ),
    )


class TableBackup(ResourceModel):
    """The backup of one table."""

    table: TableRole = Field(description="Which table of the instance: memories or users.")
    table_name: str = Field(max_length=255, description="Its name on AWS.")
    requested_at: str = Field(
        description="When the operator last asked DynamoDB for the backup; written before it asks.",
        json_schema_extra={"format": "date-time"},
    )
    backup_arn: str | None = Field(
        default=None, max_length=1024, description="ARN of the backup, for restoreFrom.backupArn of an instance."
    )
    state: str | None = Field(
        default=None, max_length=16, description="DynamoDB's word for it: CREATING, AVAILABLE or DELETED."
    )
    size_bytes: int | None = Field(default=None, ge=0, description="Its size in bytes.")
    created_at: str | None = Field(
        default=None,
        description="The moment that it holds, to about a minute.",
        json_schema_extra={"format": "date-time"},
    )


class RecallBackupStatus(ResourceModel):
    """State of the backup as the operator last saw it."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec that this status speaks of."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=8,
        description="Ready, Reconciling and Stalled.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    tables: list[TableBackup] = Field(
        default_factory=list,
        max_length=2,
        description="The backup of each table.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["table"]},
    )
    size: str | None = Field(default=None, max_length=32, description="Size of all of them together, for people.")


class RecallBackup(BaseModel):
    """One RecallBackup."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    metadata: Metadata
    spec: RecallBackupSpec
    status: RecallBackupStatus = Field(default_factory=RecallBackupStatus)

    @property
    def deleting(self) -> bool:
        """Whether it has been deleted and waits for the operator's finalizer."""
        return self.metadata.deletion_timestamp is not None

    def recorded(self, role: TableRole) -> TableBackup | None:
        """Return what the status says of one table's backup; None when nothing was asked for yet."""
        return next((item for item in self.status.tables if item.table is role), None)
