"""Certificates and handed-over names on the emulated AWS, which issues at once and enforces the operator's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.annotations import HAND_OVER_DNS
from recall_operator.ownership import NAME_TAG
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.dns_records import parse_owner
from recall_operator.resources.workload_manifests import CERTIFICATE_ANNOTATION
from tests.integration.operator.scene import Scene

if TYPE_CHECKING:
    from recall_operator.aws.client import Aws
    from recall_operator.platform import Platform

ACM = {"mode": "ACM"}


class Certified(Scene):
    """A scene whose instance has a certificate of its own."""

    def __init__(self, emulator: Any, facts: Platform, aws: Aws) -> None:
        super().__init__(emulator, facts, aws)
        self.acm = emulator.client("acm")

    def certificates(self) -> dict[str, str]:
        """Return the names of this scene's certificates by ARN."""
        listed = self.acm.list_certificates()["CertificateSummaryList"]
        return {item["CertificateArn"]: item["DomainName"] for item in listed if self.name in item["DomainName"]}

    def shown(self) -> str | None:
        annotations: dict[str, str] = self.object("Ingress")["metadata"]["annotations"]
        return annotations.get(CERTIFICATE_ANNOTATION)

    def proof(self) -> dict[str, Any]:
        (found,) = (record for (_, kind), record in self.records().items() if kind == "CNAME")
        return found


@pytest.fixture
def scene(emulator: Any, shared: tuple[Platform, Aws]) -> Certified:
    return Certified(emulator, *shared)


async def test_a_certificate_lives_and_goes_with_its_instance(scene: Certified) -> None:
    await scene.apply(certificate=ACM)
    assert scene.condition("CertificateReady")["reason"] == "Issued"
    assert scene.certificates() == {scene.shown(): f"api.{scene.host}"}
    tags = scene.acm.list_tags_for_certificate(CertificateArn=scene.shown())["Tags"]
    assert {"Key": NAME_TAG, "Value": scene.name} in tags
    assert await scene.delete() is Outcome.GONE
    assert scene.certificates() == {}
    assert scene.records() == {}


async def test_one_deleted_by_hand_is_requested_again(scene: Certified) -> None:
    await scene.apply(certificate=ACM)
    scene.acm.delete_certificate(CertificateArn=scene.shown())
    await scene.settle()
    assert scene.is_ready()
    assert scene.certificates() == {scene.shown(): f"api.{scene.host}"}


async def test_a_foreign_one_for_the_name_is_neither_used_nor_deleted(scene: Certified) -> None:
    foreign = scene.acm.request_certificate(DomainName=f"api.{scene.host}")["CertificateArn"]
    await scene.apply(certificate=ACM, adoption="Adopt")
    assert scene.is_ready()
    assert scene.shown() not in (None, foreign)
    await scene.delete()
    assert scene.certificates() == {foreign: f"api.{scene.host}"}
    assert scene.acm.list_tags_for_certificate(CertificateArn=foreign)["Tags"] == []


async def test_an_edited_validation_record_is_mended(scene: Certified) -> None:
    await scene.apply(certificate=ACM)
    before = scene.proof()
    scene.change_record("UPSERT", before | {"ResourceRecords": [{"Value": "evil.example."}]})
    await scene.settle()
    assert scene.proof() == before


async def test_after_a_change_of_the_host_name_only_the_new_one_is_left(scene: Certified) -> None:
    await scene.apply(certificate=ACM)
    old = scene.shown()
    scene.host = f"renamed.{scene.host}"
    await scene.apply(certificate=ACM)
    assert old not in scene.certificates()
    assert scene.certificates() == {scene.shown(): f"api.{scene.host}"}


async def test_the_emulated_route_53_hands_a_name_over_and_refuses_whoever_is_late(
    scene: Certified, emulator: Any, shared: tuple[Platform, Aws]
) -> None:
    await scene.apply()
    heir = Certified(emulator, *shared)
    heir.host = scene.host
    await heir.apply()
    assert heir.condition("DNSReady")["reason"] == "NotOwned"
    place = f"{scene.facts.cluster.name}/default/{heir.name}"
    scene.kubernetes.objects[scene.key]["metadata"]["annotations"] = {HAND_OVER_DNS: place}
    await scene.settle()
    assert scene.condition("DNSReady")["reason"] == "WaitingForHeir"
    marked = scene.records()[f"_recall-owner.{scene.host}", "TXT"]
    await heir.settle()
    assert heir.condition("DNSReady")["reason"] == "Available"
    with pytest.raises(scene.route53.exceptions.InvalidChangeBatch):
        scene.change_record("DELETE", marked)
    before = scene.records()
    assert await scene.delete() is Outcome.GONE
    assert heir.records() == before
    owner = parse_owner(before[f"_recall-owner.{scene.host}", "TXT"])
    assert owner is not None
    assert owner.name == heir.name
