"""The instance's names in Route 53: the web app, the API, what proves its certificate, and who owns them.

Beside each name stands a TXT record that names its owner, written and deleted in the same batch as the records
themselves. A name without this instance's TXT record is never changed or deleted, unless adoption was asked for or
its owner hands it over to this instance.

Every batch that changes a name deletes the very ownership record that was seen and writes it (or its successor) anew.
Route 53 refuses a deletion that does not match, and with it the whole batch: whoever looked before somebody else took
the name changes nothing. So two operators that know nothing of each other can't both hold a name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recall_operator.annotations import HAND_OVER_DNS, heir_of_names
from recall_operator.aws.account_lists import find
from recall_operator.models.spec import DeletionPolicy, DnsMode
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import Place, Standing, refusal, standing
from recall_operator.resources.certificate import validation_records
from recall_operator.resources.dns_records import (
    NAME_TAKEN,
    RECORDS,
    WRITTEN_PROOFS,
    ObservedName,
    ObservedNames,
    RecordSet,
    alias,
    answers_alike,
    is_proof,
    is_same,
    owner_record,
    sort_records,
    target,
    validation_record,
    web_records,
)
from recall_operator.resources.plan import Action, Assessment, AwsCall, Change, Difference, PartState, progressing
from recall_operator.resources.workload import LOAD_BALANCER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.resources.part import Clients, Subject


class Dns:
    """Keeps the names, hands them over, and takes back those that the instance had before its host name changed."""

    name = "dns"
    condition = "DNSReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedNames:
        """Read the zone; nothing when somebody else writes the names."""
        if subject.instance.spec.dns.mode is not DnsMode.ROUTE53:
            return {}
        zone, uid = subject.platform.dns.hosted_zone_id, subject.owner.uid
        records = await find(clients.aws, RECORDS, (*_names(subject), uid), HostedZoneId=zone)
        names = (*_names(subject), *_proofs(subject, records))
        observed = sort_records(records, names, uid)
        others = observed.keys() - set(names)
        if others:
            # Names that the instance had before, or that prove a former name: their records are found by them.
            records = await find(clients.aws, RECORDS, (*names, uid, *others), HostedZoneId=zone)
            observed = sort_records(records, names, uid)
        return observed

    def outputs(self, subject: Subject, observed: ObservedNames) -> Mapping[str, str]:
        """Tell which records that prove certificates are written, and whose the names are that were refused."""
        if subject.instance.spec.dns.mode is not DnsMode.ROUTE53:
            return {}
        proofs = (record for name, found in observed.items() if is_proof(name) for record in found.addresses)
        written = "\n".join(f"{record['Name'].rstrip('.')} {target(record)}" for record in proofs)
        return {WRITTEN_PROOFS: written} | _taken(subject, observed)

    def plan(self, subject: Subject, observed: ObservedNames, outputs: Mapping[str, str]) -> Assessment:
        """Write what is missing, mend what differs, hand over what is to be, refuse what is another's."""
        elsewhere = _elsewhere(subject)
        if elsewhere:
            return elsewhere
        heir, resources = _heir(subject), _resources(subject, observed)
        proofs = validation_records(outputs)
        own: list[Change] = []
        new: list[Change] = []
        handed: list[str] = []
        refused: Assessment | None = None
        wanted = _wanted(subject, observed, outputs, proofs or {})
        if NAME_TAKEN in outputs:
            # Without a load balancer, which it does not get then, nothing would be said of the API's name.
            wanted = dict.fromkeys(_names(subject), ()) | wanted
        for name, records in wanted.items():
            found = observed.get(name, ObservedName())
            if heir and found.owner and found.owner.place == heir:
                handed.append(name)
                continue
            rights = _standing(subject, found)
            if rights is Standing.REFUSED:
                refused = refused or _refused(subject, name, found, resources)
                continue
            changes = self._write(subject, name, records, found, rights)
            # A proof is nobody's name: an heir wants its certificate before it is given the names.
            (own if _is_ours(subject, found) or is_proof(name) else new).extend(changes)
        if refused:
            # What the instance has is looked after, or taken back; it gets no new name beside one that it can't have.
            return replace(refused, changes=tuple(own))
        changes = [*own, *new]
        names = {*_names(subject), *(proofs or {})}
        for name, found in observed.items():
            # While nothing is known of certificates, what looks like the proof of one stays.
            if name in names or not _is_ours(subject, found) or (proofs is None and is_proof(name)):
                continue
            former = self._write(subject, name, found.addresses, found, Standing.OURS)
            changes += former if _leaves(subject, name) else [self._removal(subject, name, found)]
        if changes:
            message = "DNS records are being written."
            return Assessment(PartState.PROGRESSING, "Updating", message, tuple(changes), resources)
        if heir:
            return _handing_over(subject, heir, handed, resources)
        if LOAD_BALANCER not in outputs:
            message = f"{subject.instance.api_hostname} is written as soon as the Ingress has a load balancer."
            return progressing("WaitingForLoadBalancer", message, resources, waits_for_others=True)
        return Assessment(PartState.READY, "Available", "All names are written.", resources=resources)

    def _write(
        self, subject: Subject, name: str, records: tuple[RecordSet, ...], found: ObservedName, rights: Standing
    ) -> list[Change]:
        """Return the one batch that makes `name` as it should be; none when it is."""
        mark = owner_record(name, subject.owner, _heir(subject) if _leaves(subject, name) else None)
        wanted = {record["Type"]: record for record in records if "SetIdentifier" not in record}
        # One of several by a routing policy (weighted, …) can't be overwritten, nor stand beside a plain one.
        kept = [record for record in records if "SetIdentifier" in record]
        routed = [record for record in found.addresses if "SetIdentifier" in record and record not in kept]
        present = {record["Type"]: record for record in found.addresses if "SetIdentifier" not in record}
        batch = [_step("DELETE", record) for record in routed]
        changed = [Difference(f"{record['Type']} {record['SetIdentifier']}", target(record), None) for record in routed]
        for kind in sorted(present.keys() - wanted.keys()):
            # A CNAME may not stand beside other records, so what goes comes first.
            batch.append(_step("DELETE", present[kind]))
            changed.append(Difference(kind, target(present[kind]), None))
        for kind, record in wanted.items():
            old = present.get(kind)
            if old is not None and is_same(old, record):
                continue
            # CREATE fails when somebody else was first; UPSERT would overwrite theirs.
            batch.append(_step("UPSERT" if old else "CREATE", record))
            changed.append(Difference(kind, target(old) if old else None, target(record)))
        if found.ownership is None or not is_same(found.ownership, mark):
            changed.insert(0, Difference("TXT", target(found.ownership) if found.ownership else None, target(mark)))
        if not changed:
            return []
        # The ownership record, even when it stays as it is: the batch holds only if nobody else took the name.
        seen = [_step("DELETE", found.ownership)] if found.ownership else []
        action = Action.ADOPT if rights is Standing.ADOPT else Action.CREATE if found.is_free else Action.UPDATE
        return [self._change(subject, action, name, [*seen, _step("CREATE", mark), *batch], tuple(changed))]

    def _removal(self, subject: Subject, name: str, found: ObservedName) -> Change:
        records = [*found.addresses, *([found.ownership] if found.ownership else [])]
        gone = tuple(Difference(record["Type"], target(record), None) for record in records)
        return self._change(subject, Action.DELETE, name, [_step("DELETE", record) for record in records], gone)

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
        """Delete all names that bear this instance's ownership record, unless they are to be kept or handed over."""
        if subject.instance.spec.deletion_policy.dns is DeletionPolicy.RETAIN:
            return ()
        own = {name: found for name, found in observed.items() if _is_ours(subject, found)}
        try:
            heir_of_names(subject.instance.metadata.annotations)
        except ValueError:
            # Somebody is to have the names, but nobody knows who: to delete them could not be undone.
            return None if own else ()
        changes: list[Change] = []
        for name, found in own.items():
            if _leaves(subject, name):
                changes += self._write(subject, name, found.addresses, found, Standing.OURS)
            else:
                changes.append(self._removal(subject, name, found))
        return tuple(changes)


