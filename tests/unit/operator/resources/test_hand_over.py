"""Names go from one instance to another without ever standing without an owner or without addresses.

The state machine knows only the dns part and Route 53, and lets both operators act on what they saw long ago. The
tests below it play the same with whole operators of two clusters. `RECALL_LONG=1` plays far more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from recall_operator.annotations import ABANDON, HAND_OVER_DNS, heir_of_names, wishes
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner, Place
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.dns import Dns
from recall_operator.resources.dns_records import ObservedNames, owner_record, parse_heir, parse_owner, sort_records
from recall_operator.resources.part import Subject
from recall_operator.resources.plan import AwsCall
from recall_operator.resources.workload import LOAD_BALANCER
from tests.unit.operator.fake_aws import FakeAws
from tests.unit.operator.fakes import FakeKubernetes, World, platform

if TYPE_CHECKING:
    from recall_operator.kubernetes.client import ObjectKey

LONG = bool(os.environ.get("RECALL_LONG"))
HOST = "beta.example.org"
NAMES = (HOST, f"api.{HOST}")
OLD = Owner("east", "default", "beta", "uid-old")
NEW = Owner("west", "other", "beta2", "uid-new")
GIVE = {HAND_OVER_DNS: str(NEW.place)}
BOTH = some.sampled_from([OLD, NEW])
CRASHES = some.sampled_from([None, None, 1])


class HandOver(RuleBasedStateMachine):
    """Two operators that know nothing of each other, one zone, and a user who changes their mind."""

    def __init__(self) -> None:
        super().__init__()
        self.zone = FakeAws()
        self.annotations: dict[Owner, dict[str, str]] = {OLD: {}, NEW: {}}
        self.balancers: dict[Owner, int | None] = {OLD: 0, NEW: None}
        self.seen: list[tuple[Owner, Subject, ObservedNames]] = []
        """What was seen when and by whom; all of it may still be acted on."""
        self.deleted = False
        self.owners: dict[str, Owner] = {}
        self.heirs: dict[str, Place | None] = {}
        self.one_pass(OLD, crash_after=None)

    def subject(self, who: Owner) -> Subject:
        metadata: dict[str, Any] = {"name": who.name, "namespace": who.namespace, "uid": who.uid, "generation": 1}
        metadata["annotations"] = dict(self.annotations[who])
        if who is OLD and self.deleted:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        instance = RecallInstance.model_validate({"metadata": metadata, "spec": {"hostname": HOST}})
        return Subject(instance, platform(cluster={"name": who.cluster}), who)

    @rule(who=BOTH, crash_after=CRASHES)
    def one_pass(self, who: Owner, crash_after: int | None) -> None:
        """Look and act; perhaps the process ends before all is done."""
        self.seen.append(self.look(who))
        self.act(*self.seen[-1], crash_after)

    def look(self, who: Owner) -> tuple[Owner, Subject, ObservedNames]:
        return who, self.subject(who), sort_records(list(self.zone.records.values()), NAMES, who.uid)

    @rule(back=some.integers(0, 5), crash_after=CRASHES)
    def act_late(self, back: int, crash_after: int | None) -> None:
        """Do what was to be done after an earlier look: a former leader, or one whose reads were stale."""
        self.act(*self.seen[max(0, len(self.seen) - 1 - back)], crash_after)

    def act(self, who: Owner, subject: Subject, observed: ObservedNames, crash_after: int | None = None) -> None:
        balancer = self.balancers[who]
        outputs = {LOAD_BALANCER: f"{who.cluster}{balancer}.elb.amazonaws.com"} if balancer is not None else {}
        part = Dns()
        if subject.instance.deleting:
            changes = part.delete(subject, observed) or ()
        else:
            changes = part.plan(subject, observed, outputs).changes
        for change in changes[:crash_after]:
            (step,) = change.steps
            assert isinstance(step, AwsCall)
            try:
                self.zone._change_resource_record_sets(**step.parameters)
            except ClientError:
                return
            self.nothing_is_left_alone()

    @rule(give=some.booleans())
    def annotate(self, give: bool) -> None:
        self.annotations[OLD] = GIVE if give else {}

    @rule(who=BOTH)
    def get_another_load_balancer(self, who: Owner) -> None:
        self.balancers[who] = (self.balancers[who] or 0) + 1

    @rule(really=some.sampled_from([False] * 5 + [True]))
    def delete_the_old_one(self, really: bool) -> None:
        self.deleted = self.deleted or really

    @rule(give=some.booleans())
    def come_to_rest(self, give: bool) -> None:
        """Let both look and act until nothing changes: with an heir the names are the heir's, else whose they are."""
        before = dict(self.owners)
        self.annotations[OLD] = GIVE if give else {}
        self.balancers = {who: number or 0 for who, number in self.balancers.items()}
        for _ in range(3):
            for who in (OLD, NEW):
                self.act(*self.look(who))
        for name in NAMES:
            if give or self.deleted or before.get(name) == NEW:
                assert self.owners[name] == NEW
            else:
                assert self.owners[name] == OLD or name not in before
                assert self.heirs[name] is None

    @invariant()
    def nothing_is_left_alone(self) -> None:
        for name in NAMES:
            mark = self.zone.records.get((f"_recall-owner.{name}", "TXT"))
            addresses = [record for (other, _), record in self.zone.records.items() if other == name]
            assert (mark is None) == (not addresses), f"{name}: {mark}, {addresses}"
            if mark is None:
                gone = self.owners.pop(name, None)
                assert gone is None or (gone == OLD and self.deleted), f"{name} was lost"
                continue
            owner = parse_owner(mark)
            assert owner in (OLD, NEW)
            before = self.owners.get(name, owner)
            assert owner == before or (before == OLD and self.heirs[name] == NEW.place), f"{name} was taken"
            self.owners[name], self.heirs[name] = owner, parse_heir(mark)
            if name == NAMES[1]:
                (target,) = {record["AliasTarget"]["DNSName"] for record in addresses}
                assert target.startswith(owner.cluster), f"{name} of {owner} points to {target}"


