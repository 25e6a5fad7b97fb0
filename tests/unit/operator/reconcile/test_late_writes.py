"""Nothing is written without the Lease, and no deletion is final while a write may still be on its way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from recall_operator.aws.client import Aws
from recall_operator.errors import LeaseLostError, classify
from recall_operator.kubernetes.client import KubernetesApi, ObjectKey
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.requests.late_writes import LONGEST_SECONDS, LateWrites
from recall_operator.requests.write_gate import WriteGate
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from pathlib import Path

ERASE: dict[str, Any] = {"hostname": "beta.example.org", "deletionPolicy": {"tables": "Delete"}}


class Replica:
    """One process of the operator, with a clock that the test moves."""

    def __init__(self, world: World) -> None:
        self.now = 1000.0
        late_writes = LateWrites(lambda: self.now)
        self._reconciler = Reconciler(world.platform, world.clients, late_writes=late_writes)

    async def once(self) -> Outcome:
        return await self._reconciler.reconcile("default/beta")

    async def settle(self) -> Outcome:
        return [await self.once() for _ in range(25)][-1]


def lost() -> None:
    raise LeaseLostError("another replica has taken the lease")


async def test_a_new_leader_lets_no_instance_go_while_its_predecessors_last_write_may_arrive() -> None:
    world = World()
    key = world.kubernetes.put_instance(ERASE)
    await world.settle(key)
    replica = Replica(world)
    world.kubernetes.delete_instance(key)
    assert await replica.settle() is Outcome.PROGRESSING
    assert not any(world.aws.state())
    assert "deletionTimestamp" in world.kubernetes.objects[key]["metadata"]
    name = f"recall.test.default.beta@{world.kubernetes.objects[key]['metadata']['uid']}"
    world.aws.clients["late"] = {"ClientName": name, "CreationDate": datetime(2026, 1, 1, tzinfo=UTC)}
    replica.now += LONGEST_SECONDS
    assert await replica.settle() is Outcome.GONE
    assert world.aws.clients == {}
    assert key not in world.kubernetes.objects


async def test_an_instance_that_was_just_made_is_not_let_go_by_what_may_be_an_old_look() -> None:
    world = World()
    replica = Replica(world)
    replica.now += LONGEST_SECONDS
    key = world.kubernetes.put_instance(ERASE)
    await replica.settle()
    world.kubernetes.delete_instance(key)
    assert await replica.settle() is Outcome.PROGRESSING
    replica.now += LONGEST_SECONDS
    assert await replica.once() is Outcome.GONE


async def test_an_instance_that_was_long_at_rest_goes_at_once() -> None:
    world = World()
    key = world.kubernetes.put_instance(ERASE)
    await world.settle(key)
    replica = Replica(world)
    replica.now += LONGEST_SECONDS
    world.kubernetes.delete_instance(key)
    assert await replica.settle() is Outcome.GONE


async def test_a_deletion_that_got_no_answer_is_waited_for() -> None:
    world = World()
    key = world.kubernetes.put_instance(ERASE)
    await world.settle(key)
    replica = Replica(world)
    replica.now += LONGEST_SECONDS
    world.kubernetes.delete_instance(key)

    def unanswered(operation: str) -> None:
        if operation == "delete_user_pool_client":
            world.aws.after = lambda _: None
            raise ReadTimeoutError(endpoint_url="https://aws.example")

    world.aws.after = unanswered
    assert await replica.settle() is Outcome.PROGRESSING
    assert not any(world.aws.state())
    replica.now += LONGEST_SECONDS
    assert await replica.once() is Outcome.GONE


async def test_nothing_is_sent_to_aws_without_the_lease() -> None:
    """The endpoint is never reached: a refused connection would be another error."""
    aws = Aws("eu-west-1", {"dynamodb": (1000.0, 1000)}, gate=WriteGate(lost))
    with pytest.raises(LeaseLostError):
        await aws.call("dynamodb", "delete_table", TableName="memories")
    aws.close()


async def test_nothing_is_sent_to_kubernetes_without_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
    }
    config.write_text(json.dumps(document))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    api = KubernetesApi(gate=WriteGate(lost))
    with pytest.raises(LeaseLostError):
        await api.delete(ObjectKey("Service", "default", "beta-api"), "uid")
    api.close()


def test_who_lost_the_lease_blames_nobody() -> None:
    failure = classify(LeaseLostError("the lease could not be renewed for 10 s"))
    assert (failure.reason, failure.terminal, failure.broken) == ("Waiting", False, False)