def _names(subject: Subject) -> tuple[str, str]:
    return subject.instance.spec.hostname, subject.instance.api_hostname


def _proofs(subject: Subject, records: Iterable[RecordSet]) -> set[str]:
    """Return the names in the zone that may prove the API's name."""
    below = f".{subject.instance.api_hostname}"
    names = (record["Name"].rstrip(".") for record in records if record["Type"] == "CNAME")
    return {name for name in names if is_proof(name) and name.endswith(below)}


def _is_ours(subject: Subject, found: ObservedName) -> bool:
    return found.owner is not None and found.owner.uid == subject.owner.uid


def _heir(subject: Subject) -> Place | None:
    """Return who is to have the instance's names; None when they stay its own."""
    try:
        heir = heir_of_names(subject.instance.metadata.annotations)
    except ValueError:  # Reported in condition AnnotationsValid.
        return None
    return None if heir == subject.owner.place else heir


def _taken(subject: Subject, observed: ObservedNames) -> dict[str, str]:
    """Tell whose the host name is, when it is refused because of an instance that shares the load balancers.

    A namesake is not meant, because it is no more; nor is who was given the names by this instance, whose load balancer
    answers those who still ask it.
    """
    harmless = (subject.owner.place, _heir(subject))
    for name in _names(subject):
        found, owner = observed[name], observed[name].owner
        near = owner is not None and owner.cluster == subject.owner.cluster and owner.place not in harmless
        if near and _standing(subject, found) is Standing.REFUSED:
            return {NAME_TAKEN: str(owner)}
    return {}


