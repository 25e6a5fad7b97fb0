"""The API's Kubernetes objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_api import contract
from recall_api.contract import Environment
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.resources.part import Subject
from recall_operator.resources.workload import deviations
from recall_operator.resources.workload_manifests import CONFIGURATION_ANNOTATION, configuration, manifests
from tests.unit.operator.fakes import platform

TABLES = {"memories": "m", "users": "u"}


def subject(**spec: Any) -> Subject:
    metadata: dict[str, Any] = {"name": "beta", "namespace": "default", "uid": "u", "generation": 1}
    given = {"metadata": metadata, "spec": {"hostname": "beta.example.org"} | spec}
    return Subject(RecallInstance.model_validate(given), platform(), Owner("test", "default", "beta", "u"))


def objects(**spec: Any) -> dict[str, dict[str, Any]]:
    about = subject(**spec)
    return {item["kind"]: item for item in manifests(about, configuration(about, "client", TABLES))}


@pytest.mark.parametrize("kind", list(objects()))
def test_kubernetes_accepts_each(kind: str) -> None:
    assert kubernetes_validate.validate(objects()[kind], "1.35", strict=True) == "1.35"


def test_the_pods_get_every_variable_of_the_contract() -> None:
    workload = {"image": "recall-api:1", "tracesEndpoint": "http://collector:4318"}
    keys = {"perUserKeys": {"kmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/k1"}}
    spec = {"models": {"budgets": {"free": 0, "premium": 7}}, "encryption": keys}
    aws = {"accountId": "0" * 12, "region": "eu-west-1", "bedrockRegion": "us-east-1"}
    about = replace(subject(**spec), platform=platform(workload=workload, aws=aws))
    data = configuration(about, "client", TABLES | {"keys": "k"})
    assert {name.value for name in Environment} <= set(data)
    assert data["RECALL_KEYS_TABLE"] == "k"
    assert (data["RECALL_FREE_BUDGET"], data["RECALL_PREMIUM_BUDGET"]) == ("0", "7")


def test_what_nobody_asked_for_is_left_to_the_api() -> None:
    data = objects()["ConfigMap"]["data"]
    keys = {Environment.KEYS_TABLE, Environment.USER_KEYS_KMS_KEY}
    elsewhere = {Environment.TRACES_ENDPOINT, Environment.BEDROCK_REGION}
    asked_for = {Environment.FREE_BUDGET, Environment.PREMIUM_BUDGET} | elsewhere | keys
    assert {name.value for name in Environment} - set(data) == {name.value for name in asked_for}
    assert data["AWS_ENDPOINT_URL"] == "http://aws:4566"
    assert data["AWS_REGION"] == "eu-west-1"
    assert all(isinstance(value, str) for value in data.values())


def test_the_pods_hold_no_rights_that_they_do_not_need() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == contract.USER_ID
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_a_stopping_pod_gets_time_to_finish_its_answers() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > contract.DRAIN_SECONDS


def configuration_hash(**spec: Any) -> str:
    template = objects(**spec)["Deployment"]["spec"]["template"]
    value: str = template["metadata"]["annotations"][CONFIGURATION_ANNOTATION]
    return value


def test_a_change_of_configuration_rolls_the_pods_and_one_that_does_not_matter_does_not() -> None:
    assert configuration_hash() != configuration_hash(models={"residency": "region"})
    assert configuration_hash() == configuration_hash(signIn={"refreshTokenDays": 7})
    assert configuration_hash() == configuration_hash(api={"replicas": 9})


@given(replicas=some.integers(1, 50), residency=some.sampled_from(["region", "geo", "global"]))
def test_what_was_applied_deviates_in_nothing(replicas: int, residency: str) -> None:
    for manifest in objects(api={"replicas": replicas}, models={"residency": residency}).values():
        assert list(deviations(manifest, manifest)) == []


def test_defaults_of_the_api_server_and_additions_of_others_are_no_deviation() -> None:
    wanted = objects()["Deployment"]
    live = objects()["Deployment"]
    live["metadata"] |= {"uid": "x", "resourceVersion": "1", "generation": 1}
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    pod = live["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    pod["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    pod["containers"].append({"name": "sidecar", "image": "mesh"})
    assert list(deviations(wanted, live)) == []


@pytest.mark.parametrize(("wanted", "live"), [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi")])
def test_amounts_are_compared_as_amounts(wanted: str, live: str) -> None:
    assert list(deviations({"cpu": wanted}, {"cpu": live})) == []


@pytest.mark.parametrize(
    ("wanted", "live", "field"),
    [
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {}, "a"),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, "a[x].v"),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "y"}]}, "a[x]"),
        ({"a": ["x", "y"]}, {"a": ["x"]}, "a"),
        ({"a": True}, {"a": False}, "a"),
    ],
)
def test_deviations_name_the_field(wanted: Any, live: Any, field: str) -> None:
    assert [item.field for item in deviations(wanted, live)] == [field]
