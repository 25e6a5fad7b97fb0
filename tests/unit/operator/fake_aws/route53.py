"""The records of one zone."""

# ruff: noqa: N803, ARG002 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

from typing import Any

from tests.unit.operator.fake_aws.answers import ZONE, refused


def _kind(record: dict[str, Any]) -> str:
    """Return the type, and for one of several records by a routing policy which of them it is."""
    return " ".join(filter(None, (record["Type"], record.get("SetIdentifier"))))


class FakeRoute53:
    def __init__(self) -> None:
        super().__init__()
        self.records: dict[tuple[str, str], dict[str, Any]] = {}

    def _list_resource_record_sets(self, HostedZoneId: str) -> dict[str, Any]:
        assert HostedZoneId == ZONE
        return {"ResourceRecordSets": list(self.records.values())}

    def _change_resource_record_sets(self, HostedZoneId: str, ChangeBatch: dict[str, Any]) -> None:
        after = dict(self.records)
        for change in ChangeBatch["Changes"]:
            record = change["ResourceRecordSet"]
            key = (record["Name"].rstrip("."), _kind(record))
            match change["Action"]:
                case "CREATE" if key in after:
                    raise refused("InvalidChangeBatch")
                case "CREATE" | "UPSERT":
                    assert key[0].endswith("example.org"), "outside the zone"
                    after[key] = record
                case "DELETE":
                    if after.get(key) != record:
                        raise refused("InvalidChangeBatch")
                    del after[key]
        for name, kind in after:
            if " " in kind and (name, kind.split(" ")[0]) in after:
                raise refused("InvalidChangeBatch")  # a plain record beside one of a routing policy
            beside = [other for other in after if other[0] == name and other[1] != kind]
            if kind == "CNAME" and beside:
                raise refused("InvalidChangeBatch")
        self.records = after
