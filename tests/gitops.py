"""The GitOps examples as tests read them: documents, and a preview as Argo CD and Flux would render it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
GITOPS = ROOT / "deploy/examples/gitops"


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def the(path: Path, kind: str, name: str | None = None) -> dict[str, Any]:
    """Return the one document of a kind (and name) in a file."""
    found = [item for item in documents(path) if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, f"{path.name} holds {len(found)} of {kind} {name}"
    return found[0]


def filled(template: Any, values: dict[str, str]) -> Any:
    """Return a template of plain placeholders with its values put in.

    Raises:
        AssertionError: a placeholder is left over.
    """
    text = json.dumps(template)
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    assert "{{" not in text, text
    assert "<<" not in text, text
    return json.loads(text)


def argo_preview(number: int) -> dict[str, Any]:
    """Return the Application that Argo CD makes for a pull request."""
    template = the(GITOPS / "argocd/apps/previews.yaml", "ApplicationSet")["spec"]["template"]
    application: dict[str, Any] = filled(template, {"{{ .number }}": str(number), "{{ .head_sha }}": "0" * 40})
    return application


def flux_preview(number: int) -> dict[str, Any]:
    """Return the Kustomization that the Flux operator makes for a pull request."""
    resources = the(GITOPS / "flux/previews.yaml", "ResourceSet")["spec"]["resources"]
    template = next(item for item in resources if item["kind"] == "Kustomization")
    made: dict[str, Any] = filled(template, {"<< inputs.id >>": str(number), "<< inputs.sha >>": "0" * 40})
    return made
