"""Every example, and the chart with everything on, is taken by a real API server that knows the foreign kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.gitops import ROOT
from tests.schemas import FOLDER
from tests.unit.delivery.manifests import example_files, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.running_stack import RunningStack

NAMESPACES = ("argocd", "flux-system", "recall-beta", "recall-production", "recall-previews")
CLUSTER_WIDE = ("GatewayClass", "IngressClassParams")
DRY_RUN = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--output=name")


def definition(kind: str) -> dict[str, Any]:
    """Return a CustomResourceDefinition that takes anything of a foreign kind: its fields are checked elsewhere."""
    api_version, _, name = kind.partition(" ")
    group, _, version = api_version.partition("/")
    plural = f"{name.lower()}es" if name.endswith("s") else f"{name.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "scope": "Cluster" if name in CLUSTER_WIDE else "Namespaced",
            "names": {"kind": name, "plural": plural, "singular": name.lower()},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}},
            ],
        },
    }


@pytest.fixture(scope="module")
def cluster(recall: RunningStack) -> Iterator[RunningStack]:
    """The stack's cluster, which knows the foreign kinds for a while."""
    kinds = [kind for name in ("foreign.json", "auto-mode.json") for kind in json.loads((FOLDER / name).read_text())]
    definitions = yaml.safe_dump_all(map(definition, kinds))
    namespaces = yaml.safe_dump_all(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES
    )
    recall.kubectl.run("apply", "--filename=-", manifest=definitions)
    recall.kubectl.run("apply", "--filename=-", manifest=namespaces)
    recall.kubectl.run("wait", "--for=condition=Established", "--filename=-", "--timeout=60s", manifest=definitions)
    yield recall
    recall.kubectl.run("delete", "--filename=-", "--wait=false", manifest=definitions)


@pytest.mark.parametrize("path", example_files(), ids=lambda path: str(path.relative_to(ROOT / "deploy/examples")))
def test_an_example_is_accepted(cluster: RunningStack, path: Path) -> None:
    namespace = [] if "namespace:" in path.read_text() else ["--namespace=default"]
    assert cluster.kubectl.run(*DRY_RUN, f"--filename={path}", *namespace).strip()


def test_the_chart_with_everything_is_accepted(cluster: RunningStack) -> None:
    manifests = rendered("everything")
    answer = cluster.kubectl.run(*DRY_RUN, "--filename=-", manifest=yaml.safe_dump_all(manifests))
    assert len(answer.split("\n")) >= len(manifests)
