"""The instance's own certificate in AWS Certificate Manager (ACM), for the API's name, validated by DNS.

ACM names a CNAME record that proves the name; the dns part writes it, or people do. Only an issued certificate is
handed to the Ingress, and one that the load balancer still uses is never deleted: a replacement comes first.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws.account_lists import AccountList, find
from recall_operator.errors import is_not_found
from recall_operator.models.certificate_spec import CertificateMode
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.models.spec import DeletionPolicy, DnsMode
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import CLUSTER_TAG, RELEASED_TAG, UID_TAG, Owner, Standing, standing
from recall_operator.resources.dns_records import WRITTEN_PROOFS
from recall_operator.resources.plan import (
    NOT_ASKED,
    Action,
    Assessment,
    AwsCall,
    Change,
    Difference,
    PartState,
    appearing,
    differences,
    progressing,
)
from recall_operator.resources.workload_manifests import ATTACHED_CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.resources.part import Clients, Subject

CERTIFICATE_ARN: Final = "certificate.arn"
"""Output: the issued certificate that the load balancer is to show; empty means the platform's. Not there means that
nothing is known, because ACM could not be read: then what is shown stays."""
VALIDATION_RECORDS: Final = "certificate.validationRecords"
"""Output: a line `<name> <value>` for each CNAME record that proves the instance's certificates; see below."""

KIND: Final = "Certificate"
CERTIFICATES: Final = AccountList(
    "acm",
    "list_certificates",
    "CertificateSummaryList",
    lambda item: (item["DomainName"], item["CertificateArn"]),
    1000,
)
"""All certificates of the account and region."""
MARKED: Final = AccountList(
    "resourcegroupstaggingapi",
    "get_resources",
    "ResourceTagMappingList",
    lambda item: tuple(tag["Value"] for tag in item["Tags"] if tag["Key"] == UID_TAG),
    100,
    lambda cluster: {
        "ResourceTypeFilters": ["acm:certificate"],
        "TagFilters": [{"Key": CLUSTER_TAG, "Values": [cluster]}],
    },
)
"""All certificates of the cluster's instances, by the uids of these."""
VALIDATION_PATIENCE: Final = timedelta(hours=1)
"""ACM sees a record within minutes; after this people should look. It gives up by itself after 72 hours.

Source: ACM User Guide, Troubleshoot DNS validation.
"""
RETRY_AFTER: Final = timedelta(days=1)
"""How long after a certificate was requested in vain the next one is: ACM counts requests by the year (5,000)."""
DETACH_PATIENCE: Final = timedelta(hours=1)
"""How long the instance counts as progressing because a replaced certificate is still in use."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_DEAD: Final = frozenset({"FAILED", "VALIDATION_TIMED_OUT", "EXPIRED", "REVOKED", "INACTIVE"})
"""States that no certificate leaves."""

_REMEDIES: Final[Mapping[str, str]] = {
    "CAA_ERROR": "Let the CAA records of the name and of those above it allow amazon.com, or have none.",
    "DOMAIN_NOT_ALLOWED": "AWS holds the domain for unsafe: ask AWS Support, or choose another spec.hostname.",
    "INVALID_PUBLIC_DOMAIN": "Choose a spec.hostname under a public domain.",
    "ADDITIONAL_VERIFICATION_REQUIRED": "AWS wants to verify the domain: open a case at AWS Support.",
    "VALIDATION_TIMED_OUT": "Look at the validation record's public answer, the zone's delegation and its CAA records.",
    "EXPIRED": "It was not renewed: look at the validation record's public answer and at CAA records.",
    "REVOKED": "Find out at AWS Support why.",
}
_ANY_REMEDY: Final = "See the certificate in the ACM console."


@dataclass(frozen=True)
class ObservedCertificate:
    """One certificate as ACM describes it."""

    arn: str
    domain: str
    state: str
    created: datetime
    tags: Mapping[str, str]
    issued: datetime | None = None
    in_use_by: tuple[str, ...] = ()
    """ARNs of what shows it."""
    failure: str | None = None
    """ACM's FailureReason."""
    renewal: str | None = None
    """ACM's RenewalStatus; None while no renewal is under way."""
    records: tuple[tuple[str, str], ...] = ()
    """Name (without the last dot) and value of each validation record; ACM names them seconds after the request."""

    @property
    def owner(self) -> Owner | None:
        """The instance whose tags it bears."""
        return Owner.from_tags(self.tags)

    @property
    def is_issued(self) -> bool:
        """Whether it may be shown to browsers."""
        return self.state == "ISSUED"


