"""On-demand backups of tables: any number of one name, and gone only when they are deleted."""

# ruff: noqa: N803 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, copied, refused
from tests.unit.operator.fake_aws.dynamodb import FakeDynamoDb

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeBackups(FakeDynamoDb):
    def __init__(self) -> None:
        super().__init__()
        self.backups: dict[str, dict[str, Any]] = {}
        self._backup_numbers = itertools.count()
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.unlisted: set[str] = set()
        """ARNs of backups that no read shows yet."""

    def plant_backup(self, table: str, name: str) -> None:
        """Make somebody else's backup of a table, which need not be there any more."""
        arn = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{table}/backup/{name}"
        facts = {"BackupArn": arn, "BackupName": name, "BackupStatus": "AVAILABLE", "BackupType": "USER"}
        self.backups[arn] = {**facts, "BackupSizeBytes": 2048, "BackupCreationDateTime": self.clock()}
        self.backed_up[arn] = ["somebody else's"]

    def finish_backups(self) -> None:
        """Do what AWS does by itself, whether somebody looks or not."""
        for details in self.backups.values():
            details["BackupStatus"] = "AVAILABLE"

    def _create_backup(self, TableName: str, BackupName: str) -> dict[str, Any]:
        if TableName not in self.tables:
            raise refused("TableNotFoundException")
        arn = f"{self.tables[TableName]['TableArn']}/backup/{next(self._backup_numbers):02}-{BackupName[-4:]}"
        details = {
            "BackupArn": arn,
            "BackupName": BackupName,
            "BackupStatus": "CREATING",
            "BackupType": "USER",
            "BackupSizeBytes": 2048,
            "BackupCreationDateTime": self.clock(),
        }
        self.backups[arn] = details
        self.backed_up[arn] = copied(self.tables[TableName].get("items"))
        return {"BackupDetails": details}

    def _shown(self, arn: str) -> dict[str, Any]:
        """Return what AWS says of a backup, which is made when somebody has looked once."""
        details = self.backups[arn]
        seen = copied(details)
        details["BackupStatus"] = "AVAILABLE"
        return seen

    def _describe_backup(self, BackupArn: str) -> dict[str, Any]:
        if BackupArn not in self.backups or BackupArn in self.unlisted:
            raise refused("BackupNotFoundException")
        return {"BackupDescription": {"BackupDetails": self._shown(BackupArn)}}

    def _list_backups(self, TableName: str, **_: Any) -> dict[str, Any]:
        shown = [arn for arn in self.backups if f":table/{TableName}/" in arn and arn not in self.unlisted]
        return {"BackupSummaries": [self._shown(arn) for arn in shown]}

    def _delete_backup(self, BackupArn: str) -> None:
        if BackupArn not in self.backups:
            raise refused("BackupNotFoundException")
        if self.backups[BackupArn]["BackupStatus"] == "CREATING":
            raise refused("BackupInUseException")
        del self.backups[BackupArn], self.backed_up[BackupArn]
