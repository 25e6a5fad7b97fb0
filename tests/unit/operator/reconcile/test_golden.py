"""An upgrade of the operator changes nothing that a spec did not ask for.

`tests/golden/<release>/` holds manifests and, beside each, what that release made of it. Today's operator plans no
change for them. Two things follow the API's release instead of the spec and are left out: its rights (access) and
its environment (ConfigMap, and the digest on the pods).
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.base import KIND
from recall_operator.models.instance import RecallInstance
from recall_operator.reconcile.all_parts import AllParts
from recall_operator.resources.part import Subject
from recall_operator.resources.plan import Assessment
from recall_operator.resources.workload_manifests import CONFIGURATION_ANNOTATION, HASH_ANNOTATION
from tests.unit.operator.fakes import World

GOLDEN = Path(__file__).parents[3] / "golden"
MANIFESTS = sorted(GOLDEN.glob("*/*.yaml"))
OF_THE_API = frozenset({CONFIGURATION_ANNOTATION, HASH_ANNOTATION})


def world_of(made: dict[str, Any]) -> World:
    world = World()
    for client in made["clients"].values():
        client["CreationDate"] = datetime.fromisoformat(client["CreationDate"])
    world.aws.tables, world.aws.clients = made["tables"], made["clients"]
    world.aws.roles, world.aws.associations = made["roles"], made["associations"]
    for item in made["objects"]:
        # A guardrail named by id is there, as it was then; nothing is said of it in what that release wrote down.
        asked = item.get("spec", {}).get("models", {}).get("guardrail") if item["kind"] == KIND else None
        if asked:
            world.aws.plant_guardrail(asked["id"], asked["version"])
    world.aws.records = {(record["Name"].rstrip("."), record["Type"]): record for record in made["records"]}
    for item in made["objects"]:
        metadata = item["metadata"]
        world.kubernetes.objects[ObjectKey(item["kind"], metadata["namespace"], metadata["name"])] = item
    return world


def read(path: Path) -> tuple[dict[str, Any], World]:
    return yaml.safe_load(path.read_text()), world_of(json.loads(path.with_suffix(".json").read_text()))


def fields_asked_for(plans: dict[str, Any]) -> list[str]:
    """Return what would change, without what the API's release decides."""
    return [
        f"{name}: {change.kind}.{item.field}"
        for name, plan in plans.items()
        if name != "access"
        for change in (plan.changes if isinstance(plan, Assessment) else ())
        for item in change.differences
        if change.kind != "ConfigMap" and not item.field.endswith(tuple(OF_THE_API))
    ]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_what_an_earlier_release_made_is_left_as_it_is(path: Path) -> None:
    manifest, world = read(path)
    key = ObjectKey(KIND, "default", manifest["metadata"]["name"])
    parts = AllParts(world.clients)
    plans = await parts.assess(Subject.of(RecallInstance.model_validate(world.kubernetes.objects[key]), world.platform))
    assert all(isinstance(plan, Assessment) for plan in plans.values()), plans
    assert fields_asked_for(plans) == []
    # And the manifest, read by today's models, still means the spec that was stored then.
    generation = world.kubernetes.objects[key]["metadata"]["generation"]
    world.kubernetes.put_instance(manifest["spec"], key.name)
    plans = await parts.assess(Subject.of(RecallInstance.model_validate(world.kubernetes.objects[key]), world.platform))
    assert fields_asked_for(plans) == []
    assert generation == 1
    assert "acm" not in {service for service, _ in world.aws.calls}


def test_there_are_golden_manifests() -> None:
    assert len(MANIFESTS) >= 4