HandOver.TestCase.settings = settings(
    max_examples=2000 if LONG else 100, stateful_step_count=50 if LONG else 30, deadline=None
)
TestHandOver = HandOver.TestCase


# --- whole operators --------------------------------------------------------------------------------------------


class TwoClusters:
    """An old instance that is ready, a new one of the same host name, and one account."""

    def __init__(self) -> None:
        self.old, self.new = World(cluster={"name": "east"}), World(cluster={"name": "west"})
        self.new.aws, self.new.kubernetes = self.old.aws, FakeKubernetes(first_id=1000)
        self.old.kubernetes.load_balancer, self.new.kubernetes.load_balancer = "east.elb.", "west.elb."
        self.key = self.old.kubernetes.put_instance({"hostname": HOST}, "beta")
        self.heir = Place("west", "default", "beta2")

    async def begin(self) -> ObjectKey:
        await self.old.settle(self.key)
        key = self.new.kubernetes.put_instance({"hostname": HOST}, "beta2")
        await self.new.settle(key)
        return key

    def annotate(self, value: str | None) -> None:
        metadata = self.old.kubernetes.objects[self.key]["metadata"]
        metadata["annotations"] = {} if value is None else {HAND_OVER_DNS: value}

    def owner(self, name: str = HOST) -> str:
        owner = parse_owner(self.old.aws.records[f"_recall-owner.{name}", "TXT"])
        assert owner is not None
        return owner.cluster

    def points_to(self) -> str:
        target: str = self.old.aws.records[f"api.{HOST}", "A"]["AliasTarget"]["DNSName"]
        return target

    def says(self, world: World, key: ObjectKey) -> tuple[str, str]:
        found = world.kubernetes.condition(key, "DNSReady")
        return found["status"], found["reason"]