def _leaves(subject: Subject, name: str) -> bool:
    """Whether `name` is handed over; what proves a certificate is not: the heir's needs the same and writes it."""
    return _heir(subject) is not None and not is_proof(name)


def _elsewhere(subject: Subject) -> Assessment | None:
    """Return what to say when no record of this instance belongs into the zone."""
    spec, zone = subject.instance.spec, subject.platform.dns.zone_name
    if spec.dns.mode is DnsMode.NONE:
        return Assessment(PartState.READY, "NotManaged", "spec.dns.mode is None: somebody else writes the names.")
    if spec.dns.mode is DnsMode.EXTERNAL_DNS:
        message = (
            f"external-dns writes {subject.instance.api_hostname}; {spec.hostname} must point to "
            f"{subject.platform.web.distribution.dns_name} by other means."
        )
        return Assessment(PartState.READY, "ExternalDNS", message)
    if spec.hostname == zone or spec.hostname.endswith(f".{zone}"):
        return None
    message = (
        f"spec.hostname {spec.hostname} is not within the platform's zone {zone}. "
        f"Choose a name that ends in .{zone}, or set spec.dns.mode to None."
    )
    return Assessment(PartState.BROKEN, "OutsideZone", message, terminal=True)


def _wanted(
    subject: Subject, observed: ObservedNames, outputs: Mapping[str, str], proofs: Mapping[str, str]
) -> dict[str, tuple[RecordSet, ...]]:
    """Return the records of each name that the instance wants, as far as they are known."""
    ingress, (web, api) = subject.platform.ingress, _names(subject)
    wanted = {web: web_records(web, subject.platform.web.distribution)}
    load_balancer = outputs.get(LOAD_BALANCER)
    if load_balancer:
        kinds = ("A", "AAAA") if ingress.dual_stack else ("A",)
        wanted[api] = tuple(alias(api, kind, load_balancer, ingress.load_balancer_zone_id) for kind in kinds)
    elif _is_ours(subject, observed[api]):
        wanted[api] = observed[api].addresses
    elif observed[web].heir == subject.owner.place and not _is_ours(subject, observed[web]):
        # An heir that can't answer yet leaves both names with their owner.
        del wanted[web]
    for name, value in proofs.items():
        record, found = validation_record(name, value), observed.get(name, ObservedName())
        alike = any(answers_alike(record, other) for other in found.addresses)
        # ACM gives the same record to all certificates of an account for a name: another's will do, and stays theirs.
        if not alike or _is_ours(subject, found):
            wanted[name] = (record,)
    return wanted


def _standing(subject: Subject, found: ObservedName) -> Standing:
    if found.is_free:
        return Standing.OURS
    if found.heir == subject.owner.place and not _is_ours(subject, found):
        return Standing.ADOPT
    return standing(found.owner, subject.owner, subject.instance.spec.adoption)


def _refused(subject: Subject, name: str, found: ObservedName, resources: tuple[ResourceStatus, ...]) -> Assessment:
    remedy = "delete the record" if is_proof(name) else "choose another spec.hostname"
    if found.owner and not is_proof(name):
        remedy += f", or let the owner hand it over by its annotation {HAND_OVER_DNS}={subject.owner.place}"
    message = refusal(f"DNS name {name}", found.owner, remedy)
    return Assessment(PartState.BROKEN, "NotOwned", message, resources=resources, terminal=True)


def _handing_over(
    subject: Subject, heir: Place, handed: list[str], resources: tuple[ResourceStatus, ...]
) -> Assessment:
    left = [name for name in _names(subject) if name not in handed]
    if left:
        message = (
            f"{' and '.join(left)} are kept until RecallInstance {heir} takes them over; take annotation "
            f"{HAND_OVER_DNS} away to keep them for good."
        )
        return Assessment(PartState.READY, "WaitingForHeir", message, resources=resources)
    message = (
        f"{' and '.join(handed)} belong to RecallInstance {heir} now. Delete this instance, or give it another "
        "spec.hostname and take the annotation away."
    )
    return Assessment(PartState.READY, "HandedOver", message, resources=resources)


def _step(action: str, record: RecordSet) -> dict[str, Any]:
    return {"Action": action, "ResourceRecordSet": record}


def _resources(subject: Subject, observed: ObservedNames) -> tuple[ResourceStatus, ...]:
    return tuple(
        ResourceStatus(kind="DNSName", name=name, state="INSYNC")
        for name, found in observed.items()
        if found.addresses and _is_ours(subject, found)
    )
