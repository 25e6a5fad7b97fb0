"""Every manifest that the project hands to people: the chart in its variants, and the examples."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.bench.operator.control_plane import programs
from tests.gitops import GITOPS, ROOT, argo_preview, documents, flux_preview

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHART: Final = ROOT / "deploy/chart"
EXAMPLES: Final = ROOT / "deploy/examples"
PLATFORM: Final = GITOPS / "operator/values.yaml"
_NO_MANIFESTS: Final = frozenset({"values", "operator"})
"""Folders of values for Helm and of configuration."""
_NO_WHOLE_MANIFESTS: Final = frozenset({"kustomization.yaml", "version.yaml"})
"""What kustomize is told, and a patch for it."""

EVERYTHING: Final = ("auto-mode.yaml", "gateway.yaml")
VARIANTS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "least": ((), {"monitoring": {"serviceMonitor": False, "alerts": False}}),
    "one replica": ((), {"replicas": 1}),
    "some namespaces": ((), {"namespaces": ["blue", "green"]}),
    "auto mode": (("auto-mode.yaml",), {"ingressClass": {"default": True, "group": "", "subnetIds": ["subnet-0abc"]}}),
    "gateway": (("gateway.yaml",), {"gateway": {"parametersRef": {"group": "g.example", "kind": "K", "name": "n"}}}),
    "everything": (
        EVERYTHING,
        {
            "imagePullSecrets": [{"name": "registry"}],
            "podAnnotations": {"a": "b"},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
        },
    ),
}
"""Values by name: files of deploy/examples/values, and changes."""


def helm() -> str:
    """Return Helm: of the machine or of the local stack's node; without either the test is skipped."""
    built = programs()
    found = shutil.which("helm") or (str(built / "helm") if built else None)
    if found is None:
        if os.environ.get("RECALL_NEEDS_HELM"):
            pytest.fail("make chart-lint needs helm on PATH, or that of the local stack (make up builds it)")
        pytest.skip("no helm: neither on PATH nor built by make up")
    return found


def run_helm(*words: str, values: tuple[str, ...] = (), changes: dict[str, Any] | None = None) -> str:
    """Run Helm with the platform's values and what comes on top of them; return what it wrote.

    Raises:
        subprocess.CalledProcessError: Helm refused; why is in `stderr`.
    """
    files = [PLATFORM, *(EXAMPLES / "values" / name for name in values)]
    arguments = [f"--values={path}" for path in files] + ["--values=-"]
    done = subprocess.run(
        [helm(), *words, *arguments], input=json.dumps(changes or {}), capture_output=True, text=True, check=True
    )
    return done.stdout


@cache
def rendered(variant: str) -> tuple[dict[str, Any], ...]:
    """Return what Helm makes of the chart, its custom resources included."""
    values, changes = VARIANTS[variant]
    words = ("template", "recall-operator", str(CHART), "--namespace=recall-system", "--include-crds")
    text = run_helm(*words, values=values, changes=changes)
    return tuple(item for item in yaml.safe_load_all(text) if item)


def example_files() -> list[Path]:
    """Return every example that holds manifests."""
    found = sorted(EXAMPLES.rglob("*.yaml"))
    return [path for path in found if not _NO_MANIFESTS & set(path.parts) and path.name not in _NO_WHOLE_MANIFESTS]


def example_manifests(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the manifests of an example; templates of previews as they are for a pull request."""
    for document in documents(path):
        yield document
        if document["kind"] == "ApplicationSet":
            yield {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **argo_preview(7)}
        if document["kind"] == "ResourceSet":
            yield flux_preview(7)


def every_manifest() -> Iterator[dict[str, Any]]:
    """Yield all of them."""
    for variant in VARIANTS:
        yield from rendered(variant)
    for path in example_files():
        yield from example_manifests(path)