async def test_a_name_goes_over_and_deleting_the_old_instance_touches_nothing_of_the_heirs() -> None:
    both = TwoClusters()
    key = await both.begin()
    assert both.says(both.new, key) == ("False", "NotOwned")
    assert f"{HAND_OVER_DNS}=west/default/beta2" in both.new.kubernetes.condition(key, "DNSReady")["message"]
    both.annotate("west/default/beta2")
    await both.old.settle(both.key)
    assert both.says(both.old, both.key) == ("True", "WaitingForHeir")
    assert (both.owner(), both.points_to()) == ("east", "east.elb.")
    await both.new.settle(key)
    assert both.says(both.new, key) == ("True", "Available")
    assert [both.owner(name) for name in NAMES] == ["west", "west"]
    assert both.points_to() == "west.elb."
    await both.old.settle(both.key)
    assert both.says(both.old, both.key) == ("True", "HandedOver")
    before = dict(both.old.aws.records)
    both.old.kubernetes.delete_instance(both.key)
    assert await both.old.settle(both.key) is Outcome.GONE
    assert both.old.aws.records == before


async def test_taking_the_annotation_away_takes_the_names_back() -> None:
    both = TwoClusters()
    key = await both.begin()
    both.annotate("west/default/beta2")
    await both.old.settle(both.key)
    both.annotate(None)
    await both.old.settle(both.key)
    await both.new.settle(key)
    assert both.says(both.old, both.key) == ("True", "Available")
    assert both.says(both.new, key) == ("False", "NotOwned")
    assert both.owner() == "east"


async def test_the_old_instance_deleted_while_it_waits_leaves_its_names_to_the_heir() -> None:
    both = TwoClusters()
    both.annotate(str(both.heir))
    await both.old.settle(both.key)
    names = {key: value for key, value in both.old.aws.records.items() if key[0].endswith(HOST)}
    both.old.kubernetes.delete_instance(both.key)
    assert await both.old.settle(both.key) is Outcome.GONE
    assert {key: value for key, value in both.old.aws.records.items() if key[0].endswith(HOST)} == names
    key = both.new.kubernetes.put_instance({"hostname": HOST}, "beta2")
    await both.new.settle(key)
    assert both.says(both.new, key) == ("True", "Available")
    assert both.owner() == "west"


async def test_what_is_left_is_taken_back_although_the_other_name_is_gone() -> None:
    both = TwoClusters()
    await both.begin()
    both.annotate("west/default/beta2")
    await both.old.settle(both.key)
    heir = Owner("west", "default", "beta2", "uid-1000")
    both.old.aws.records[f"_recall-owner.{HOST}", "TXT"] = owner_record(HOST, heir)
    both.annotate(None)
    await both.old.settle(both.key)
    assert both.says(both.old, both.key) == ("False", "NotOwned")
    assert both.owner(f"api.{HOST}") == "east"
    assert parse_heir(both.old.aws.records[f"_recall-owner.api.{HOST}", "TXT"]) is None


async def test_an_heir_without_a_load_balancer_takes_neither_name() -> None:
    both = TwoClusters()
    both.annotate(str(both.heir))
    await both.old.settle(both.key)
    key = both.new.kubernetes.put_instance({"hostname": HOST, "api": {"route": "HTTPRoute"}}, "beta2")
    await both.new.settle(key)
    assert both.says(both.new, key) == ("Unknown", "WaitingForLoadBalancer")
    assert [both.owner(name) for name in NAMES] == ["east", "east"]


async def test_an_heir_named_when_the_deletion_has_begun_gets_the_names() -> None:
    both = TwoClusters()
    await both.old.settle(both.key)
    both.annotate(str(both.heir))
    both.old.kubernetes.delete_instance(both.key)
    assert await both.old.settle(both.key) is Outcome.GONE
    assert parse_heir(both.old.aws.records[f"_recall-owner.{HOST}", "TXT"]) == both.heir


async def test_a_deletion_waits_when_nobody_can_tell_who_the_heir_is() -> None:
    both = TwoClusters()
    await both.old.settle(both.key)
    both.annotate("west")
    before = dict(both.old.aws.records)
    both.old.kubernetes.delete_instance(both.key)
    for _ in range(5):
        await both.old.once(both.key)
    assert both.old.aws.records == before
    assert HAND_OVER_DNS in both.old.kubernetes.condition(both.key, "AnnotationsValid")["message"]
    assert ABANDON in both.old.kubernetes.condition(both.key, "Stalled")["message"]
    both.annotate(None)
    assert await both.old.settle(both.key) is Outcome.GONE
    assert both.old.aws.records == {}


