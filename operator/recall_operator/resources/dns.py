"""The instance's names in Route 53: the web app, the API, and who owns them.

Beside each name stands a TXT record that names its owner, written and deleted in the same batch as the records
themselves. A name without this instance's TXT record is never changed or deleted unless adoption was asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.models.spec import DeletionPolicy, DnsMode
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import Owner, Standing, refusal, standing
from recall_operator.plan import Action, Assessment, AwsCall, Change, Difference, PartState, progressing
from recall_operator.resources.workload import LOAD_BALANCER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.platform import AliasTarget
    from recall_operator.resources.part import Clients, Subject

OWNER_LABEL: Final = "_recall-owner"
_HERITAGE: Final = "heritage=recall"
_TIME_TO_LIVE_SECONDS: Final = 300
_ADDRESS_TYPES: Final = frozenset({"A", "AAAA", "CNAME"})

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


ObservedNames = dict[str, ObservedName]
"""By name: the instance's names, and all others that bear its ownership record."""


def owner_record(name: str, owner: Owner) -> RecordSet:
    """Return the ownership record of `name`; two strings, because one of them may hold 255 characters at most."""
    place = f'"{_HERITAGE},cluster={owner.cluster},namespace={owner.namespace}"'
    who = f'"name={owner.name},uid={owner.uid}"'
    return {
        "Name": f"{OWNER_LABEL}.{name}.",
        "Type": "TXT",
        "TTL": _TIME_TO_LIVE_SECONDS,
        "ResourceRecords": [{"Value": f"{place} {who}"}],
    }


def parse_owner(record: RecordSet) -> Owner | None:
    """Return the owner that an ownership record names; None when it is not Recall's."""
    for value in record.get("ResourceRecords", []):
        text = value["Value"].replace('" "', ",").strip('"')
        if not text.startswith(_HERITAGE):
            continue
        fields = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
        return Owner(
            fields.get("cluster", ""), fields.get("namespace", ""), fields.get("name", ""), fields.get("uid", "")
        )
    return None


def _alias(name: str, kind: str, target_name: str, target_zone: str) -> RecordSet:
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
    return tuple(_alias(hostname, kind, distribution.dns_name, distribution.hosted_zone_id) for kind in ("A", "AAAA"))


def _canonical(record: RecordSet) -> str:
    """Return what a record set says, without what Route 53 may write differently (case, last dots)."""
    alias = record.get("AliasTarget")
    said = {
        "name": record["Name"].lower().rstrip("."),
        "type": record["Type"],
        "alias": [alias["HostedZoneId"], alias["DNSName"].lower().rstrip("."), alias["EvaluateTargetHealth"]]
        if alias
        else None,
        "ttl": record.get("TTL"),
        "values": sorted(value["Value"] for value in record.get("ResourceRecords", [])),
    }
    return json.dumps(said, sort_keys=True)


def sort_records(records: Iterable[RecordSet], names: Iterable[str], uid: str) -> ObservedNames:
    """Return what stands at `names`, and at every other name that the instance with this `uid` owns."""
    addresses: dict[str, list[RecordSet]] = {}
    ownership: dict[str, RecordSet] = {}
    for record in records:
        name = record["Name"].rstrip(".")
        if record["Type"] in _ADDRESS_TYPES:
            addresses.setdefault(name, []).append(record)
        elif record["Type"] == "TXT" and name.startswith(f"{OWNER_LABEL}."):
            ownership[name.removeprefix(f"{OWNER_LABEL}.")] = record
    own = [name for name, record in ownership.items() if (owner := parse_owner(record)) and owner.uid == uid]
    return {
        name: ObservedName(tuple(addresses.get(name, ())), ownership.get(name))
        for name in dict.fromkeys([*names, *own])
    }


