"""The generated CRD: equal to the file, explained field by field, bounded so that CEL stays affordable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recall_operator.models.backup import RecallBackupSpec
from recall_operator.models.crd import (
    BACKUPS,
    INSTANCES,
    RESOURCES,
    Resource,
    custom_resource_definition,
    document,
    main,
)
from recall_operator.models.spec import RecallInstanceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
CRDS = ROOT / "crds"
OF_EACH = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)


def schema(resource: Resource = INSTANCES) -> dict[str, Any]:
    result: dict[str, Any] = custom_resource_definition(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return result


def fields(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in node.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        if "items" in field:
            yield f"{path}.{name}[]", field["items"] | {"description": field["description"]}
            yield from fields(field["items"], f"{path}.{name}[]")


ALL_FIELDS = [
    pytest.param(field, id=f"{resource.kind}.{path}")
    for resource in RESOURCES
    for part in ("spec", "status")
    for path, field in fields(schema(resource)["properties"][part], part)
]


@OF_EACH
def test_the_file_is_what_the_models_generate(resource: Resource) -> None:
    assert (CRDS / resource.file_name).read_text() == document(resource), "run `make crds`"


def test_all_files_are_written_and_the_chart_ships_the_same(tmp_path: Path) -> None:
    main(tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    for folder in (CRDS, ROOT / "deploy/chart/crds"):
        assert {path.name: path.read_text() for path in folder.iterdir()} == written


@pytest.mark.parametrize("field", ALL_FIELDS)
def test_every_field_is_described_and_bounded(field: dict[str, Any]) -> None:
    assert field.get("description")
    if field.get("type") == "array":
        assert "maxItems" in field
    if field.get("type") == "string":
        assert {"maxLength", "enum", "format"} & set(field)


def test_the_crd_defaults_are_those_of_the_models() -> None:
    def defaults(node: dict[str, Any]) -> dict[str, Any]:
        return {name: field["default"] for name, field in node["properties"].items() if "default" in field}

    in_crd = defaults(schema()["properties"]["spec"]) | {"hostname": "beta.example.org"}
    assert RecallInstanceSpec.model_validate(in_crd) == RecallInstanceSpec(hostname="beta.example.org")
    of_backup = defaults(schema(BACKUPS)["properties"]["spec"]) | {"instanceName": "beta"}
    assert RecallBackupSpec.model_validate(of_backup) == RecallBackupSpec(instance_name="beta")


def test_examples_are_read_by_the_models() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "deploy/examples").glob("*.yaml"))]
    specs = [RecallInstanceSpec.model_validate(yaml.safe_load(text)["spec"]) for text in texts]
    assert {spec.hostname for spec in specs} >= {"beta.recall.localhost", "staging.recall.localhost"}


@pytest.mark.parametrize("cidr", ["::/0", "fd00::/8", "0.0.0.0/0", "2001:0db8:0000:0000:0000:0000:0000:0001/128"])
def test_ranges_of_either_kind_of_address_are_taken(cidr: str) -> None:
    field = schema()["properties"]["spec"]["properties"]["api"]["properties"]["networkPolicy"]["properties"]
    items = field["allowedCidrs"]["items"]
    assert items["minLength"] <= len(cidr) <= items["maxLength"]
    api = {"networkPolicy": {"allowedCidrs": [cidr]}}
    assert RecallInstanceSpec.model_validate({"hostname": "beta.example.org", "api": api}).api.network_policy