async def test_names_are_left_to_the_heir_when_the_host_name_changes_too() -> None:
    both = TwoClusters()
    await both.old.settle(both.key)
    both.annotate(str(both.heir))
    both.old.kubernetes.put_instance({"hostname": "gamma.example.org"}, "beta")
    await both.old.settle(both.key)
    key = both.new.kubernetes.put_instance({"hostname": HOST}, "beta2")
    await both.new.settle(key)
    assert both.owner() == "west"
    assert both.owner("gamma.example.org") == "east"


async def test_nobody_but_the_heir_may_take_a_name_not_even_when_it_wants_to_adopt() -> None:
    both = TwoClusters()
    await both.begin()
    both.annotate("west/default/somebody-else")
    await both.old.settle(both.key)
    key = both.new.kubernetes.put_instance({"hostname": HOST, "adoption": "Adopt"}, "beta2")
    await both.new.settle(key)
    assert both.says(both.new, key) == ("False", "NotOwned")
    assert both.owner() == "east"


async def test_an_operator_that_looked_before_the_heir_came_changes_nothing() -> None:
    """The very first of what external-dns' users ran into: two writers, one of them late."""
    both = TwoClusters()
    key = await both.begin()
    both.annotate(str(both.heir))
    await both.old.settle(both.key)
    both.old.kubernetes.load_balancer = "east2.elb."
    ingress = next(item for where, item in both.old.kubernetes.objects.items() if where.kind == "Ingress")
    ingress["status"] = {"loadBalancer": {"ingress": [{"hostname": "east2.elb."}]}}

    late: list[int] = []

    def takes_over(operation: str) -> None:
        if operation == "change_resource_record_sets" and not late:
            late.append(1)
            heir = Owner("west", "default", "beta2", both.new.kubernetes.objects[key]["metadata"]["uid"])
            both.old.aws.records[f"_recall-owner.api.{HOST}", "TXT"] = owner_record(f"api.{HOST}", heir)
            both.old.aws.records[f"api.{HOST}", "A"]["AliasTarget"]["DNSName"] = "west.elb."

    both.old.aws.before = takes_over
    await both.old.once(both.key)
    assert late
    assert both.points_to() == "west.elb."


# --- the annotation and the record ------------------------------------------------------------------------------

label = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
short = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", fullmatch=True)
cluster = some.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True)
places = some.builds(Place, cluster, label, short)


@given(owner=some.builds(Owner, cluster, label, short, some.uuids().map(str)), heir=some.none() | places)
def test_an_ownership_record_tells_owner_and_heir_and_is_what_route_53_takes(owner: Owner, heir: Place | None) -> None:
    name = f"api.{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 43}"
    record = owner_record(name, owner, heir)
    assert (parse_owner(record), parse_heir(record)) == (owner, heir)
    (value,) = record["ResourceRecords"]
    strings = value["Value"].split(" ")
    assert all(text.startswith('"') and text.endswith('"') and len(text) <= 257 for text in strings)
    assert all(0x20 < ord(character) < 0x7F for character in value["Value"].replace(" ", ""))
    assert len(record["Name"].rstrip(".")) <= 253
    assert max(map(len, record["Name"].split("."))) <= 63


@given(heir=places)
def test_a_place_is_read_as_it_is_written(heir: Place) -> None:
    assert Place.parse(str(heir)) == heir == heir_of_names({HAND_OVER_DNS: str(heir)})
    assert wishes({HAND_OVER_DNS: str(heir)}, ["dns"]).problems == ()


@pytest.mark.parametrize(
    "value", ["", "beta", "default/beta", "a/b/c/d", "east/Default/beta", "east/default/", 'e"t/default/beta', "e,/b/c"]
)
def test_an_annotation_that_names_no_place_is_reported_and_hands_nothing_over(value: str) -> None:
    (problem,) = wishes({HAND_OVER_DNS: value}, ["dns"]).problems
    assert HAND_OVER_DNS in problem
    assert "<cluster>/<namespace>/<name>" in problem
    with pytest.raises(ValueError, match="hands nothing over"):
        heir_of_names({HAND_OVER_DNS: value})