class Dns:
    """Keeps the names, and takes back those that the instance had before its host name changed."""

    name = "dns"
    condition = "DNSReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedNames:
        """Read the zone; nothing when somebody else writes the names."""
        if subject.instance.spec.dns.mode is not DnsMode.ROUTE53:
            return {}
        zone = subject.platform.dns.hosted_zone_id
        records = await clients.aws.pages(
            "route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone
        )
        return sort_records(records, _names(subject), subject.owner.uid)

    def outputs(self, subject: Subject, observed: ObservedNames) -> Mapping[str, str]:
        """Nobody waits for the names."""
        del subject, observed
        return {}

    def plan(self, subject: Subject, observed: ObservedNames, outputs: Mapping[str, str]) -> Assessment:
        """Write what is missing, mend what differs, refuse what is another's."""
        spec, platform = subject.instance.spec, subject.platform
        if spec.dns.mode is DnsMode.NONE:
            return Assessment(PartState.READY, "NotManaged", "spec.dns.mode is None: somebody else writes the names.")
        if spec.dns.mode is DnsMode.EXTERNAL_DNS:
            message = (
                f"external-dns writes {subject.instance.api_hostname}; {spec.hostname} must point to "
                f"{platform.web.distribution.dns_name} by other means."
            )
            return Assessment(PartState.READY, "ExternalDNS", message)
        zone = platform.dns.zone_name
        if spec.hostname != zone and not spec.hostname.endswith(f".{zone}"):
            message = (
                f"spec.hostname {spec.hostname} is not within the platform's zone {zone}. "
                f"Choose a name that ends in .{zone}, or set spec.dns.mode to None."
            )
            return Assessment(PartState.BROKEN, "OutsideZone", message, terminal=True)
        load_balancer = outputs.get(LOAD_BALANCER)
        wanted = {spec.hostname: web_records(spec.hostname, platform.web.distribution)}
        if load_balancer:
            alias = _alias(subject.instance.api_hostname, "A", load_balancer, platform.ingress.load_balancer_zone_id)
            wanted[subject.instance.api_hostname] = (alias,)
        resources = _resources(subject, observed)
        changes: list[Change] = []
        for name, records in wanted.items():
            found = observed[name]
            rights = _standing(subject, found)
            if rights is Standing.REFUSED:
                message = refusal(f"DNS name {name}", found.owner, "choose another spec.hostname")
                return Assessment(PartState.BROKEN, "NotOwned", message, resources=resources, terminal=True)
            changes += self._write(subject, name, records, found, rights)
        changes += [self._removal(subject, name, observed[name]) for name in observed if name not in _names(subject)]
        if changes:
            message = "DNS records are being written."
            return Assessment(PartState.PROGRESSING, "Updating", message, tuple(changes), resources)
        if not load_balancer:
            message = f"{subject.instance.api_hostname} is written as soon as the Ingress has a load balancer."
            return progressing("WaitingForLoadBalancer", message, resources, waits_for_others=True)
        return Assessment(PartState.READY, "Available", "All names are written.", resources=resources)

    def _write(
        self, subject: Subject, name: str, records: tuple[RecordSet, ...], found: ObservedName, rights: Standing
    ) -> list[Change]:
        """Return the one batch that makes `name` as it should be; none when it is."""
        mark = owner_record(name, subject.owner)
        present = {record["Type"]: record for record in found.addresses}
        if found.ownership:
            present["TXT"] = found.ownership
        batch: list[dict[str, Any]] = []
        changed: list[Difference] = []
        for kind in sorted(set(present) - {record["Type"] for record in (*records, mark)}):
            # A CNAME may not stand beside other records, so what goes comes first.
            batch.append({"Action": "DELETE", "ResourceRecordSet": present[kind]})
            changed.append(Difference(kind, _target(present[kind]), None))
        for record in (mark, *records):
            old = present.get(record["Type"])
            if old is not None and _canonical(old) == _canonical(record):
                continue
            # CREATE fails when somebody else was first; UPSERT would overwrite theirs.
            batch.append({"Action": "UPSERT" if old else "CREATE", "ResourceRecordSet": record})
            changed.append(Difference(record["Type"], _target(old) if old else None, _target(record)))
        if not batch:
            return []
        action = Action.ADOPT if rights is Standing.ADOPT else Action.UPDATE if present else Action.CREATE
        return [self._change(subject, action, name, batch, tuple(changed))]

    def _removal(self, subject: Subject, name: str, found: ObservedName) -> Change:
        records = [*found.addresses, *([found.ownership] if found.ownership else [])]
        batch = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records]
        gone = tuple(Difference(record["Type"], _target(record), None) for record in records)
        return self._change(subject, Action.DELETE, name, batch, gone)

    def _change(
        self, subject: Subject, action: Action, name: str, batch: list[dict[str, Any]], changed: tuple[Difference, ...]
    ) -> Change:
        call = AwsCall(
            "route53",
            "change_resource_record_sets",
            {
                "HostedZoneId": subject.platform.dns.hosted_zone_id,
                "ChangeBatch": {"Comment": f"recall {subject.instance.key}", "Changes": batch},
            },
        )
        return Change(self.name, action, "DNSName", name, (call,), changed)

    def delete(self, subject: Subject, observed: ObservedNames) -> tuple[Change, ...] | None:
        """Delete all names that bear this instance's ownership record, unless they are to be kept."""
        if subject.instance.spec.deletion_policy.dns is DeletionPolicy.RETAIN:
            return ()
        return tuple(
            self._removal(subject, name, found)
            for name, found in observed.items()
            if found.owner is not None and found.owner.uid == subject.owner.uid
        )


def _names(subject: Subject) -> tuple[str, str]:
    return subject.instance.spec.hostname, subject.instance.api_hostname


def _standing(subject: Subject, found: ObservedName) -> Standing:
    if not found.addresses and found.ownership is None:
        return Standing.OURS
    return standing(found.owner, subject.owner, subject.instance.spec.adoption)


def _target(record: RecordSet) -> str:
    alias = record.get("AliasTarget")
    return alias["DNSName"] if alias else " ".join(value["Value"] for value in record.get("ResourceRecords", []))


def _resources(subject: Subject, observed: ObservedNames) -> tuple[ResourceStatus, ...]:
    return tuple(
        ResourceStatus(kind="DNSName", name=name, state="INSYNC")
        for name, found in observed.items()
        if found.addresses and found.owner is not None and found.owner.uid == subject.owner.uid
    )