ObservedCertificates = tuple[ObservedCertificate, ...]
"""All of the instance's own, and those of others for the same name; oldest first."""


def validation_records(outputs: Mapping[str, str]) -> dict[str, str] | None:
    """Return the value of the CNAME at each name that proves the instance's certificates.

    None means that nothing is known of certificates, because ACM could not be read or is not the instance's business:
    then no record that is there may be taken for needless.
    """
    text = outputs.get(VALIDATION_RECORDS)
    return None if text is None else dict(line.split(" ", 1) for line in text.splitlines())


def idempotency_token(uid: str, domain: str, replaced: tuple[str, ...]) -> str:
    """Return the token by which ACM knows, for an hour, that a request was made before.

    Args:
        uid: of the instance.
        domain: name that the certificate is for.
        replaced: ARNs of certificates that came to nothing: a request in their place is a new one.
    """
    return hashlib.sha256("\n".join([uid, domain, *sorted(replaced)]).encode()).hexdigest()[:32]


class Certificates:
    """Keeps one valid certificate for the API's name, when the spec asks for one of the instance's own."""

    name = "certificate"
    condition = "CertificateReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedCertificates:
        """Find certificates by name, by their marks and by the status; nothing when there is none to look for."""
        held = {item.arn for item in subject.instance.status.resources if item.kind == KIND and item.arn}
        if subject.instance.spec.certificate.mode is CertificateMode.PLATFORM and not held:
            return ()
        # By name alone a certificate for a former host name would be lost with the status.
        parameters = MARKED.parameters(subject.owner.cluster)
        marked = await find(clients.aws, MARKED, (subject.owner.uid,), **parameters)
        held |= {item["ResourceARN"] for item in marked}
        near = await find(clients.aws, CERTIFICATES, (subject.instance.api_hostname, *held))
        described = await asyncio.gather(*(_describe(clients, item) for item in near))
        return tuple(sorted((item for item in described if item), key=lambda item: (item.created, item.arn)))

    def outputs(self, subject: Subject, observed: ObservedCertificates) -> Mapping[str, str]:
        """Tell what proves the certificates, and which one is to be shown."""
        own = _own(subject, observed)
        if subject.instance.spec.certificate.mode is CertificateMode.PLATFORM:
            return {CERTIFICATE_ARN: ""}
        proofs = {name: value for item in own if item.state not in _DEAD for name, value in item.records}
        told = {VALIDATION_RECORDS: "\n".join(f"{name} {value}" for name, value in sorted(proofs.items()))}
        name = subject.instance.api_hostname
        # Until there is one for the name, what the load balancer shows now stays: without any it could not listen.
        shown = [
            *(item for item in own if item.is_issued and item.domain == name),
            *(item for item in own if item.is_issued),
            *(item for item in own if item.in_use_by),
        ]
        return told | {CERTIFICATE_ARN: shown[0].arn if shown else ""}

    def plan(self, subject: Subject, observed: ObservedCertificates, outputs: Mapping[str, str]) -> Assessment:
        """Request, adopt or mark a certificate; remove those that are replaced and that nothing uses any more."""
        own = _own(subject, observed)
        resources = tuple(ResourceStatus(kind=KIND, name=item.domain, arn=item.arn, state=item.state) for item in own)
        if subject.instance.spec.certificate.mode is CertificateMode.PLATFORM:
            if not own:
                return NOT_ASKED
            message = "The platform's certificate serves. The own one is kept, not used, and goes with the instance."
            return Assessment(PartState.READY, "Platform", message, resources=resources)
        name = subject.instance.api_hostname
        live = [item for item in own if item.domain == name and item.state not in _DEAD]
        if not live:
            return self._first(subject, observed, resources)
        current = next((item for item in live if item.is_issued), live[0])
        marks = self._marks(subject, current, Action.UPDATE)
        replaced = [item for item in own if item is not current]
        removals = [self._removal(item) for item in replaced if _may_go(item, current, outputs)]
        if marks or removals:
            message = f"The certificate for {name} is being put in order."
            return Assessment(PartState.PROGRESSING, "Updating", message, (*marks, *removals), resources)
        if not current.is_issued:
            return _waiting(subject, current, resources, outputs.get(WRITTEN_PROOFS))
        return _issued(subject, current, replaced, resources)

    def _first(
        self, subject: Subject, observed: ObservedCertificates, resources: tuple[ResourceStatus, ...]
    ) -> Assessment:
        """Say what to do when the instance has no certificate for its name that is or may become valid."""
        name, adoption = subject.instance.api_hostname, subject.instance.spec.adoption
        for item in observed:
            # One without marks is left alone: a name may have several certificates, so nothing is in the way.
            if item.domain != name or item.state in _DEAD or item.owner is None:
                continue
            if standing(item.owner, subject.owner, adoption, released=RELEASED_TAG in item.tags) is Standing.ADOPT:
                changes = self._marks(subject, item, Action.ADOPT)
                return Assessment(PartState.PROGRESSING, "Adopting", f"{item.arn} is taken over.", changes, resources)
        dead = [item for item in _own(subject, observed) if item.domain == name]
        if dead and not _is_due(subject, dead[-1]):
            return _failed(dead[-1], resources)
        tags = subject.owner.tags()
        call = AwsCall(
            "acm",
            "request_certificate",
            {
                "DomainName": name,
                "ValidationMethod": "DNS",
                "IdempotencyToken": idempotency_token(subject.owner.uid, name, tuple(item.arn for item in dead)),
                "Tags": _tag_list(tags),
            },
        )
        wanted = appearing({"domainName": name, "validationMethod": "DNS"})
        change = Change(self.name, Action.CREATE, KIND, name, (call,), wanted)
        message = f"A certificate for {name} is being requested."
        return Assessment(PartState.PROGRESSING, "Requesting", message, (change,), resources)

    def _marks(self, subject: Subject, found: ObservedCertificate, action: Action) -> tuple[Change, ...]:
        """Return the change that marks a certificate as the instance's; none when it bears its marks."""
        wrong = differences(subject.owner.tags(), found.tags)
        released = found.tags.get(RELEASED_TAG)
        if not wrong and released is None:
            return ()
        calls = [_tagging(found, subject.owner.tags())]
        if released is not None:
            forget = {"CertificateArn": found.arn, "Tags": [{"Key": RELEASED_TAG}]}
            calls.append(AwsCall("acm", "remove_tags_from_certificate", forget))
        return (Change(self.name, action, KIND, found.domain, tuple(calls), wrong),)

    def delete(self, subject: Subject, observed: ObservedCertificates) -> tuple[Change, ...] | None:
        """Delete or release the instance's own; one that is still shown is waited for."""
        own = _own(subject, observed)
        if subject.instance.spec.deletion_policy.certificate is DeletionPolicy.RETAIN:
            when = subject.instance.metadata.deletion_timestamp or ""
            return tuple(self._release(item, when) for item in own if RELEASED_TAG not in item.tags)
        unused = [item for item in own if not item.in_use_by]
        return None if own and not unused else tuple(self._removal(item) for item in unused)

    def _release(self, found: ObservedCertificate, when: str) -> Change:
        call = _tagging(found, {RELEASED_TAG: when})
        return Change(self.name, Action.RELEASE, KIND, found.domain, (call,), (Difference(RELEASED_TAG, None, when),))

    def _removal(self, found: ObservedCertificate) -> Change:
        call = AwsCall("acm", "delete_certificate", {"CertificateArn": found.arn})
        gone = (Difference("arn", found.arn, None),)
        return Change(self.name, Action.DELETE, KIND, found.domain, (call,), gone)


