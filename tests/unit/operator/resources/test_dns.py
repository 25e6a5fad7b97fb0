"""DNS records and their owners."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.ownership import Owner
from recall_operator.resources.dns_records import owner_record, parse_owner, sort_records
from tests.unit.operator.fakes import World

label = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
owners = some.builds(
    Owner, some.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True), label, label, some.uuids().map(str)
)


@given(owner=owners)
def test_an_ownership_record_tells_its_owner_and_fits(owner: Owner) -> None:
    record = owner_record("beta.example.org", owner)
    assert parse_owner(record) == owner
    strings = record["ResourceRecords"][0]["Value"].split('" "')
    assert all(len(string.strip('"')) <= 255 for string in strings)


@pytest.mark.parametrize("value", ['"v=spf1 -all"', '"heritage=external-dns,external-dns/owner=x"', '""'])
def test_a_record_of_another_program_names_no_owner(value: str) -> None:
    assert parse_owner({"ResourceRecords": [{"Value": value}]}) is None


def test_names_of_others_are_not_looked_at() -> None:
    other = owner_record("other.example.org", Owner("c", "n", "other", "u2"))
    mine = owner_record("old.example.org", Owner("c", "n", "me", "u1"))
    seen = sort_records([other, mine], ["new.example.org"], "u1")
    assert set(seen) == {"new.example.org", "old.example.org"}


FOREIGN: list[dict[str, Any]] = [
    {"Name": "beta.example.org.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]},
    {"Name": "beta.example.org.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.example.net."}]},
    {"Name": "_recall-owner.beta.example.org.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"mine"'}]},
]


@pytest.mark.parametrize("record", FOREIGN, ids=lambda record: record["Type"])
async def test_a_foreign_record_is_refused_and_kept(record: dict[str, Any]) -> None:
    world = World()
    world.aws.records[record["Name"].rstrip("."), record["Type"]] = record
    key = world.kubernetes.put_instance({"hostname": "beta.example.org"})
    await world.settle(key)
    assert world.kubernetes.condition(key, "DNSReady")["reason"] == "NotOwned"
    assert world.aws.records == {(record["Name"].rstrip("."), record["Type"]): record}
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert list(world.aws.records.values()) == [record]


@pytest.mark.parametrize("record", FOREIGN, ids=lambda record: record["Type"])
async def test_a_foreign_record_is_adopted_when_asked(record: dict[str, Any]) -> None:
    world = World()
    world.aws.records[record["Name"].rstrip("."), record["Type"]] = record
    key = world.kubernetes.put_instance({"hostname": "beta.example.org", "adoption": "Adopt"})
    await world.settle(key)
    assert world.kubernetes.condition(key, "DNSReady")["status"] == "True"
    assert {kind for name, kind in world.aws.records if name == "beta.example.org"} == {"A", "AAAA"}


async def test_dns_of_somebody_else_is_left_to_them() -> None:
    world = World()
    key = world.kubernetes.put_instance({"hostname": "beta.elsewhere.net", "dns": {"mode": "None"}})
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"
    assert not [operation for service, operation in world.aws.calls if service == "route53"]


HOST = {"hostname": "beta.example.org"}
BETA, GAMMA = (ObjectKey("Ingress", "default", f"{name}-api") for name in ("beta", "gamma"))


async def two_of_one_name(world: World, **second: Any) -> ObjectKey:
    """Return a second instance of the same host name, after passes over both."""
    await world.settle(world.kubernetes.put_instance(HOST))
    key = world.kubernetes.put_instance(HOST | second, name="gamma")
    await world.settle(key)
    return key


async def test_an_instance_whose_name_is_anothers_asks_for_none_of_its_requests() -> None:
    # All share a load balancer, which may send the name's requests to whichever of two Ingresses.
    world = World()
    key = await two_of_one_name(world)
    assert world.kubernetes.condition(key, "DNSReady")["reason"] == "NotOwned"
    assert GAMMA not in world.kubernetes.objects
    assert BETA in world.kubernetes.objects
    said = world.kubernetes.condition(key, "WorkloadReady")
    assert said["status"] == "True"
    assert "api.beta.example.org belongs to RecallInstance default/beta" in said["message"]
    world.kubernetes.delete_instance(ObjectKey(KIND, "default", "beta"))
    await world.settle(ObjectKey(KIND, "default", "beta"))
    await world.settle(key)
    assert GAMMA in world.kubernetes.objects
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_an_ingress_that_came_before_the_refusal_goes() -> None:
    world = World()
    key = await two_of_one_name(world, dns={"mode": "None"})
    assert GAMMA in world.kubernetes.objects
    world.kubernetes.put_instance(HOST, name="gamma")
    await world.settle(key)
    assert GAMMA not in world.kubernetes.objects


async def test_a_change_to_a_name_that_is_anothers_leaves_the_former_one_served() -> None:
    world = World()
    key = await two_of_one_name(world, hostname="gamma.example.org")
    world.kubernetes.put_instance(HOST, name="gamma")
    await world.settle(key)
    assert world.kubernetes.condition(key, "DNSReady")["reason"] == "NotOwned"
    assert world.kubernetes.objects[GAMMA]["spec"]["rules"][0]["host"] == "api.gamma.example.org"
    world.kubernetes.put_instance({"hostname": "gamma.example.org"}, name="gamma")
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"


async def test_an_api_name_that_is_anothers_web_name_is_refused_in_words() -> None:
    world = World()
    await world.settle(world.kubernetes.put_instance({"hostname": "api.beta.example.org"}, name="gamma"))
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    said = world.kubernetes.condition(key, "DNSReady")
    assert said["reason"] == "NotOwned"
    assert "DNS name api.beta.example.org belongs to RecallInstance default/gamma" in said["message"]
    assert BETA not in world.kubernetes.objects
