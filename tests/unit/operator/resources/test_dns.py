"""DNS records and their owners."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

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