def _own(subject: Subject, observed: ObservedCertificates) -> list[ObservedCertificate]:
    return [item for item in observed if item.owner is not None and item.owner.uid == subject.owner.uid]


def _may_go(found: ObservedCertificate, current: ObservedCertificate, outputs: Mapping[str, str]) -> bool:
    """Whether a certificate is of no use any more, now that there is `current`.

    ACM tells with a delay what shows a certificate, so the Ingress is asked too; if it can't be read, nothing goes.
    """
    attached = outputs.get(ATTACHED_CERTIFICATE)
    needless = current.is_issued or found.state in _DEAD or found.domain == current.domain
    return needless and not found.in_use_by and attached is not None and found.arn not in attached


def _is_due(subject: Subject, dead: ObservedCertificate) -> bool:
    """Whether to try again after a certificate that came to nothing: after a day, or when people ask for a pass."""
    asked = subject.instance.metadata.annotations.get(RECONCILE_REQUESTED_ANNOTATION)
    forced = asked is not None and asked != subject.instance.status.last_handled_reconcile_at
    return forced or subject.now - dead.created >= RETRY_AFTER


def _waiting(
    subject: Subject, found: ObservedCertificate, resources: tuple[ResourceStatus, ...], proofs: str | None
) -> Assessment:
    if not found.records:
        message = f"ACM has not named the validation record of {found.domain} yet."
        return Assessment(PartState.PROGRESSING, "Validating", message, resources=resources)
    text = " and ".join(f"{name} CNAME {value}" for name, value in found.records)
    by_us = subject.instance.spec.dns.mode is DnsMode.ROUTE53
    message = (
        f"The certificate for {found.domain} is issued once ACM sees the record {text}, which the operator keeps "
        "in the zone."
        if by_us
        else f"Write the record {text}: the certificate for {found.domain} is issued once ACM sees it."
    )
    # Until the dns part, or people, wrote the records, nothing can move by itself.
    written = {f"{name} {value}" for name, value in found.records} <= set((proofs or "").splitlines())
    if subject.now - found.created < VALIDATION_PATIENCE:
        return progressing("Validating", message, resources, waits_for_others=not written)
    message += (
        f" ACM waits since {found.created:%Y-%m-%d %H:%M} UTC and gives up after 72 hours. See that `dig CNAME "
        f"{found.records[0][0]}` answers on the internet (is the zone delegated?), and that CAA records, if there are "
        "any, allow amazon.com."
    )
    return Assessment(PartState.BROKEN, "ValidationSlow", message, resources=resources)


