"""Record sets of Route 53 as values: how ownership is written beside a name, and what a whole zone says of one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws.account_lists import AccountList
from recall_operator.ownership import Owner, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recall_operator.platform import AliasTarget

OWNER_LABEL: Final = "_recall-owner"
_HERITAGE: Final = "heritage=recall"
_TIME_TO_LIVE_SECONDS: Final = 300
_ADDRESS_TYPES: Final = frozenset({"A", "AAAA", "CNAME"})

WRITTEN_PROOFS: Final = "dns.writtenProofs"
"""Output: a line `<name> <value>` for each CNAME record that stands where certificates are proved."""

NAME_TAKEN: Final = "dns.nameTaken"
"""Output: whose the instance's host name is, when that is another instance of the same cluster."""

RecordSet = dict[str, Any]
"""One record set in Route 53's own words."""


@dataclass(frozen=True)
class ObservedName:
    """All that stands at one name: its addresses and its ownership record."""

    addresses: tuple[RecordSet, ...] = ()
    ownership: RecordSet | None = None

    @property
    def owner(self) -> Owner | None:
        """The instance that the ownership record names; None when there is none or it is not Recall's."""
        return parse_owner(self.ownership) if self.ownership else None

    @property
    def heir(self) -> Place | None:
        """The instance that the owner hands the name over to."""
        return parse_heir(self.ownership) if self.ownership else None

    @property
    def is_free(self) -> bool:
        """Whether nothing stands there."""
        return not self.addresses and self.ownership is None


ObservedNames = dict[str, ObservedName]
"""By name: the instance's names, and all others that bear its ownership record."""


def owner_record(name: str, owner: Owner, heir: Place | None = None) -> RecordSet:
    """Return the ownership record of `name`; several strings, because each may hold 255 characters at most.

    Source: RFC 1035, section 3.3.14, and Route 53's TXT format.
    """
    strings = [
        f"{_HERITAGE},cluster={owner.cluster},namespace={owner.namespace}",
        f"name={owner.name},uid={owner.uid}",
        *([f"heir={heir}"] if heir else []),
    ]
    return {
        "Name": f"{OWNER_LABEL}.{name}.",
        "Type": "TXT",
        "TTL": _TIME_TO_LIVE_SECONDS,
        "ResourceRecords": [{"Value": " ".join(f'"{string}"' for string in strings)}],
    }


def _fields(record: RecordSet) -> dict[str, str]:
    """Return what an ownership record says; nothing when it is not Recall's."""
    for value in record.get("ResourceRecords", []):
        text = value["Value"].replace('" "', ",").strip('"')
        if text.startswith(_HERITAGE):
            return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    return {}


def parse_owner(record: RecordSet) -> Owner | None:
    """Return the owner that an ownership record names; None when it is not Recall's."""
    fields = _fields(record)
    if not fields:
        return None
    return Owner(*(fields.get(field, "") for field in ("cluster", "namespace", "name", "uid")))


def parse_heir(record: RecordSet) -> Place | None:
    """Return the heir that an ownership record names."""
    return Place.parse(_fields(record).get("heir", ""))


def is_proof(name: str) -> bool:
    """Whether `name` is one of ACM's; host names have no underscore."""
    return name.startswith("_")


def _words(record: RecordSet) -> Iterator[str]:
    """Yield the words under which a record is looked up.

    These are its name, that of the host which it proves, and the uid of the owner that it names.
    """
    name = record["Name"].lower().rstrip(".")
    if record["Type"] == "TXT" and name.startswith(f"{OWNER_LABEL}."):
        name = name.removeprefix(f"{OWNER_LABEL}.")
        if owner := parse_owner(record):
            yield owner.uid
    elif record["Type"] not in _ADDRESS_TYPES:
        return
    yield name
    if is_proof(name):
        yield name.partition(".")[2]


RECORDS: Final = AccountList("route53", "list_resource_record_sets", "ResourceRecordSets", _words, 300)
"""All records of a zone that are Recall's business."""


def alias(name: str, kind: str, target_name: str, target_zone: str) -> RecordSet:
    """Return an alias record of a `kind` (A or AAAA); Route 53 keeps no time to live for one."""
    return {
        "Name": f"{name}.",
        "Type": kind,
        "AliasTarget": {
            "HostedZoneId": target_zone,
            "DNSName": f"{target_name.rstrip('.')}.",
            "EvaluateTargetHealth": False,
        },
    }


def web_records(hostname: str, distribution: AliasTarget) -> tuple[RecordSet, ...]:
    """Return the web app's records: IPv4 and IPv6, both to the distribution."""
    return tuple(alias(hostname, kind, distribution.dns_name, distribution.hosted_zone_id) for kind in ("A", "AAAA"))


def validation_record(name: str, value: str) -> RecordSet:
    """Return the record that proves a name to ACM."""
    return {"Name": f"{name}.", "Type": "CNAME", "TTL": _TIME_TO_LIVE_SECONDS, "ResourceRecords": [{"Value": value}]}


def is_same(one: RecordSet, other: RecordSet) -> bool:
    """Whether two record sets say the same, whatever Route 53 may write differently (case, last dots)."""
    return _canonical(one) == _canonical(other)


def answers_alike(one: RecordSet, other: RecordSet) -> bool:
    """Whether two record sets give the same answer, however long it may be remembered."""
    return _canonical(one | {"TTL": 0}) == _canonical(other | {"TTL": 0})


def _canonical(record: RecordSet) -> str:
    target = record.get("AliasTarget")
    values = (value["Value"] for value in record.get("ResourceRecords", []))
    said = {
        "name": record["Name"].lower().rstrip("."),
        "type": record["Type"],
        "routing": record.get("SetIdentifier"),
        "alias": [target["HostedZoneId"], target["DNSName"].lower().rstrip("."), target["EvaluateTargetHealth"]]
        if target
        else None,
        "ttl": record.get("TTL"),
        "values": sorted(value.lower().rstrip(".") if record["Type"] == "CNAME" else value for value in values),
    }
    return json.dumps(said, sort_keys=True)


def target(record: RecordSet) -> str:
    """Return what a record set points to, for people."""
    found = record.get("AliasTarget")
    return found["DNSName"] if found else " ".join(value["Value"] for value in record.get("ResourceRecords", []))


def sort_records(records: Iterable[RecordSet], names: Iterable[str], uid: str) -> ObservedNames:
    """Return what stands at `names`, and at every other name that the instance with this `uid` owns."""
    addresses: dict[str, list[RecordSet]] = {}
    ownership: dict[str, RecordSet] = {}
    for record in records:
        name = record["Name"].lower().rstrip(".")
        if record["Type"] in _ADDRESS_TYPES:
            addresses.setdefault(name, []).append(record)
        elif record["Type"] == "TXT" and name.startswith(f"{OWNER_LABEL}."):
            ownership[name.removeprefix(f"{OWNER_LABEL}.")] = record
    own = [name for name, record in ownership.items() if (owner := parse_owner(record)) and owner.uid == uid]
    return {
        name: ObservedName(tuple(addresses.get(name, ())), ownership.get(name))
        for name in dict.fromkeys([*names, *own])
    }
