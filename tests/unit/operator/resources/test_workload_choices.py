"""What a spec may choose of the workload: the autoscaler, the way in, the wall, who writes the names."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.resources.workload_manifests import EXTERNAL_DNS_ANNOTATION
from tests.unit.operator.fakes import World

HOST = {"hostname": "beta.example.org"}
GATEWAY = {"name": "shared", "namespace": "gateways", "dnsName": "gw.elb.amazonaws.com"}
INGRESS = {"className": "alb", "loadBalancerZoneId": "Z32O12XQLNTSW2"}
SCALING = {"autoscaling": {"minReplicas": 2, "maxReplicas": 6, "targetCPU": 60}}


def live(world: World, kind: str) -> dict[str, Any] | None:
    return world.kubernetes.objects.get(ObjectKey(kind, "default", "beta-api"))


async def settled(world: World, **spec: Any) -> ObjectKey:
    key = world.kubernetes.put_instance(HOST | spec)
    await world.settle(key)
    return key


@pytest.mark.parametrize(
    ("kind", "api"),
    [
        ("HorizontalPodAutoscaler", SCALING),
        ("NetworkPolicy", {"networkPolicy": {"allowedCidrs": ["10.0.0.0/16"], "metricsNamespaces": ["monitoring"]}}),
    ],
)
async def test_an_object_comes_and_goes_with_its_field(kind: str, api: dict[str, Any]) -> None:
    world = World()
    await settled(world)
    assert live(world, kind) is None
    key = await settled(world, api=api)
    found = live(world, kind)
    assert found
    kubernetes_validate.validate({k: v for k, v in found.items() if k != "status"}, "1.35", strict=True)
    world.forget_writes()
    await world.once(key)
    assert world.writes == []
    await settled(world)
    assert live(world, kind) is None


async def test_the_autoscaler_s_choice_is_kept_and_a_change_does_not_undo_it() -> None:
    world = World()
    key = await settled(world, api=SCALING)
    deployment = live(world, "Deployment")
    assert deployment
    deployment["spec"]["replicas"] = 5
    deployment["status"] |= {"replicas": 5, "updatedReplicas": 5, "availableReplicas": 5}
    world.forget_writes()
    await world.once(key)
    assert world.writes == ["apply RecallInstance status"]
    await settled(world, api=SCALING, models={"residency": "region"})
    changed = live(world, "Deployment")
    assert changed
    assert changed["spec"]["replicas"] == 5


async def test_sleep_stops_autoscaled_pods_and_waking_starts_the_least() -> None:
    world = World()
    await settled(world, api=SCALING, hibernation={"mode": "Asleep"})
    assert (live(world, "Deployment") or {})["spec"]["replicas"] == 0
    await settled(world, api=SCALING)
    assert (live(world, "Deployment") or {})["spec"]["replicas"] == 2


async def test_a_route_replaces_the_ingress_and_back() -> None:
    world = World(ingress=INGRESS | {"gateway": GATEWAY})
    await settled(world, api={"route": "HTTPRoute"})
    route = live(world, "HTTPRoute")
    assert route
    assert route["spec"]["hostnames"] == ["api.beta.example.org"]
    assert live(world, "Ingress") is None
    assert world.aws.records["api.beta.example.org", "A"]["AliasTarget"]["DNSName"] == "gw.elb.amazonaws.com."
    await settled(world)
    assert live(world, "HTTPRoute") is None
    assert live(world, "Ingress")
    assert world.aws.records["api.beta.example.org", "A"]["AliasTarget"]["DNSName"] == "lb.elb.amazonaws.com."


async def test_a_route_without_a_gateway_is_reported_with_a_remedy() -> None:
    world = World()
    key = await settled(world, api={"route": "HTTPRoute"})
    condition = world.kubernetes.condition(key, "WorkloadReady")
    assert condition["reason"] == "NoGateway"
    assert "spec.api.route to Ingress" in condition["message"]


async def test_external_dns_is_told_by_annotation_and_no_record_is_written() -> None:
    world = World()
    key = await settled(world, dns={"mode": "ExternalDNS"})
    assert (live(world, "Ingress") or {})["metadata"]["annotations"][EXTERNAL_DNS_ANNOTATION] == "api.beta.example.org"
    assert world.aws.records == {}
    assert world.kubernetes.condition(key, "DNSReady")["reason"] == "ExternalDNS"
