"""Generates the CustomResourceDefinition from the models: `python -m recall_operator.models.crd > crds/...yaml`."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from recall_operator.models.base import GROUP, KIND, PLURAL, VERSION, validations
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.models.status import RecallInstanceStatus

_DROPPED = ("title", "additionalProperties", "$defs")
"""Keywords that pydantic writes and a structural schema refuses or has no use for.

`additionalProperties: false` may not stand beside `properties`; a structural schema prunes unknown fields, and
the API server's strict field validation (kubectl's default) refuses them with their path.
"""

_MAY_BE_ABSENT = "x-may-be-absent"
"""Marks, while the schema is made, an object for which absent has a meaning: it gets no default."""

_ROOT_RULES = validations(
    (
        "self.metadata.name.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') && self.metadata.name.size() <= 50",
        "metadata.name must be at most 50 characters of a-z, 0-9 and '-', without dots: names of Services and AWS "
        "resources are made from it",
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
        elif key not in _DROPPED or (key == "additionalProperties" and value is not False):
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


def _schema(model: type[RecallInstanceSpec | RecallInstanceStatus]) -> dict[str, Any]:
    document = model.model_json_schema(by_alias=True, mode="validation")
    schema: dict[str, Any] = _structural(document, document.get("$defs", {}))
    return schema


def _spec_schema() -> dict[str, Any]:
    schema = _schema(RecallInstanceSpec)
    models = schema["properties"]["models"]["properties"]
    models["chat"]["default"] = RecallInstanceSpec(hostname="any.example").models.chat
    return dict(_without_marks(_with_object_defaults(schema)))


def custom_resource_definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition of RecallInstance."""
    ready = '.status.conditions[?(@.type=="Ready")]'
    columns = [
        {"name": "Ready", "type": "string", "jsonPath": f"{ready}.status"},
        {"name": "Status", "type": "string", "jsonPath": f"{ready}.reason"},
        {"name": "URL", "type": "string", "jsonPath": ".status.urls.web"},
        {"name": "Version", "type": "string", "jsonPath": ".status.version"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.api.replicas", "priority": 1},
        {"name": "Hibernation", "type": "string", "jsonPath": ".spec.hibernation.mode", "priority": 1},
        {"name": "Message", "type": "string", "jsonPath": f"{ready}.message", "priority": 1},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["recall"],
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
                            "description": "One whole Recall: an API with its data, sign-in, models and names on AWS.",
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": _spec_schema(),
                                "status": _without_marks(_schema(RecallInstanceStatus)),
                            },
                            **_ROOT_RULES,
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


def document() -> str:
    """Return the CRD as the text of its YAML file."""
    head = "# Generated from operator/recall_operator/models by `make crds`; change the models, not this file.\n"
    return head + yaml.dump(custom_resource_definition(), Dumper=_Plain, sort_keys=False, width=120)


if __name__ == "__main__":
    sys.stdout.write(document())
