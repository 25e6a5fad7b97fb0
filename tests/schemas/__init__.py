"""Schemas of other projects' kinds that the chart and the examples use, so that these are validated offline.

`foreign.json` holds, of each kind, the part of its official schema that our manifests come to use, without
descriptions; every other field is refused. Who uses a new field takes it from the official definitions again:

    python -m tests.schemas FOLDER

where FOLDER holds the files that `SOURCES` names, from these projects' repositories at these versions.
IngressClassParams has no public definition: `auto-mode.json` is written by hand from the EKS User Guide.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from jsonschema import Draft202012Validator

from recall_operator.models.crd import RESOURCES, custom_resource_definition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FOLDER: Final = Path(__file__).parent

_ARGO: Final = "argoproj/argo-cd v3.5.1 manifests/crds"
_PROMETHEUS: Final = "prometheus-operator/prometheus-operator v0.85.0 example/prometheus-operator-crd"
_GATEWAY: Final = "kubernetes-sigs/gateway-api v1.6.1 config/crd/standard"
_SOURCE: Final = "fluxcd/source-controller v1.9.1 config/crd/bases"
_FLUX_OPERATOR: Final = "controlplaneio-fluxcd/flux-operator v0.58.1 config/crd/bases"
SOURCES: Final[Mapping[str, str]] = {
    "argoproj.io/v1alpha1 Application": f"{_ARGO}/application-crd.yaml",
    "argoproj.io/v1alpha1 ApplicationSet": f"{_ARGO}/applicationset-crd.yaml",
    "argoproj.io/v1alpha1 AppProject": f"{_ARGO}/appproject-crd.yaml",
    "monitoring.coreos.com/v1 ServiceMonitor": f"{_PROMETHEUS}/monitoring.coreos.com_servicemonitors.yaml",
    "monitoring.coreos.com/v1 PrometheusRule": f"{_PROMETHEUS}/monitoring.coreos.com_prometheusrules.yaml",
    "gateway.networking.k8s.io/v1 GatewayClass": f"{_GATEWAY}/gateway.networking.k8s.io_gatewayclasses.yaml",
    "gateway.networking.k8s.io/v1 Gateway": f"{_GATEWAY}/gateway.networking.k8s.io_gateways.yaml",
    "source.toolkit.fluxcd.io/v1 GitRepository": f"{_SOURCE}/source.toolkit.fluxcd.io_gitrepositories.yaml",
    "source.toolkit.fluxcd.io/v1 OCIRepository": f"{_SOURCE}/source.toolkit.fluxcd.io_ocirepositories.yaml",
    "kustomize.toolkit.fluxcd.io/v1 Kustomization": (
        "fluxcd/kustomize-controller v1.9.4 config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"
    ),
    "helm.toolkit.fluxcd.io/v2 HelmRelease": (
        "fluxcd/helm-controller v1.6.3 config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml"
    ),
    "fluxcd.controlplane.io/v1 ResourceSet": f"{_FLUX_OPERATOR}/fluxcd.controlplane.io_resourcesets.yaml",
    "fluxcd.controlplane.io/v1 ResourceSetInputProvider": (
        f"{_FLUX_OPERATOR}/fluxcd.controlplane.io_resourcesetinputproviders.yaml"
    ),
}

_KEPT: Final = frozenset(
    {"type", "enum", "pattern", "required", "minLength", "maxLength", "minimum", "maximum", "format"}
)
_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def kind_of(document: Mapping[str, Any]) -> str:
    """Return `<apiVersion> <kind>` of a manifest."""
    return f"{document['apiVersion']} {document['kind']}"


def _walk(schema: Mapping[str, Any], values: list[Any]) -> dict[str, Any]:
    """Return what of `schema` these values come to use."""
    result = {key: value for key, value in schema.items() if key in _KEPT}
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    if isinstance(more := schema.get("additionalProperties"), dict):
        inner = [value for item in values for value in item.values()]
        result["additionalProperties"] = _walk(more, inner)
    elif "properties" in schema:
        used = sorted({name for item in values for name in item})
        unknown = [name for name in used if name not in schema["properties"]]
        if unknown and not schema.get(_OPEN):
            raise ValueError(f"the official schema knows no {', '.join(unknown)}")
        result["properties"] = {
            name: _walk(schema["properties"][name], [item[name] for item in values if name in item])
            for name in used
            if name in schema["properties"]
        }
        result["additionalProperties"] = bool(schema.get(_OPEN))
    if "items" in schema:
        result["items"] = _walk(schema["items"], [value for item in values for value in item])
    return result


def reduced(definition: Mapping[str, Any], kind: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the part of a CustomResourceDefinition's schema that `documents` use.

    Raises:
        ValueError: they use a field that it does not have.
    """
    version = kind.split()[0].rpartition("/")[2]
    schema = next(item for item in definition["spec"]["versions"] if item["name"] == version)["schema"]
    whole = schema["openAPIV3Schema"]
    plain = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {_OPEN: True, "type": "object"}}
    return _walk({**whole, "properties": {**whole["properties"], **plain}}, documents)


def refreshed(folder: Path, documents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what `foreign.json` is to hold, from the official files in `folder`."""
    every = list(documents)
    found: dict[str, Any] = {}
    for kind, source in SOURCES.items():
        definition = yaml.safe_load((folder / Path(source).name).read_text())
        mine = [document for document in every if kind_of(document) == kind]
        found[kind] = {"source": source, "schema": reduced(definition, kind, mine)}
    return found


def _strict(schema: Any) -> Any:
    """Return one of our own structural schemas as JSON Schema that refuses unknown fields."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _strict(value) for key, value in schema.items() if not key.startswith("x-kubernetes")}
    if "properties" in schema and not schema.get(_OPEN):
        result["additionalProperties"] = False
    return result


@cache
def validators() -> Mapping[str, Draft202012Validator]:
    """Return a validator for each kind that is none of Kubernetes' own."""
    found: dict[str, Any] = {}
    for name in ("foreign.json", "auto-mode.json"):
        found |= {kind: item["schema"] for kind, item in json.loads((FOLDER / name).read_text()).items()}
    for resource in RESOURCES:
        definition = custom_resource_definition(resource)["spec"]
        schema = _strict(definition["versions"][0]["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"]["additionalProperties"] = True
        found[f"{definition['group']}/{definition['versions'][0]['name']} {resource.kind}"] = schema
    return {kind: Draft202012Validator(schema) for kind, schema in found.items()}


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a manifest of one of these kinds.

    Raises:
        KeyError: its kind is none of them.
    """
    for error in validators()[kind_of(document)].iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
