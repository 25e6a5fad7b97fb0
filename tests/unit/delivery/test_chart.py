"""The chart in its variants, and every example, are valid for Kubernetes 1.33 to 1.37; bad values are refused."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from recall_infra.cli import helm_values, values_text
from recall_operator.platform import Platform
from tests.gitops import ROOT, documents
from tests.schemas import SOURCES, kind_of, problems, validators
from tests.unit.delivery.manifests import (
    CHART,
    EXAMPLES,
    PLATFORM,
    VARIANTS,
    example_files,
    example_manifests,
    helm,
    rendered,
    run_helm,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")
OF_EACH_VERSION = pytest.mark.parametrize("version", VERSIONS)


def check(manifests: Iterable[dict[str, Any]], version: str) -> int:
    """Validate manifests and return how many there were."""
    count = 0
    for manifest in manifests:
        count += 1
        name = f"{kind_of(manifest)} {manifest['metadata']['name']}"
        if kind_of(manifest) in validators():
            assert list(problems(manifest)) == [], name
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    return count


@OF_EACH_VERSION
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_chart_is_valid(variant: str, version: str) -> None:
    assert check(rendered(variant), version) >= 9


@OF_EACH_VERSION
def test_every_example_is_valid(version: str) -> None:
    counts = [check(example_manifests(path), version) for path in example_files()]
    assert len(counts) >= 15
    assert sum(counts) >= 25


def test_an_unknown_field_and_a_wrong_value_would_be_noticed() -> None:
    for path in example_files():
        for manifest in example_manifests(path):
            if "spec" in manifest and kind_of(manifest) in validators():
                broken = {**manifest, "spec": {**manifest["spec"], "noSuchField": 1}}
                assert any("noSuchField" in item for item in problems(broken)), path
    [preview] = documents(EXAMPLES / "gitops/instances/preview/instance.yaml")
    preview["spec"]["api"]["replicas"] = "two"
    assert list(problems(preview)) == ["spec.api.replicas: 'two' is not of type 'integer'"]


def test_schemas_are_kept_of_no_kind_that_nobody_uses() -> None:
    used = {kind_of(item) for variant in VARIANTS for item in rendered(variant)}
    used |= {kind_of(item) for path in example_files() for item in example_manifests(path)}
    assert set(SOURCES) <= used


def test_examples_of_values_and_their_platform_are_what_the_chart_takes() -> None:
    for path in sorted((EXAMPLES / "values").glob("*.yaml")):
        values = yaml.safe_load(path.read_text())
        if path.stem == "external-dns":
            continue  # Configuration of another program.
        text = run_helm("template", "recall-operator", str(CHART), values=(path.name,))
        document = next(item for item in yaml.safe_load_all(text) if item and "platform.yaml" in item.get("data", {}))
        platform = Platform.model_validate(yaml.safe_load(document["data"]["platform.yaml"]))
        if "gateway" in values:
            assert platform.ingress.gateway is not None


def test_the_chart_takes_the_values_that_the_cdk_app_prints() -> None:
    platform = Platform.model_validate(yaml.safe_load(PLATFORM.read_text())["platform"])
    arn = "arn:aws:acm:eu-central-1:111122223333:certificate/0aa0"
    text = run_helm("template", "recall-operator", str(CHART), changes=helm_values(platform, arn))
    found = next(item for item in yaml.safe_load_all(text) if item and item["kind"] == "IngressClassParams")
    assert found["spec"]["certificateARNs"] == [arn]


@pytest.mark.parametrize("account", ["012345678901", "000000000000", "111122223333"])
def test_an_account_that_begins_with_a_zero_reaches_the_operator_as_it_is(account: str, tmp_path: Path) -> None:
    document = yaml.safe_load(PLATFORM.read_text())["platform"]
    document["aws"]["accountId"] = account
    values = tmp_path / "values.yaml"
    values.write_text(values_text(helm_values(Platform.model_validate(document), None)))
    text = run_helm("template", "recall-operator", str(CHART), values=(str(values),))
    found = next(item for item in yaml.safe_load_all(text) if item and "platform.yaml" in item.get("data", {}))
    assert Platform.model_validate(yaml.safe_load(found["data"]["platform.yaml"])).aws.account_id == account


def test_an_account_that_is_no_text_is_refused_before_the_operator_crashes_on_it() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run_helm("template", "x", str(CHART), "--set=platform.aws.accountId=12345678901", values=("auto-mode.yaml",))
    assert "/platform/aws/accountId" in refused.value.stderr


def test_helms_own_linter_is_content() -> None:
    assert "0 chart(s) failed" in run_helm("lint", "--strict", str(CHART), values=("auto-mode.yaml", "gateway.yaml"))


def by_kind(variant: str) -> dict[str, dict[str, Any]]:
    return {item["kind"]: item for item in rendered(variant)}


def test_what_belongs_to_a_chart_of_an_operator_is_there() -> None:
    found = by_kind("everything")
    assert {
        "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
        "ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule",
        "IngressClass", "IngressClassParams", "GatewayClass", "Gateway",
    } == set(found)  # fmt: skip
    assert found["Deployment"]["spec"]["replicas"] == 2
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    dashboards = [item for item in rendered("everything") if "grafana_dashboard" in item["metadata"].get("labels", {})]
    assert len(dashboards) == 1


def test_what_others_bring_is_off_unless_asked_for() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["ingressClass"]["create"] is False
    assert values["gateway"]["create"] is False
    assert not {"IngressClass", "IngressClassParams", "GatewayClass", "Gateway"} & set(by_kind("least"))


def test_the_load_balancer_is_what_the_platform_document_says() -> None:
    found = by_kind("auto mode")
    parameters = found["IngressClassParams"]
    assert found["IngressClass"]["metadata"]["name"] == parameters["metadata"]["name"] == "alb"
    assert found["IngressClass"]["spec"]["parameters"] == {
        "apiGroup": "eks.amazonaws.com", "kind": "IngressClassParams", "name": "alb",
    }  # fmt: skip
    attributes = {item["key"]: item["value"] for item in parameters["spec"]["loadBalancerAttributes"]}
    assert attributes["idle_timeout.timeout_seconds"] == "300"
    assert parameters["spec"]["ipAddressType"] == "ipv4"
    assert "group" not in parameters["spec"]
    changes = {"platform": {"ingress": {"dualStack": True, "className": "shared"}}, "ingressClass": {"create": True}}
    text = run_helm("template", "r", str(CHART), changes=changes)
    other = next(item for item in yaml.safe_load_all(text) if item and item["kind"] == "IngressClassParams")
    assert other["metadata"]["name"] == "shared"
    assert other["spec"]["ipAddressType"] == "dualstack"
    assert other["spec"]["group"] == {"name": "recall"}


def test_the_gateway_is_the_one_that_routes_attach_to() -> None:
    gateway = by_kind("gateway")["Gateway"]
    assert (gateway["metadata"]["name"], gateway["metadata"]["namespace"]) == ("public", "recall-system")
    assert [item["hostname"] for item in gateway["spec"]["listeners"]] == ["*.example.org"]
    assert gateway["spec"]["gatewayClassName"] == by_kind("gateway")["GatewayClass"]["metadata"]["name"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ingressClass": {"scheme": "public"}}, "/ingressClass/scheme"),
        ({"ingressClass": {"idleTimeoutSeconds": 4001}}, "/ingressClass/idleTimeoutSeconds"),
        ({"ingressClass": {"certificateArns": ["arn:aws:iam::1:x"]}}, "/ingressClass/certificateArns/0"),
        ({"ingressClass": {"attributes": {"idle_timeout.timeout_seconds": "1"}}}, "idle_timeout.timeout_seconds"),
        ({"ingressClass": {"certificateARNs": []}}, "/ingressClass"),
        ({"gateway": {"hostnames": ["https://a.example"]}}, "/gateway/hostnames/0"),
        ({"gateway": {"create": True}}, "platform.ingress.gateway"),
        ({"replicas": 6}, "/replicas"),
        ({"platform": None}, "platform"),
        ({"monitoring": {"alerts": "yes"}}, "/monitoring/alerts"),
    ],
    ids=str,
)
def test_bad_values_are_refused_and_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        run_helm("template", "r", str(CHART), changes=changes)
    assert says in refusal.value.stderr


def test_external_dns_and_the_operator_have_marks_of_their_own() -> None:
    configuration = yaml.safe_load((EXAMPLES / "values/external-dns.yaml").read_text())
    cluster = yaml.safe_load((EXAMPLES / "gitops/operator/values.yaml").read_text())["platform"]["cluster"]["name"]
    assert configuration["txtOwnerId"] != cluster
    assert configuration["registry"] == "txt"
    # Beside api.<hostname> stands the operator's _recall-owner.…; external-dns' own mark must be another name.
    assert configuration["txtPrefix"] not in ("", "_recall-owner.")
    assert "--ignore-ingress-rules-spec" in configuration["extraArgs"]


def test_the_chart_can_be_packed(tmp_path: Path) -> None:
    subprocess.run([helm(), "package", str(CHART), f"--destination={tmp_path}"], check=True, capture_output=True)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    assert (tmp_path / f"recall-operator-{version}.tgz").stat().st_size > 10_000
    assert (ROOT / "crds").is_dir()
