"""What instances share of AWS: lists, remembered settings, batches of records, and the answer to throttling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from recall_operator.aws import client as aws_module
from recall_operator.aws.client import Aws
from recall_operator.aws.inventory import Inventory
from recall_operator.aws.record_batches import RecordBatches
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.requests.asking import Asking, asked_by
from recall_operator.requests.rate import SLOWEST, TokenBucket
from recall_operator.resources.dns_records import RECORDS
from recall_operator.resources.part import Clients
from tests.unit.operator.fake_aws import FakeAws, refused
from tests.unit.operator.fakes import FakeKubernetes, platform

SPEC: dict[str, Any] = {"hostname": "beta.example.org"}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class AccountWide(FakeAws):
    """An AWS that also answers the account-wide lists."""

    def _get_resources(self, **_: Any) -> dict[str, Any]:
        tables = [
            {"ResourceARN": table["TableArn"], "Tags": [{"Key": k, "Value": v} for k, v in table["tags"].items()]}
            for table in self.tables.values()
        ]
        return {"ResourceTagMappingList": tables}

    def _get_account_authorization_details(self, **_: Any) -> dict[str, Any]:
        names = list(self.roles)
        return {
            "RoleDetailList": [
                {
                    **self._get_role(name)["Role"],
                    "RoleName": name,
                    "RolePolicyList": [
                        {"PolicyName": policy, **self._get_role_policy(name, policy)}
                        for policy in self.roles[name]["policies"]
                    ],
                }
                for name in names
            ]
        }

    def _list_pod_identity_associations(self, clusterName: str, **filters: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"associations": [item for item in self.associations.values() if filters.items() <= item.items()]}


class Stand:
    """Some instances in order, and a clock."""

    def __init__(self) -> None:
        self.aws, self.kubernetes, self.clock = AccountWide(), FakeKubernetes(), Clock()
        self.inventory = Inventory(self.aws, "test", list_seconds=600, describe_seconds=86400, clock=self.clock)
        self.reconciler = Reconciler(platform(), Clients(self.inventory, self.kubernetes))

    async def settle(self, name: str, spec: dict[str, Any]) -> str:
        key = self.kubernetes.put_instance(spec, name=name)
        for _ in range(30):
            if await self.once(f"default/{name}") is Outcome.SETTLED:
                assert self.kubernetes.condition(key)["status"] == "True"
                return f"default/{name}"
        raise AssertionError(self.kubernetes.objects[key].get("status"))

    async def once(self, key: str) -> Outcome:
        return await self.reconciler.reconcile(key)


async def test_settled_instances_share_their_reads() -> None:
    stand = Stand()
    keys = [await stand.settle(f"i{number}", {"hostname": f"i{number}.example.org"}) for number in range(20)]
    stand.clock.now += 601
    for key in keys:
        await stand.once(key)  # Looks that were made just after the changes are not remembered (decision 0155).
    stand.aws.calls.clear()
    for _ in range(3):
        stand.clock.now += 601
        for key in keys:
            assert await stand.once(key) is Outcome.SETTLED
    listed = {"get_resources", "list_user_pool_clients", "list_resource_record_sets"}
    listed |= {"get_account_authorization_details", "list_pod_identity_associations"}
    calls = [operation for _, operation in stand.aws.calls]
    assert all(calls.count(operation) == 3 for operation in listed)
    described = [operation for operation in calls if operation not in listed]
    # Eight descriptions an instance, remembered for a day on average: a small part of them comes up in half an hour.
    assert len(described) <= 0.15 * 8 * 20
    assert stand.aws.writes == []


@pytest.mark.parametrize("where", ["table", "role", "client", "association", "record"])
async def test_what_disappears_is_seen_in_the_next_lists_and_made_again(where: str) -> None:
    stand = Stand()
    key = await stand.settle("beta", SPEC)
    before = {kind: len(getattr(stand.aws, kind)) for kind in ("tables", "roles", "clients", "associations", "records")}
    getattr(stand.aws, where + "s").popitem()
    stand.clock.now += 601
    for _ in range(10):
        await stand.once(key)
    assert {kind: len(getattr(stand.aws, kind)) for kind in before} == before


async def test_a_changed_setting_is_seen_when_its_memory_ends_or_when_asked_for() -> None:
    stand = Stand()
    key = await stand.settle("beta", SPEC)
    table = next(iter(stand.aws.tables.values()))
    table["recovery"] = False
    instance = next(item for item in stand.kubernetes.objects.values() if item["kind"] == "RecallInstance")
    instance["metadata"].setdefault("annotations", {})["recall.kug.la/reconcile-requested-at"] = "now"
    await stand.once(key)
    assert table["recovery"]
    for _ in range(5):
        await stand.once(key)
    table["recovery"] = False
    stand.clock.now += 2 * 86400 + 1
    await stand.once(key)
    assert table["recovery"]


async def test_nothing_is_changed_on_the_word_of_old_reads() -> None:
    """The lists still miss what another has made since: the fresh look finds it, and nothing is written."""
    stand = Stand()
    key = await stand.settle("beta", SPEC)
    kept = dict(stand.aws.records)
    stand.aws.records.clear()
    stand.clock.now += 601
    with asked_by(Asking(remembered=True)):
        await stand.inventory.find(RECORDS, ["beta.example.org"], HostedZoneId="Z1")
    stand.aws.records.update(kept)
    stand.aws.calls.clear()
    assert await stand.once(key) is Outcome.SETTLED
    assert stand.aws.writes == []


async def test_a_fresh_list_is_never_older_than_the_question() -> None:
    """Whoever asks during a flight gets the next one, and all who wait share it."""
    started: list[asyncio.Event] = []
    release = asyncio.Event()

    class Slow(AccountWide):
        async def pages(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            started.append(asyncio.Event())
            number = len(started)
            await release.wait()
            return [{"Name": "beta.example.org.", "Type": "A", "flight": number}]

    inventory = Inventory(Slow(), "test")

    async def ask() -> Any:
        return await inventory.find(RECORDS, ["beta.example.org"], HostedZoneId="Z1")

    first = asyncio.create_task(ask())
    while not started:  # noqa: ASYNC110 - the flight begins on its own
        await asyncio.sleep(0)
    later = [asyncio.create_task(ask()) for _ in range(10)]
    await asyncio.sleep(0)
    release.set()
    assert (await first)[0]["flight"] >= 1
    assert {found[0]["flight"] for found in await asyncio.gather(*later)} == {2}
    assert len(started) == 2


def change(name: str) -> dict[str, Any]:
    record = {"Name": f"{name}.example.org.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    return {"HostedZoneId": "Z1", "ChangeBatch": {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}}


async def test_changes_of_many_instances_are_one_request() -> None:
    aws = FakeAws()
    batches = RecordBatches(aws)
    writes = [batches.call("route53", "change_resource_record_sets", **change(f"a{n}")) for n in range(50)]
    await asyncio.gather(*writes)
    assert len(aws.calls) == 1
    assert len(aws.records) == 50


async def test_poisoned_records_block_nobody_else() -> None:
    aws = FakeAws()
    aws.records["a7.example.org", "A"] = {"Name": "a7.example.org.", "Type": "A"}
    aws.records["a31.example.org", "A"] = {"Name": "a31.example.org.", "Type": "A"}
    batches = RecordBatches(aws)
    writes = [batches.call("route53", "change_resource_record_sets", **change(f"a{n}")) for n in range(64)]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, ClientError)] == [7, 31]
    assert len(aws.records) == 64
    assert len(aws.calls) <= 1 + 2 * 2 * 6


async def test_throttling_fails_the_batch_as_a_whole_and_is_not_multiplied_by_bisecting() -> None:
    aws = FakeAws()

    def throttle(operation: str) -> None:
        aws.calls.append(("route53", operation))
        raise refused("Throttling")

    aws.before = throttle
    batches = RecordBatches(aws)
    writes = [batches.call("route53", "change_resource_record_sets", **change(f"a{n}")) for n in range(8)]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(answer, ClientError) for answer in answers)
    assert len(aws.calls) == 1


async def test_a_batch_is_never_larger_than_route_53_takes() -> None:
    aws = FakeAws()
    sent: list[list[dict[str, Any]]] = []
    write = aws._change_resource_record_sets

    def noted(HostedZoneId: str, ChangeBatch: dict[str, Any]) -> None:  # noqa: N803 - as AWS names them
        sent.append(ChangeBatch["Changes"])
        write(HostedZoneId, ChangeBatch)

    aws._change_resource_record_sets = noted  # type: ignore[method-assign]
    batches = RecordBatches(aws)
    for action, text, count in (("CREATE", "192.0.2.1", 1001), ("UPSERT", "192.0.2.1", 501), ("UPSERT", "x" * 400, 41)):
        sent.clear()
        wanted = [change(f"a{n}") for n in range(count)]
        for item in wanted:
            (only,) = item["ChangeBatch"]["Changes"]
            only["Action"] = action
            only["ResourceRecordSet"]["ResourceRecords"] = [{"Value": text}]
        await asyncio.gather(*(batches.call("route53", "change_resource_record_sets", **item) for item in wanted))
        assert sum(map(len, sent)) == count
        assert len(sent) == 2
        times = 2 if action == "UPSERT" else 1
        assert all(times * len(changes) <= 1000 and times * len(changes) * len(text) <= 32_000 for changes in sent)


def test_throttling_slows_a_service_down_at_once_and_success_speeds_it_up_again() -> None:
    bucket = TokenBucket(32, 10)
    bucket.throttled()
    assert bucket.rate == 16
    for _ in range(20):
        bucket.throttled()
    assert bucket.rate == 32 / SLOWEST
    for _ in range(60):
        bucket.succeeded()
    assert bucket.rate == 32


async def test_a_throttled_request_is_sent_again_and_every_try_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    aws = Aws("eu-west-1", {"dynamodb": (1000.0, 1000)})
    answers = iter([refused("ThrottlingException"), refused("ThrottlingException"), {"Table": {}}])

    def describe_table(**_: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(aws._clients["dynamodb"], "describe_table", describe_table, raising=False)
    counted = aws_module.AWS_REQUESTS.labels("dynamodb", "describe_table", "ThrottlingException")._value
    before = counted.get()
    assert await aws.call("dynamodb", "describe_table", TableName="t") == {"Table": {}}
    assert counted.get() - before == 2
    aws.close()
