"""The instance's own certificate: requested once, proved, shown when issued, replaced before it goes."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.instance import RECONCILE_REQUESTED_ANNOTATION
from recall_operator.ownership import CLUSTER_TAG, NAME_TAG, NAMESPACE_TAG, RELEASED_TAG, UID_TAG
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.certificate import idempotency_token, validation_records
from recall_operator.resources.workload_manifests import CERTIFICATE_ANNOTATION
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fakes import Crashed, World

SPEC: dict[str, Any] = {"hostname": "beta.example.org", "certificate": {"mode": "ACM"}}
NAME = "api.beta.example.org"
PROOF = ("_proof.api.beta.example.org", "CNAME")
PROOF_OWNER = ("_recall-owner._proof.api.beta.example.org", "TXT")
INGRESS = ObjectKey("Ingress", "default", "beta-api")


async def ready(world: World, **changes: Any) -> ObjectKey:
    key = world.kubernetes.put_instance(SPEC | changes)
    assert await world.settle(key) is Outcome.SETTLED
    assert world.kubernetes.condition(key)["status"] == "True", world.kubernetes.objects[key]["status"]
    return key


def certificate(world: World) -> dict[str, Any]:
    (found,) = world.aws.certificates.values()
    return found


def shown(world: World) -> str | None:
    annotations: dict[str, str] = world.kubernetes.objects[INGRESS]["metadata"]["annotations"]
    return annotations.get(CERTIFICATE_ANNOTATION)


def condition(world: World, key: ObjectKey) -> dict[str, Any]:
    return world.kubernetes.condition(key, "CertificateReady")


async def passes(world: World, key: ObjectKey, number: int = 6) -> None:
    for _ in range(number):
        await world.once(key)


def planted(world: World, **fields: Any) -> str:
    arn = f"arn:aws:acm:eu-west-1:000000000000:certificate/planted{len(world.aws.certificates)}"
    world.aws.certificates[arn] = {
        "CertificateArn": arn, "DomainName": NAME, "Status": "ISSUED", "tags": {},
        "CreatedAt": datetime(2026, 1, 1, tzinfo=UTC), "DomainValidationOptions": [{"DomainName": NAME}],
    } | fields  # fmt: skip
    return arn


async def test_nothing_is_made_and_nobody_is_asked_unless_the_spec_says_so() -> None:
    world = World()
    key = world.kubernetes.put_instance({"hostname": "beta.example.org"})
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert not [operation for service, operation in world.aws.calls if service == "acm"]


async def test_a_certificate_is_requested_proved_and_only_then_shown() -> None:
    world = World()
    key = world.kubernetes.put_instance(SPEC)
    seen: list[tuple[str, str | None]] = []
    for _ in range(12):
        await world.once(key)
        if world.aws.certificates and INGRESS in world.kubernetes.objects:
            seen.append((certificate(world)["Status"], shown(world)))
    assert all(arn is None for status, arn in seen if status == "PENDING_VALIDATION")
    assert seen[-1] == ("ISSUED", certificate(world)["CertificateArn"])
    assert {CLUSTER_TAG, NAME_TAG, UID_TAG} <= certificate(world)["tags"].keys()
    assert {PROOF, PROOF_OWNER} <= world.aws.records.keys()
    resources = world.kubernetes.objects[key]["status"]["resources"]
    assert [item["arn"] for item in resources if item["kind"] == "Certificate"] == [seen[-1][1]]


async def test_the_proof_and_its_owner_are_written_in_one_batch_and_go_together() -> None:
    world = World()
    batches: list[set[tuple[str, str]]] = []
    world.aws.after = lambda _: batches.append(set(world.aws.records) & {PROOF, PROOF_OWNER})
    key = await ready(world)
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert {frozenset(batch) for batch in batches} == {frozenset(), frozenset({PROOF, PROOF_OWNER})}
    assert world.aws.certificates == {}


@pytest.mark.parametrize("lost", [False, True], ids=["before", "after"])
async def test_a_crash_around_the_request_makes_no_second_certificate(lost: bool) -> None:
    world = World()
    key = world.kubernetes.put_instance(SPEC)

    def crash(operation: str) -> None:
        if operation == "request_certificate":
            raise Crashed

    setattr(world.aws, "after" if lost else "before", crash)
    with pytest.raises(Crashed):
        await passes(world, key)
    world.aws.before = world.aws.after = lambda _: None
    await world.settle(key)
    assert condition(world, key)["status"] == "True"
    assert len(world.aws.certificates) == 1


@pytest.mark.parametrize("mode", ["None", "ExternalDNS"])
async def test_without_route_53_the_message_says_which_record_to_write(mode: str) -> None:
    world = World()
    key = world.kubernetes.put_instance(SPEC | {"dns": {"mode": mode}})
    await passes(world, key)
    message = condition(world, key)["message"]
    assert "_proof.api.beta.example.org CNAME _value-of-api.beta.example.org.acm-validations.aws." in message
    assert condition(world, key)["status"] == "Unknown"
    world.aws.proved_elsewhere.add(PROOF[0])
    await world.settle(key)
    assert condition(world, key)["status"] == "True"
    assert world.aws.records == {}


async def test_after_an_hour_the_message_names_delegation_and_caa() -> None:
    world = World()
    key = world.kubernetes.put_instance(SPEC | {"dns": {"mode": "None"}})
    await passes(world, key)
    certificate(world)["CreatedAt"] -= timedelta(hours=2)
    await passes(world, key, 1)
    found = condition(world, key)
    assert (found["status"], found["reason"]) == ("False", "ValidationSlow")
    assert "delegated" in found["message"]
    assert "amazon.com" in found["message"]


async def test_a_proof_that_another_wrote_is_used_and_never_deleted() -> None:
    world = World()
    value = "_value-of-api.beta.example.org.acm-validations.aws."
    record = {"Name": f"{PROOF[0]}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    world.aws.records[PROOF] = record
    key = await ready(world)
    assert PROOF_OWNER not in world.aws.records
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert world.aws.records == {PROOF: record}


async def test_a_foreign_record_in_the_place_of_the_proof_is_reported_and_kept() -> None:
    world = World()
    record = {"Name": f"{PROOF[0]}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.example."}]}
    world.aws.records[PROOF] = record
    key = world.kubernetes.put_instance(SPEC)
    await passes(world, key, 12)
    assert world.kubernetes.condition(key, "DNSReady")["reason"] == "NotOwned"
    assert world.aws.records[PROOF] == record


async def test_an_edited_proof_is_mended() -> None:
    world = World()
    key = await ready(world)
    before = copy.deepcopy(world.aws.records[PROOF])
    world.aws.records[PROOF]["ResourceRecords"] = [{"Value": "evil.example."}]
    await world.settle(key)
    assert world.aws.records[PROOF] == before


async def test_while_acm_cannot_be_read_the_proof_and_what_is_shown_stay() -> None:
    world = World()
    key = await ready(world)

    def denied(operation: str) -> None:
        if operation == "list_certificates":
            raise refused("AccessDeniedException")

    world.aws.before = denied
    await passes(world, key, 2)
    assert condition(world, key)["status"] == "False"
    assert {PROOF, PROOF_OWNER} <= world.aws.records.keys()
    assert shown(world) == certificate(world)["CertificateArn"]


@pytest.mark.parametrize(
    ("state", "failure", "words"),
    [
        ("FAILED", "CAA_ERROR", "amazon.com"),
        ("FAILED", "INVALID_PUBLIC_DOMAIN", "spec.hostname"),
        ("FAILED", "OTHER", "ACM console"),
        ("VALIDATION_TIMED_OUT", None, "delegation"),
        ("REVOKED", None, "AWS Support"),
        ("EXPIRED", None, "renewed"),
    ],
)
async def test_what_came_to_nothing_is_reported_and_tried_again_after_a_day(
    state: str, failure: str | None, words: str
) -> None:
    world = World()
    key = await ready(world)
    dead = certificate(world)
    dead |= {"Status": state} | ({"FailureReason": failure} if failure else {})
    await passes(world, key, 3)
    found = condition(world, key)
    assert (found["status"], found["reason"]) == ("False", "CertificateFailed")
    assert state in found["message"]
    assert (failure or "") in found["message"]
    assert words in found["message"]
    assert world.kubernetes.condition(key, "Stalled")["status"] == "False"
    assert shown(world) == dead["CertificateArn"], "the load balancer loses nothing before there is another"
    dead["CreatedAt"] -= timedelta(days=1)
    await world.settle(key)
    assert condition(world, key)["status"] == "True"
    assert certificate(world)["CertificateArn"] == shown(world) != dead["CertificateArn"]


async def test_people_need_not_wait_for_the_next_try() -> None:
    world = World()
    key = await ready(world)
    dead = certificate(world)
    dead["Status"] = "FAILED"
    await passes(world, key, 2)
    world.kubernetes.objects[key]["metadata"]["annotations"] = {RECONCILE_REQUESTED_ANNOTATION: "now"}
    await world.settle(key)
    assert certificate(world)["CertificateArn"] != dead["CertificateArn"]


async def test_after_a_change_of_the_host_name_the_old_certificate_goes_last() -> None:
    world = World()
    key = await ready(world)
    old = certificate(world)["CertificateArn"]
    world.kubernetes.put_instance(SPEC | {"hostname": "gamma.example.org"})
    world.forget_writes()
    for _ in range(15):
        await world.once(key)
        issued = {arn for arn, item in world.aws.certificates.items() if item["Status"] == "ISSUED"}
        assert shown(world) in issued
    assert old not in world.aws.certificates
    assert certificate(world)["DomainName"] == "api.gamma.example.org"
    assert PROOF not in world.aws.records
    assert world.aws.writes.index("request_certificate") < world.aws.writes.index("delete_certificate")


async def test_one_that_something_else_shows_is_kept_and_named() -> None:
    world = World()
    key = await ready(world)
    old = certificate(world)["CertificateArn"]
    world.aws.shown = lambda: {old} | world.kubernetes.shown_certificates()
    world.kubernetes.put_instance(SPEC | {"hostname": "gamma.example.org"})
    await passes(world, key, 15)
    assert old in world.aws.certificates
    found = condition(world, key)
    assert found["reason"] == "Replacing"
    assert "loadbalancer/app/k8s/1" in found["message"]
    assert "delete_certificate" not in world.aws.writes


async def test_a_certificate_deleted_by_hand_is_requested_again() -> None:
    world = World()
    key = await ready(world)
    world.aws.certificates.clear()
    await world.settle(key)
    assert condition(world, key)["status"] == "True"
    assert shown(world) == certificate(world)["CertificateArn"]


async def test_others_certificates_for_the_name_are_left_alone() -> None:
    world = World()
    other = {CLUSTER_TAG: "c", NAMESPACE_TAG: "n", NAME_TAG: "m", UID_TAG: "u"}
    foreign = {planted(world), planted(world, tags=dict(other))}
    before = copy.deepcopy(world.aws.certificates)
    key = await ready(world, adoption="Adopt")
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert world.aws.certificates == before
    assert len(foreign) == 2


@pytest.mark.parametrize("adoption", ["Adopt", "Refuse"])
async def test_a_released_certificate_is_taken_over_when_asked(adoption: str) -> None:
    world = World()
    key = await ready(world, deletionPolicy={"certificate": "Retain", "dns": "Retain"})
    kept = certificate(world)["CertificateArn"]
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert RELEASED_TAG in certificate(world)["tags"]
    key = world.kubernetes.put_instance(SPEC | {"adoption": adoption})
    await passes(world, key, 15)
    assert (len(world.aws.certificates) == 1) == (adoption == "Adopt")
    assert (RELEASED_TAG in world.aws.certificates[kept]["tags"]) == (adoption == "Refuse")


async def test_a_certificate_in_use_keeps_its_instance_waiting_and_is_deleted_then() -> None:
    world = World()
    key = await ready(world)
    arn = certificate(world)["CertificateArn"]
    world.aws.shown = lambda: {arn}
    world.kubernetes.delete_instance(key)
    await passes(world, key, 8)
    assert arn in world.aws.certificates
    assert "certificate" in condition(world, key)["message"]
    world.aws.shown = set
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.certificates == {}


async def test_taking_the_field_out_deletes_nothing_and_the_instance_still_cleans_up() -> None:
    world = World()
    key = await ready(world)
    before = copy.deepcopy(world.aws.records)
    world.kubernetes.put_instance({"hostname": "beta.example.org"})
    await world.settle(key)
    assert shown(world) is None
    assert len(world.aws.certificates) == 1
    assert world.aws.records == before
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert world.aws.certificates == {}
    assert world.aws.records == {}


async def test_doubles_are_removed_and_marks_are_mended() -> None:
    world = World()
    key = await ready(world)
    first = certificate(world)
    double = planted(world, Status="PENDING_VALIDATION", tags=dict(first["tags"]), CreatedAt=datetime.now(UTC))
    del first["tags"][NAME_TAG]
    await world.settle(key)
    assert double not in world.aws.certificates
    assert certificate(world)["tags"][NAME_TAG] == "beta"


async def test_a_failed_renewal_is_broken_before_browsers_see_it() -> None:
    world = World()
    key = await ready(world)
    certificate(world)["RenewalSummary"] = {"RenewalStatus": "FAILED"}
    await passes(world, key, 1)
    assert condition(world, key)["reason"] == "RenewalFailed"


@given(uid=some.uuids().map(str), names=some.lists(some.text(), max_size=3))
def test_a_token_is_what_acm_takes_and_tells_requests_apart(uid: str, names: list[str]) -> None:
    token = idempotency_token(uid, "api.beta.example.org", tuple(names))
    assert token.isalnum()
    assert len(token) == 32
    assert token == idempotency_token(uid, "api.beta.example.org", tuple(reversed(names)))
    assert token != idempotency_token(uid, "api.gamma.example.org", tuple(names))
    assert token != idempotency_token(uid, "api.beta.example.org", (*names, "another"))


def test_no_news_of_certificates_is_not_the_news_that_there_are_none() -> None:
    assert validation_records({}) is None
    assert validation_records({"certificate.validationRecords": ""}) == {}
