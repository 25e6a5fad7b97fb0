"""What a table is asked to be: the request that makes it, empty or from a backup, and the ones that mend its settings.

Pure functions; `tables` decides when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_operator.models.tables_spec import BillingMode
from recall_operator.resources.plan import AwsCall, Difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.models.tables_spec import Billing, RestoreFrom, Tables

KEY_SCHEMA: Final = (
    {"AttributeName": contract.PARTITION_KEY, "KeyType": "HASH"},
    {"AttributeName": contract.SORT_KEY, "KeyType": "RANGE"},
)
_ATTRIBUTES: Final = tuple(
    {"AttributeName": name, "AttributeType": "S"} for name in (contract.PARTITION_KEY, contract.SORT_KEY)
)


def billing_text(mode: str, throughput: Mapping[str, Any]) -> str:
    """Return how a table is paid, in one comparable word."""
    if mode == "PAY_PER_REQUEST":
        return BillingMode.ON_DEMAND.value
    return f"{BillingMode.PROVISIONED} {throughput['ReadCapacityUnits']}/{throughput['WriteCapacityUnits']}"


def _billing_request(billing: Billing | None) -> dict[str, Any]:
    if billing is None or billing.mode is BillingMode.ON_DEMAND:
        return {"BillingMode": "PAY_PER_REQUEST"}
    throughput = {"ReadCapacityUnits": billing.read_capacity, "WriteCapacityUnits": billing.write_capacity}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}


def _wanted_billing(billing: Billing | None) -> str:
    request = _billing_request(billing)
    return billing_text(request["BillingMode"], request.get("ProvisionedThroughput", {}))


def _encryption(key: str) -> dict[str, Any]:
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}


def creation(spec: Tables, source: RestoreFrom | None, name: str, tags: Mapping[str, str]) -> AwsCall:
    """Return the request that makes table `name`.

    A restored table bears no tags at first (AWS copies none and takes none with the request): `restored_from` tells
    that it is the instance's own work.
    """
    billing = _billing_request(spec.billing)
    if source is None:
        request: dict[str, Any] = {
            "TableName": name,
            "KeySchema": list(KEY_SCHEMA),
            "AttributeDefinitions": list(_ATTRIBUTES),
            **billing,
            "DeletionProtectionEnabled": bool(spec.deletion_protection),
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        if spec.kms_key_arn:
            request["SSESpecification"] = _encryption(spec.kms_key_arn)
        return AwsCall("dynamodb", "create_table", request)
    request = {"TargetTableName": name, "BillingModeOverride": billing["BillingMode"]}
    if "ProvisionedThroughput" in billing:
        request["ProvisionedThroughputOverride"] = billing["ProvisionedThroughput"]
    if spec.kms_key_arn:
        request["SSESpecificationOverride"] = _encryption(spec.kms_key_arn)
    if source.point_in_time is None:
        return AwsCall("dynamodb", "restore_table_from_backup", request | {"BackupArn": source.backup_arn})
    request["SourceTableName"] = source.point_in_time.source_table
    moment = {"UseLatestRestorableTime": True} if source.moment is None else {"RestoreDateTime": source.moment}
    return AwsCall("dynamodb", "restore_table_to_point_in_time", request | moment)


def creation_fields(spec: Tables, source: RestoreFrom | None) -> dict[str, Any]:
    """Return what a plan shows of a table that is to be made."""
    fields: dict[str, Any] = {"billing": "PAY_PER_REQUEST" if spec.billing is None else _wanted_billing(spec.billing)}
    fields |= {"keys": "pk, sk", "deletionProtection": bool(spec.deletion_protection)}
    if spec.kms_key_arn:
        fields["kmsKeyArn"] = spec.kms_key_arn
    if source is not None:
        fields["restoreFrom"] = source.model_dump(mode="json", by_alias=True, exclude_none=True)
    return fields


def restored_from(source: RestoreFrom | None, summary: Mapping[str, Any]) -> bool:
    """Whether a table, by its RestoreSummary, was filled from the very source that the spec names."""
    if source is None or not summary:
        return False
    if source.point_in_time is None:
        return source.backup_arn is not None and bool(summary.get("SourceBackupArn") == source.backup_arn)
    table = str(summary.get("SourceTableArn", "")).rsplit("/", 1)[-1]
    moment = source.moment
    return table == source.point_in_time.source_table and moment in (None, summary.get("RestoreDateTime"))


def settings_updates(
    spec: Tables, name: str, *, protection: bool, billing: str, kms_key: str | None
) -> list[tuple[Difference, AwsCall]]:
    """Return what differs of protection, billing and encryption; each by itself, as AWS takes one at a time."""
    updates: list[tuple[Difference, AwsCall]] = []

    def update(field: str, before: Any, after: Any, request: Mapping[str, Any]) -> None:
        call = AwsCall("dynamodb", "update_table", {"TableName": name, **request})
        updates.append((Difference(field, before, after), call))

    wanted = spec.deletion_protection
    if wanted is not None and wanted != protection:
        update("deletionProtection", protection, wanted, {"DeletionProtectionEnabled": wanted})
    if spec.billing is not None and _wanted_billing(spec.billing) != billing:
        update("billing", billing, _wanted_billing(spec.billing), _billing_request(spec.billing))
    if spec.kms_key_arn is not None and spec.kms_key_arn != kms_key:
        update("kmsKeyArn", kms_key, spec.kms_key_arn, {"SSESpecification": _encryption(spec.kms_key_arn)})
    return updates