def _issued(
    subject: Subject,
    found: ObservedCertificate,
    replaced: list[ObservedCertificate],
    resources: tuple[ResourceStatus, ...],
) -> Assessment:
    message = f"The certificate for {found.domain} is issued."
    if found.renewal in ("FAILED", "PENDING_VALIDATION"):
        records = " and ".join(f"{name} CNAME {value}" for name, value in found.records)
        message += f" Its renewal is {found.renewal}: see that the record {records} answers on the internet."
        if found.renewal == "FAILED":
            return Assessment(PartState.BROKEN, "RenewalFailed", message, resources=resources)
    if replaced:
        users = sorted({user for item in replaced for user in item.in_use_by})
        names = ", ".join(sorted({item.domain for item in replaced}))
        message += f" A former one for {names} is deleted when nothing shows it any more" + (
            f" (now {', '.join(users)})." if users else "."
        )
        if found.issued is not None and subject.now - found.issued < DETACH_PATIENCE:
            return Assessment(PartState.PROGRESSING, "Replacing", message, resources=resources)
    return Assessment(PartState.READY, "Issued", message, resources=resources)


def _failed(dead: ObservedCertificate, resources: tuple[ResourceStatus, ...]) -> Assessment:
    why = f"{dead.state} ({dead.failure})" if dead.failure else dead.state
    remedy = _REMEDIES.get(dead.failure or dead.state, _ANY_REMEDY)
    message = (
        f"The certificate for {dead.domain} is {why}. {remedy} The next one is requested after "
        f"{dead.created + RETRY_AFTER:%Y-%m-%d %H:%M} UTC, or at once by `kubectl recall reconcile`."
    )
    return Assessment(PartState.BROKEN, "CertificateFailed", message, resources=resources)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _tagging(found: ObservedCertificate, tags: Mapping[str, str]) -> AwsCall:
    return AwsCall("acm", "add_tags_to_certificate", {"CertificateArn": found.arn, "Tags": _tag_list(tags)})


async def _describe(clients: Clients, listed: Mapping[str, Any]) -> ObservedCertificate | None:
    arn = listed["CertificateArn"]
    try:
        answer, tagged = await asyncio.gather(
            clients.aws.call("acm", "describe_certificate", CertificateArn=arn),
            clients.aws.call("acm", "list_tags_for_certificate", CertificateArn=arn),
        )
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    found = answer["Certificate"]
    records = [item["ResourceRecord"] for item in found.get("DomainValidationOptions", []) if "ResourceRecord" in item]
    # The list may be newer than the description, which is remembered for long while all is well.
    state = listed["Status"] if listed.get("Status") in _DEAD else found["Status"]
    return ObservedCertificate(
        arn=arn,
        domain=found["DomainName"],
        state=state,
        created=found.get("CreatedAt", _LONG_AGO),
        tags={tag["Key"]: tag.get("Value", "") for tag in tagged.get("Tags", [])},
        issued=found.get("IssuedAt"),
        in_use_by=tuple(sorted(found.get("InUseBy", []))),
        failure=found.get("FailureReason"),
        renewal=found.get("RenewalSummary", {}).get("RenewalStatus"),
        records=tuple(sorted((item["Name"].rstrip("."), item["Value"]) for item in records)),
    )
