"""The look of the sign-in pages: made and mended when asked for, and not even looked at otherwise."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from recall_operator.models.instance import RecallInstance
from recall_operator.reconcile.all_parts import AllParts
from recall_operator.resources.part import Subject
from tests.unit.operator.fakes import World

HOST: dict[str, Any] = {"hostname": "beta.example.org"}
DARK = {
    "categories": {"global": {"colorSchemeMode": "DARK"}},
    "components": {"pageText": {"darkMode": {"a": "ffffff"}}},
}
LOOKS: list[dict[str, Any]] = [{"useCognitoProvidedValues": True}, {"settings": DARK}]


def branded(look: dict[str, Any]) -> dict[str, Any]:
    return HOST | {"signIn": {"branding": look}}


def branding_calls(world: World) -> list[str]:
    return [operation for _, operation in world.aws.calls if "branding" in operation]


async def test_who_asks_for_no_branding_causes_no_request() -> None:
    world = World()
    await world.settle(world.kubernetes.put_instance(HOST))
    assert branding_calls(world) == []


@pytest.mark.parametrize("look", LOOKS, ids=["cognito", "settings"])
async def test_a_style_is_made_for_the_client_and_a_second_pass_writes_nothing(look: dict[str, Any]) -> None:
    world = World()
    key = world.kubernetes.put_instance(branded(look))
    await world.settle(key)
    assert list(world.aws.styles) == list(world.aws.clients)
    (style,) = world.aws.styles.values()
    assert style["UseCognitoProvidedValues"] == look.get("useCognitoProvidedValues", False)
    assert style["Settings"] == look.get("settings", {})
    assert world.kubernetes.condition(key, "BrandingReady")["reason"] == "Available"
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []


async def test_drift_is_mended_and_settings_that_the_spec_leaves_out_stay() -> None:
    world = World()
    key = world.kubernetes.put_instance(branded({"settings": DARK}))
    await world.settle(key)
    (style,) = world.aws.styles.values()
    style["Settings"]["componentClasses"] = {"theirs": 1}
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []
    style["Settings"]["categories"] = {"global": {"colorSchemeMode": "LIGHT"}}
    await world.settle(key)
    assert style["Settings"] == DARK | {"componentClasses": {"theirs": 1}}


async def test_one_look_takes_the_others_place_and_taking_it_out_changes_nothing() -> None:
    world = World()
    for look in (*LOOKS, LOOKS[0]):
        key = world.kubernetes.put_instance(branded(look))
        await world.settle(key)
        (style,) = world.aws.styles.values()
        assert style["UseCognitoProvidedValues"] == look.get("useCognitoProvidedValues", False)
    world.kubernetes.put_instance(HOST)
    world.forget_writes()
    await world.settle(key)
    assert branding_calls(world) == []
    assert len(world.aws.styles) == 1


async def test_a_new_client_gets_the_look_of_the_old_one() -> None:
    world = World()
    key = world.kubernetes.put_instance(branded(LOOKS[1]))
    await world.settle(key)
    world.aws.clients.clear()
    world.aws.styles.clear()
    await world.settle(key)
    assert list(world.aws.styles) == list(world.aws.clients)


@pytest.mark.parametrize("look", LOOKS, ids=["cognito", "settings"])
async def test_every_request_is_one_that_cognitos_own_model_accepts(look: dict[str, Any]) -> None:
    """The emulator knows no branding: botocore holds the requests against the model that AWS publishes."""
    service = botocore.session.get_session().get_service_model("cognito-idp")
    world, seen = World(), []

    async def call(name: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if "branding" in operation:
            method = "".join(word.capitalize() for word in operation.split("_"))
            validate_parameters(parameters, service.operation_model(method).input_shape)
            seen.append(operation)
        return await original(name, operation, **parameters)

    original, world.aws.call = world.aws.call, call  # type: ignore[method-assign]
    key = world.kubernetes.put_instance(branded(look))
    await world.settle(key)
    (style,) = world.aws.styles.values()
    style |= {"UseCognitoProvidedValues": False, "Settings": {}}
    await world.settle(key)
    assert set(seen) >= {"create_managed_login_branding", "update_managed_login_branding"}


async def test_before_there_is_a_client_the_plan_shows_the_look_and_waits() -> None:
    world = World()
    key = world.kubernetes.put_instance(branded(LOOKS[0]))
    subject = Subject.of(RecallInstance.model_validate(world.kubernetes.objects[key]), world.platform)
    plan: Any = (await AllParts(world.clients).assess(subject))["branding"]
    assert [change.waits_for for change in plan.changes] == ["signIn"]
