"""What DynamoDB says of a RecallBackup's backups: found by their name, or looked at by their ARN. It only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from recall_operator.errors import aws_code
from recall_operator.ownership import derived_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.aws.client import AwsCaller
    from recall_operator.models.instance import Metadata

NOT_FOUND: Final = "BackupNotFoundException"
_NAME_LIMIT: Final = 255
"""Source: DynamoDB API Reference, CreateBackup, BackupName."""
_CLOCKS_DIFFER: Final = timedelta(hours=1)


def backup_name(cluster: str, metadata: Metadata) -> str:
    """Return the name that all backups of one RecallBackup bear, and no others: it holds the object's uid."""
    return derived_name("recall", cluster, metadata.namespace, metadata.name, metadata.uid, limit=_NAME_LIMIT)


@dataclass(frozen=True)
class Sighting:
    """One backup as DynamoDB describes it."""

    arn: str
    state: str
    size_bytes: int | None
    created_at: datetime

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Sighting:
        """Read what CreateBackup, DescribeBackup and ListBackups have in common."""
        return cls(
            details["BackupArn"],
            details["BackupStatus"],
            details.get("BackupSizeBytes"),
            details["BackupCreationDateTime"],
        )

    @property
    def there(self) -> bool:
        """Whether it is not deleted."""
        return self.state != "DELETED"


async def find(aws: AwsCaller, name: str, table: str, metadata: Metadata) -> tuple[Sighting, ...]:
    """Return the backups of a `table` that bear exactly this `name`, oldest first; deleted ones are left out.

    They are found also when the table is gone: backups outlive their table.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: they could not be listed.
    """
    since = (
        datetime.fromisoformat(metadata.creation_timestamp) - _CLOCKS_DIFFER if metadata.creation_timestamp else None
    )
    listed = await aws.pages(
        "dynamodb",
        "list_backups",
        "BackupSummaries",
        TableName=table,
        BackupType="USER",
        # A table that is backed up daily for years has many: none is older than the object that asked for it.
        **({"TimeRangeLowerBound": since} if since else {}),
    )
    found = [Sighting.of(item) for item in listed if item["BackupName"] == name]
    return tuple(sorted((item for item in found if item.there), key=lambda item: (item.created_at, item.arn)))


async def look(aws: AwsCaller, name: str, arn: str) -> Sighting | None:
    """Return the backup at `arn`; None when it is gone, or is not one of this `name`.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it could not be read.
    """
    try:
        answer = await aws.call("dynamodb", "describe_backup", BackupArn=arn)
    except Exception as error:
        if aws_code(error) == NOT_FOUND:
            return None
        raise
    details = answer["BackupDescription"]["BackupDetails"]
    found = Sighting.of(details)
    return found if details["BackupName"] == name and found.there else None
