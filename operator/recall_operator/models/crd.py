"""Generates the custom resource definitions from the models: `python -m recall_operator.models.crd FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from recall_operator.models.backup import (
    BACKUP_KIND,
    BACKUP_PLURAL,
    NAME_LIMIT,
    RecallBackupSpec,
    RecallBackupStatus,
)
from recall_operator.models.base import GROUP, KIND, PLURAL, VERSION, validations
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.models.status import RecallInstanceStatus

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.config import JsonDict

_DROPPED = ("title", "additionalProperties", "$defs")
"""Keywords that pydantic writes and a structural schema refuses or has no use for.

`additionalProperties: false` may not stand beside `properties`; a structural schema prunes unknown fields, and
the API server's strict field validation (kubectl's default) refuses them with their path. `true` is what
`x-kubernetes-preserve-unknown-fields` says.
"""

_MAY_BE_ABSENT = "x-may-be-absent"
"""Marks, while the schema is made, an object for which absent has a meaning: it gets no default."""


def _name_rule(limit: int, why: str) -> JsonDict:
    return validations(
        (
            f"self.metadata.name.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') && self.metadata.name.size() <= {limit}",
            f"metadata.name must be at most {limit} characters of a-z, 0-9 and '-', without dots: {why}",
        )
    )


def _structural(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a JSON Schema `node` as a Kubernetes structural schema: references inlined, null variants dropped."""
    if isinstance(node, list):
        return [_structural(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        return _structural({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    variants = [variant for variant in node.get("anyOf", []) if variant != {"type": "null"}]
    if len(variants) == 1:
        rest = {
            key: value for key, value in node.items() if key != "anyOf" and not (key == "default" and value is None)
        }
        optional = {_MAY_BE_ABSENT: True} if len(node["anyOf"]) > 1 else {}
        return _structural({**variants[0], **rest, **optional}, definitions)
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            result[key] = {name: _structural(field, definitions) for name, field in value.items()}
        elif key not in _DROPPED or (key == "additionalProperties" and not isinstance(value, bool)):
            result[key] = _structural(value, definitions)
    return result


def _with_object_defaults(node: dict[str, Any]) -> dict[str, Any]:
    """Give objects whose fields are all optional a default, so that the defaults inside them apply.

    pydantic leaves defaults that come from a factory out of the schema. Each default is written in full: the API
    server checks the CEL rules on a default before it fills in what lies inside.
    """
    for name, field in node.get("properties", {}).items():
        _with_object_defaults(field)
        optional = name not in node.get("required", [])
        absent = field.get(_MAY_BE_ABSENT, False)
        if optional and not absent and "properties" in field and not field.get("required"):
            inner = field.get("properties", {}).items()
            field["default"] = {key: value["default"] for key, value in inner if "default" in value}
    return node


def _without_marks(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_marks(item) for item in node]
    if isinstance(node, dict):
        return {key: _without_marks(value) for key, value in node.items() if key != _MAY_BE_ABSENT}
    return node


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    document = model.model_json_schema(by_alias=True, mode="validation")
    schema: dict[str, Any] = _structural(document, document.get("$defs", {}))
    return schema


def _spec_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = _schema(model)
    if model is RecallInstanceSpec:
        models = schema["properties"]["models"]["properties"]
        models["chat"]["default"] = RecallInstanceSpec(hostname="any.example").models.chat
    return dict(_without_marks(_with_object_defaults(schema)))


@dataclass(frozen=True)
class Resource:
    """One kind of custom resource."""

    kind: str
    plural: str
    short_name: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[dict[str, Any], ...]
    """What `kubectl get` shows between READY, STATUS and the end of the line."""
    rules: JsonDict

    @property
    def file_name(self) -> str:
        """Name of its file in crds/."""
        return f"{self.plural}.{GROUP}.yaml"


_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}

INSTANCES: Final = Resource(
    kind=KIND,
    plural=PLURAL,
    short_name="recall",
    description="One whole Recall: an API with its data, sign-in, models and names on AWS.",
    spec=RecallInstanceSpec,
    status=RecallInstanceStatus,
    columns=(
        {"name": "URL", "type": "string", "jsonPath": ".status.urls.web"},
        {"name": "Version", "type": "string", "jsonPath": ".status.version"},
        _AGE,
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.api.replicas", "priority": 1},
        {"name": "Hibernation", "type": "string", "jsonPath": ".spec.hibernation.mode", "priority": 1},
        # A string: kubectl shows a date that is still to come as <invalid>.
        {"name": "Expires", "type": "string", "jsonPath": ".status.expiresAt", "priority": 1},
    ),
    rules=_name_rule(50, "names of Services and AWS resources are made from it"),
)
BACKUPS: Final = Resource(
    kind=BACKUP_KIND,
    plural=BACKUP_PLURAL,
    short_name="rbk",
    description="An on-demand backup of the tables of one RecallInstance.",
    spec=RecallBackupSpec,
    status=RecallBackupStatus,
    columns=(
        {"name": "Instance", "type": "string", "jsonPath": ".spec.instanceName"},
        {"name": "Size", "type": "string", "jsonPath": ".status.size"},
        _AGE,
        {"name": "Deletion", "type": "string", "jsonPath": ".spec.deletionPolicy", "priority": 1},
    ),
    rules=_name_rule(NAME_LIMIT, "the backups' names on AWS are made from it"),
)
RESOURCES: Final = (INSTANCES, BACKUPS)


def custom_resource_definition(resource: Resource = INSTANCES) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a resource."""
    columns = [
        {"name": "Ready", "type": "string", "jsonPath": f"{_READY}.status"},
        {"name": "Status", "type": "string", "jsonPath": f"{_READY}.reason"},
        *resource.columns,
        {"name": "Message", "type": "string", "jsonPath": f"{_READY}.message", "priority": 1},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": resource.description,
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": _spec_schema(resource.spec),
                                "status": _without_marks(_schema(resource.status)),
                            },
                            **resource.rules,
                        }
                    },
                }
            ],
        },
    }


class _Plain(yaml.SafeDumper):
    """Writes no anchors: some readers of YAML refuse them, and people can't follow them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class gives the name
        return True


def document(resource: Resource = INSTANCES) -> str:
    """Return a resource's CRD as the text of its YAML file."""
    head = "# Generated from operator/recall_operator/models by `make crds`; change the models, not this file.\n"
    return head + yaml.dump(custom_resource_definition(resource), Dumper=_Plain, sort_keys=False, width=120)


def main(*folders: Path) -> None:
    """Write the CRDs of all resources into each folder."""
    for folder in folders:
        for resource in RESOURCES:
            (folder / resource.file_name).write_text(document(resource))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
