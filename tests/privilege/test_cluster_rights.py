"""Every verb of the chart's rules is needed by a life on a real API server, and all together are enough for it.

The operator runs as its service account, bound to exactly what Helm renders. The API server's audit log says what it
asked for. Then each verb is taken away, and the API server's own authorizer asked again about those very requests; the
long form also lives the life again without each verb, until the API server refuses it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.operator.control_plane import programs
from tests.integration.operator.resources.test_parts_on_aws import account
from tests.privilege.cluster import LEASE, Cluster, Right, life, rights_of, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.privilege.cluster import Asked

pytestmark = pytest.mark.skipif(programs() is None, reason="no kube-apiserver (make up builds it) or no etcd")

WATCH = Right("coordination.k8s.io", "leases", "watch")
"""What a standby needs, and a leader never asks for."""
GATEWAY = {"name": "public", "namespace": "default", "dnsName": "gateway.elb.amazonaws.com"}
REMEDY = (
    "The life in tests/privilege/cluster.py does not come to use it. Take it out of the chart's rules "
    "(deploy/chart/templates/_helpers.tpl), or let the life do what needs it."
)


@pytest.fixture(scope="module")
def cluster(emulator: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    facts = account(emulator)
    ingress = facts.ingress.model_dump(by_alias=True) | {"gateway": GATEWAY}
    aws = facts.aws.model_dump(by_alias=True) | {"endpointUrls": {"AWS_ENDPOINT_URL": emulator.endpoint}}
    changed = facts.model_dump(by_alias=True) | {"ingress": ingress, "aws": aws}
    running = Cluster(tmp_path_factory.mktemp("cluster"), type(facts).model_validate(changed))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def asked(cluster: Cluster) -> list[Asked]:
    """What the operator asked for in one life under all rules, and while it stood by after another."""
    cluster.start_operator()
    try:
        life(cluster, "beta")
    finally:
        cluster.stop_operator()
    cluster.hold_lease()
    cluster.start_operator()
    try:
        cluster.wait(lambda: WATCH in {item.right for item in cluster.asked()}, "a standby that watches")
    finally:
        cluster.stop_operator()
    return list(cluster.asked())


def test_the_rules_are_enough_for_a_life(asked: list[Asked]) -> None:
    assert not {str(item.right) for item in asked if item.status in (401, 403)}


def test_every_verb_of_the_rules_is_used(cluster: Cluster, asked: list[Asked]) -> None:
    used = {item.right for item in asked}
    unused = [str(right) for role in cluster.roles for right in rights_of(role) if right not in used]
    assert not unused, REMEDY


def test_no_verb_is_granted_twice(cluster: Cluster) -> None:
    granted = [right for role in cluster.roles for right in rights_of(role)]
    assert len(granted) == len(set(granted))
    assert not [right for right in granted if "*" in str(right)]


def test_without_any_one_verb_the_api_server_refuses_what_needs_it(cluster: Cluster, asked: list[Asked]) -> None:
    examples = {item.right: item for item in asked}
    for role in cluster.roles:
        try:
            for right in rights_of(role):
                assert cluster.may(examples[right]), f"{right} is refused under the whole rules"
                cluster.enforce(without(role, right))
                cluster.wait(lambda right=right: not cluster.may(examples[right]), f"the refusal of {right}")  # type: ignore[misc]
        finally:
            cluster.enforce(role)
        for right in rights_of(role):
            cluster.wait(lambda right=right: cluster.may(examples[right]), f"{right} again")  # type: ignore[misc]


@pytest.mark.skipif(
    not os.environ.get("RECALL_LONG"), reason="lives a life for each of the verbs: make test-privilege does (minutes)"
)
@pytest.mark.timeout(3600)
def test_a_life_without_any_one_verb_is_refused(cluster: Cluster, asked: list[Asked]) -> None:
    assert asked
    number = 0
    for role in cluster.roles:
        for right in rights_of(role):
            number += 1
            before = cluster.logged

            def refused(right: Right = right, before: int = before) -> bool:
                return any(item.status == 403 and item.right in needing(right) for item in cluster.asked(before))

            cluster.enforce(without(role, right))
            cluster.control.request("DELETE", LEASE)  # Who finds one never makes one.
            if right == WATCH:
                cluster.hold_lease()
            cluster.start_operator()
            try:
                life(cluster, f"life-{number}", enough=refused)
                assert refused(), f"a life without {right} was never refused"
            finally:
                cluster.stop_operator()
                cluster.enforce(role)
                cluster.abandon(f"life-{number}")


def needing(right: Right) -> tuple[Right, ...]:
    """Return the requests that the API server refuses without `right`: a server-side apply may need `create`, too."""
    return (right, Right(right.group, right.resource, "patch")) if right.verb == "create" else (right,)
