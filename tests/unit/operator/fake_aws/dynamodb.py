"""Tables with tags, backups' settings and time to live."""

# ruff: noqa: N803 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, copied, refused


class FakeDynamoDb:
    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, dict[str, Any]] = {}
        self.backed_up: dict[str, Any] = {}
        """Items of a backup, by its ARN."""

    def _table(self, name: str) -> dict[str, Any]:
        if name not in self.tables:
            raise refused("ResourceNotFoundException")
        return self.tables[name]

    def _create_table(self, TableName: str, Tags: list[dict[str, str]], **rest: Any) -> None:
        if TableName in self.tables:
            raise refused("ResourceInUseException")
        arn = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{TableName}"
        tags = {tag["Key"]: tag["Value"] for tag in Tags}
        self.tables[TableName] = {
            "TableStatus": "CREATING",
            "TableArn": arn,
            "tags": tags,
            "recovery": False,
            "expiry": None,
            **rest,
        }

    def _restored(self, target: str, summary: dict[str, Any], request: dict[str, Any], items: Any) -> None:
        # As on AWS: a restored table has neither tags nor point-in-time recovery nor time to live.
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        paid = {"BillingMode": request["BillingModeOverride"]}
        if "ProvisionedThroughputOverride" in request:
            paid["ProvisionedThroughput"] = request["ProvisionedThroughputOverride"]
        self._create_table(TableName=target, Tags=[], KeySchema=keys, RestoreSummary=summary, **paid)
        if items is not None:
            self.tables[target]["items"] = copied(items)

    def _restore_table_from_backup(self, TargetTableName: str, BackupArn: str, **request: Any) -> None:
        self._restored(TargetTableName, {"SourceBackupArn": BackupArn}, request, self.backed_up.get(BackupArn))

    def _restore_table_to_point_in_time(self, TargetTableName: str, SourceTableName: str, **request: Any) -> None:
        arn = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{SourceTableName}"
        moment = request.get("RestoreDateTime", datetime(2026, 1, 1, tzinfo=UTC))
        items = self.tables.get(SourceTableName, {}).get("items")
        self._restored(TargetTableName, {"SourceTableArn": arn, "RestoreDateTime": moment}, request, items)

    def _describe_table(self, TableName: str) -> dict[str, Any]:
        table = self._table(TableName)
        seen = copied(table)
        seen["BillingModeSummary"] = {"BillingMode": table.get("BillingMode", "PAY_PER_REQUEST")}
        if "SSESpecification" in table:
            seen["SSEDescription"] = {"KMSMasterKeyArn": table["SSESpecification"]["KMSMasterKeyId"]}
        if table["TableStatus"] == "CREATING":
            table["TableStatus"] = "ACTIVE"
        elif table["TableStatus"] == "DELETING":
            del self.tables[TableName]
        return {"Table": seen}

    def _changeable(self, name: str) -> dict[str, Any]:
        table = self._table(name)
        if table["TableStatus"] != "ACTIVE":
            raise refused("ResourceInUseException")
        return table

    def _by_arn(self, arn: str) -> dict[str, Any]:
        return self._table(arn.rsplit("/", 1)[1])

    def _list_tags_of_resource(self, ResourceArn: str) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._by_arn(ResourceArn)["tags"].items()]}

    def _dynamodb_tag_resource(self, ResourceArn: str, Tags: list[dict[str, str]]) -> None:
        self._by_arn(ResourceArn)["tags"] |= {tag["Key"]: tag["Value"] for tag in Tags}

    def _dynamodb_untag_resource(self, ResourceArn: str, TagKeys: list[str]) -> None:
        for key in TagKeys:
            self._by_arn(ResourceArn)["tags"].pop(key, None)

    def _describe_continuous_backups(self, TableName: str) -> dict[str, Any]:
        status = "ENABLED" if self._table(TableName)["recovery"] else "DISABLED"
        return {
            "ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
        }

    def _update_continuous_backups(self, TableName: str, PointInTimeRecoverySpecification: dict[str, bool]) -> None:
        wanted = PointInTimeRecoverySpecification["PointInTimeRecoveryEnabled"]
        self._changeable(TableName)["recovery"] = wanted

    def _describe_time_to_live(self, TableName: str) -> dict[str, Any]:
        attribute = self._table(TableName)["expiry"]
        described = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute} if attribute else {}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"} | described}

    def _update_time_to_live(self, TableName: str, TimeToLiveSpecification: dict[str, Any]) -> None:
        if self._changeable(TableName)["expiry"]:
            raise refused("ValidationException")
        self._changeable(TableName)["expiry"] = TimeToLiveSpecification["AttributeName"]

    def _update_table(self, TableName: str, **changes: Any) -> None:
        self._changeable(TableName).update(changes)

    def _delete_table(self, TableName: str) -> None:
        table = self._changeable(TableName)
        if table.get("DeletionProtectionEnabled"):
            raise refused("ValidationException")
        table["TableStatus"] = "DELETING"
