"""The guardrail: made, versioned, found again, mended, pruned, kept or deleted; and no prompt goes out without it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.kubernetes.client import ObjectKey
from recall_operator.models.guardrail_spec import (
    BlockedMessages,
    ContentFilterType,
    FilterStrength,
    Guardrail,
    GuardrailPolicy,
    ManagedWordList,
    SensitiveInformation,
    SensitiveInformationAction,
    SensitiveInformationRegex,
    SensitiveInformationType,
    Topic,
)
from recall_operator.ownership import RELEASED_TAG, UID_TAG, digested_name
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources import guardrail_definition
from recall_operator.resources.guardrail import VERSIONS_KEPT
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fake_aws.bedrock import MOST_VERSIONS, answered
from tests.unit.operator.fakes import World

if TYPE_CHECKING:
    from enum import StrEnum

    from pydantic import BaseModel

HOST: dict[str, Any] = {"hostname": "beta.example.org"}
CONFIG = ObjectKey("ConfigMap", "default", "beta-api")
DEPLOYMENT = ObjectKey("Deployment", "default", "beta-api")


def guarded(*words: str, **changes: Any) -> dict[str, Any]:
    return HOST | {"models": {"guardrail": {"policy": {"words": list(words)}}}} | changes


def by_id(identifier: str, version: str) -> dict[str, Any]:
    return HOST | {"models": {"guardrail": {"id": identifier, "version": version}}}


def own(world: World) -> dict[str, Any]:
    (found,) = [item for item in world.aws.guardrails.values() if item["name"].startswith("recall_")]
    return found


def used(world: World) -> tuple[str, str]:
    data = world.kubernetes.objects[CONFIG]["data"]
    return data["RECALL_GUARDRAIL_ID"], data["RECALL_GUARDRAIL_VERSION"]


def calls(world: World) -> list[str]:
    return [operation for service, operation in world.aws.calls if service == "bedrock"]


async def test_who_asks_for_no_guardrail_causes_no_request_and_sees_no_condition() -> None:
    world = World()
    key = world.kubernetes.put_instance(HOST)
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    await world.once(key)
    kinds = [item["type"] for item in world.kubernetes.objects[key]["status"]["conditions"]]
    await world.settle(key)
    assert calls(world) == []
    assert not {"GuardrailReady", "BrandingReady"} & set(kinds)


async def test_no_pod_starts_before_the_version_can_be_used() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("bad"))
    for _ in range(20):
        outcome = await world.once(key)
        if DEPLOYMENT in world.kubernetes.objects:
            assert used(world) == (own(world)["id"], "1")
            assert own(world)["versions"][0]["status"] == "READY"
            policy = next(iter(world.aws.roles.values()))["policies"]["recall-api"]
            rights = {item["Sid"]: item["Resource"] for item in policy["Statement"]}
            assert rights["Guardrail"] == [own(world)["arn"]]
        if outcome is Outcome.SETTLED:
            break
    assert world.kubernetes.condition(key)["status"] == "True"
    assert world.kubernetes.condition(key, "GuardrailReady")["reason"] == "Available"
    assert DEPLOYMENT in world.kubernetes.objects


async def test_a_changed_policy_makes_a_version_and_rolls_the_pods_and_an_old_policy_finds_its_own_again() -> None:
    world = World()
    for words, version in ((("one",), "1"), (("two", "three"), "2"), (("one",), "1"), (("three", "two"), "2")):
        key = world.kubernetes.put_instance(guarded(*words))
        await world.settle(key)
        assert used(world)[1] == version
        assert {item["text"] for item in own(world)["settings"]["wordPolicy"]["words"]} == set(words)
    assert len(own(world)["versions"]) == 2
    world.forget_writes()
    await world.once(key)
    assert world.writes == []


async def test_pods_keep_their_version_until_the_next_one_is_ready() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    world.aws.failing = ("Use fewer words.",)
    world.kubernetes.put_instance(guarded("two", api={"replicas": 5}))
    await world.settle(key)
    ready = world.kubernetes.condition(key, "GuardrailReady")
    assert (ready["status"], ready["reason"]) == ("False", "GuardrailFailed")
    assert "Use fewer words." in ready["message"]
    assert "spec.models.guardrail.policy" in world.kubernetes.condition(key, "Stalled")["message"]
    assert used(world)[1] == "1"
    assert world.kubernetes.condition(key, "WorkloadReady")["reason"] == "Waiting"
    world.aws.failing = ()
    world.kubernetes.put_instance(guarded("three"))
    await world.settle(key)
    assert used(world)[1] == "2"


async def test_an_unreadable_guardrail_takes_nothing_from_running_pods() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    before = copy.deepcopy((world.kubernetes.objects[CONFIG]["data"], world.aws.roles))

    def unreadable(operation: str) -> None:
        if operation == "list_guardrails":
            raise refused("ThrottlingException")

    world.aws.before = unreadable
    world.forget_writes()
    world.kubernetes.put_instance(guarded("one", signIn={"accessTokenMinutes": 7}))
    for _ in range(5):
        await world.once(key)
    assert (world.kubernetes.objects[CONFIG]["data"], world.aws.roles) == before
    assert "put_role_policy" not in world.writes


@pytest.mark.parametrize(
    "edit",
    [
        {"blockedInputMessaging": "hello"},
        {"wordPolicy": {"words": []}},
        {"wordPolicy": {"words": [{"text": "one", "inputEnabled": False}]}},
        {"wordPolicy": {"words": [{"text": "one", "outputAction": "NONE"}]}},
        {"contentPolicy": {"filters": [{"type": "HATE", "inputStrength": "LOW", "outputStrength": "LOW"}]}},
    ],
    ids=str,
)
async def test_what_somebody_edits_in_the_console_is_mended_and_never_reaches_the_pods(edit: dict[str, Any]) -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    before = dict(own(world)["settings"])
    own(world)["settings"] |= edit
    world.forget_writes()
    await world.settle(key)
    assert own(world)["settings"] == before
    assert used(world)[1] == "1"
    assert "update_guardrail" in world.writes
    assert not [write for write in world.writes if write in ("create_guardrail_version", "apply Deployment")]


async def test_what_bedrock_adds_to_its_answers_is_no_drift() -> None:
    world = World()
    filters = [{"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "NONE"}]
    key = world.kubernetes.put_instance(HOST | {"models": {"guardrail": {"policy": {"contentFilters": filters}}}})
    await world.settle(key)
    (told,) = own(world)["settings"]["contentPolicy"]["filters"]
    told |= {"inputAction": "BLOCK", "inputEnabled": True, "outputEnabled": False, "inputModalities": ["TEXT"]}
    own(world)["settings"]["contentPolicy"]["tier"] = {"tierName": "CLASSIC"}
    world.forget_writes()
    await world.settle(key)
    assert world.writes == []


async def test_a_guardrail_deleted_by_hand_is_made_again_and_pods_get_the_new_one() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    old = own(world)["id"]
    world.aws.guardrails.clear()
    await world.settle(key)
    assert own(world)["id"] != old
    assert used(world) == (own(world)["id"], "1")


async def test_old_versions_are_pruned_when_no_pod_can_use_them() -> None:
    world = World()
    for number in range(VERSIONS_KEPT + 4):
        key = world.kubernetes.put_instance(guarded(f"word {number}"))
        await world.settle(key)
    kept = [item["version"] for item in own(world)["versions"]]
    assert kept == [str(number) for number in range(5, VERSIONS_KEPT + 5)]
    assert used(world)[1] == kept[-1]
    assert world.aws.deleted_guardrails == []


async def test_no_version_is_pruned_while_pods_may_use_it_and_the_quota_is_named() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("word 0"))
    await world.settle(key)
    world.kubernetes.after = lambda _: world.kubernetes.objects.get(DEPLOYMENT, {"status": {}})["status"].update(
        availableReplicas=0
    )
    for number in range(1, MOST_VERSIONS + 1):
        world.kubernetes.put_instance(guarded(f"word {number}"))
        for _ in range(8):
            await world.once(key)
    assert [item["version"] for item in own(world)["versions"]] == [str(1 + number) for number in range(MOST_VERSIONS)]
    found = world.kubernetes.condition(key, "GuardrailReady")
    assert (found["status"], found["reason"]) == ("False", "GuardrailFailed")
    assert "mend the rollout" in found["message"]


async def test_a_field_that_is_taken_out_deletes_nothing_and_the_api_stops_using_it() -> None:
    world = World()
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    before = copy.deepcopy(world.aws.guardrails)
    world.kubernetes.put_instance(HOST)
    world.forget_writes()
    await world.settle(key)
    assert world.aws.guardrails == before
    assert calls(world) == []
    assert used(world) == ("", "")
    statements = next(iter(world.aws.roles.values()))["policies"]["recall-api"]["Statement"]
    assert "Guardrail" not in [item["Sid"] for item in statements]


@pytest.mark.parametrize(("policy", "left"), [("Delete", 0), ("Retain", 1)])
async def test_deletion_honours_its_policy_and_what_is_kept_can_be_adopted(policy: str, left: int) -> None:
    world = World()
    spec = guarded("one", deletionPolicy={"guardrail": policy, "tables": "Delete"})
    key = world.kubernetes.put_instance(spec)
    await world.settle(key)
    world.kubernetes.delete_instance(key)
    assert await world.settle(key) is Outcome.GONE
    assert len(world.aws.guardrails) == left
    assert all(RELEASED_TAG in item["tags"] for item in world.aws.guardrails.values())
    key = world.kubernetes.put_instance(spec | {"adoption": "Adopt"})
    await world.settle(key)
    assert world.kubernetes.condition(key)["status"] == "True"
    assert own(world)["tags"][UID_TAG] == world.kubernetes.objects[key]["metadata"]["uid"]
    assert RELEASED_TAG not in own(world)["tags"]
    assert used(world)[1] == "1"  # its own, or the one that its predecessor made from the same policy


async def test_a_foreign_guardrail_of_the_name_is_reported_and_never_touched() -> None:
    world = World()
    name = digested_name("recall", "test", "default", "beta", limit=50)
    world.aws.plant_guardrail("gr9", name=name)
    before = copy.deepcopy(world.aws.guardrails)
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    assert world.kubernetes.condition(key, "GuardrailReady")["reason"] == "NotOwned"
    assert "spec.adoption" in world.kubernetes.condition(key, "Stalled")["message"]
    assert DEPLOYMENT not in world.kubernetes.objects
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert world.aws.guardrails == before


@pytest.mark.parametrize(
    ("identifier", "version", "words"),
    [
        ("gr404", "1", "spec.models.guardrail.id"),
        ("gr1", "4", "spec.models.guardrail.version"),
        ("gr1", "5", "spec.models.guardrail.version"),
    ],
)
async def test_an_existing_guardrail_that_cannot_be_used_is_reported(identifier: str, version: str, words: str) -> None:
    world = World()
    world.aws.plant_guardrail("gr1", "3", "5")
    world.aws.guardrails["gr1"]["versions"][1]["status"] = "FAILED"
    before = copy.deepcopy(world.aws.guardrails)
    key = world.kubernetes.put_instance(by_id(identifier, version))
    await world.settle(key)
    assert words in world.kubernetes.condition(key, "Stalled")["message"]
    assert DEPLOYMENT not in world.kubernetes.objects
    assert world.aws.guardrails == before


@pytest.mark.parametrize("version", ["3", "DRAFT"])
async def test_an_existing_guardrail_is_used_and_never_changed(version: str) -> None:
    world = World()
    world.aws.plant_guardrail("gr1", "3")
    before = copy.deepcopy(world.aws.guardrails)
    key = world.kubernetes.put_instance(by_id("gr1", version))
    await world.settle(key)
    assert used(world) == ("gr1", version)
    world.kubernetes.delete_instance(key)
    assert await world.settle(key) is Outcome.GONE
    assert world.aws.guardrails == before


async def test_an_own_guardrail_is_deleted_with_its_instance_though_the_spec_names_another_by_now() -> None:
    world = World()
    world.aws.plant_guardrail("gr900", "3")
    key = world.kubernetes.put_instance(guarded("one"))
    await world.settle(key)
    world.kubernetes.put_instance(by_id("gr900", "3"))
    await world.settle(key)
    assert used(world) == ("gr900", "3")
    assert len(world.aws.guardrails) == 2
    world.kubernetes.delete_instance(key)
    await world.settle(key)
    assert list(world.aws.guardrails) == ["gr900"]


# --- the definition ---------------------------------------------------------------------------------------------

texts = some.text("abc é!", min_size=1, max_size=8)
strengths = some.sampled_from([item.value for item in FilterStrength])
actions = some.sampled_from([item.value for item in SensitiveInformationAction])


def items(key: str, values: Any, **fields: Any) -> Any:
    return some.lists(
        some.fixed_dictionaries({key: values} | fields), min_size=1, max_size=4, unique_by=lambda x: x[key]
    )


CATEGORIES = [item.value for item in ContentFilterType if item != "PROMPT_ATTACK"]
KINDS = [item.value for item in SensitiveInformationType]
examples = some.lists(texts, min_size=1, max_size=3)
filters = items("type", some.sampled_from(CATEGORIES), inputStrength=strengths, outputStrength=strengths)
topics = items("name", some.text("abc !?", min_size=1, max_size=8), definition=texts, examples=examples)
entities = items("type", some.sampled_from(KINDS), action=actions)
regexes = items("name", texts, pattern=texts, action=actions)
thresholds = some.floats(0, 0.99)
policies = some.fixed_dictionaries(
    {"words": some.lists(texts, min_size=1, max_size=4, unique=True)},
    optional={
        "contentFilters": filters,
        "topics": topics,
        "managedWordLists": some.just(["PROFANITY"]),
        "sensitiveInformation": some.fixed_dictionaries({"entities": entities}, optional={"regexes": regexes}),
        "contextualGrounding": some.fixed_dictionaries({"grounding": thresholds}, optional={"relevance": thresholds}),
        "blockedMessages": some.fixed_dictionaries({}, optional={"input": texts, "output": texts}),
    },
)
BEDROCK = botocore.session.get_session().get_service_model("bedrock")


def shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(item, random) for key, item in value.items()}
    if isinstance(value, list):
        return random.sample([shuffled(item, random) for item in value], len(value))
    return value


@given(policy=policies, random=some.randoms(use_true_random=False))
def test_what_is_sent_comes_back_as_what_was_wanted_whatever_the_order(policy: dict[str, Any], random: Any) -> None:
    wanted = guardrail_definition.wanted(GuardrailPolicy.model_validate(policy))
    request = guardrail_definition.request(wanted)
    assert guardrail_definition.found(shuffled(answered(request), random)) == wanted
    again = guardrail_definition.wanted(GuardrailPolicy.model_validate(shuffled(policy, random)))
    assert guardrail_definition.digest(again) == guardrail_definition.digest(wanted)


@given(policy=policies)
def test_every_request_is_one_that_bedrocks_own_model_accepts(policy: dict[str, Any]) -> None:
    """botocore holds a request against the model that AWS publishes; lengths and patterns are the CRD's."""
    wanted = guardrail_definition.wanted(GuardrailPolicy.model_validate(policy))
    shape = BEDROCK.operation_model("CreateGuardrail").input_shape
    report = ParamValidator().validate({"name": "recall_x", **guardrail_definition.request(wanted)}, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ContentFilterType, "GuardrailContentFilterType"),
        (FilterStrength, "GuardrailFilterStrength"),
        (SensitiveInformationType, "GuardrailPiiEntityType"),
        (ManagedWordList, "GuardrailManagedWordsType"),
    ],
)
def test_values_are_those_of_bedrocks_own_model(ours: type[StrEnum], theirs: str) -> None:
    assert {item.value for item in ours} == set(BEDROCK.shape_for(theirs).enum)


@pytest.mark.parametrize(
    ("model", "field", "theirs"),
    [
        (GuardrailPolicy, "contentFilters", "GuardrailContentFiltersConfig"),
        (GuardrailPolicy, "topics", "GuardrailTopicsConfig"),
        (GuardrailPolicy, "words", "GuardrailWordsConfig"),
        (Topic, "name", "GuardrailTopicName"),
        (Topic, "definition", "GuardrailTopicDefinition"),
        (Topic, "examples", "GuardrailTopicExamples"),
        (SensitiveInformation, "regexes", "GuardrailRegexesConfig"),
        (SensitiveInformationRegex, "pattern", "GuardrailRegexConfigPatternString"),
        (BlockedMessages, "input", "GuardrailBlockedMessaging"),
        (Guardrail, "id", "GuardrailId"),
    ],
)
def test_bounds_are_those_of_bedrocks_own_model(model: type[BaseModel], field: str, theirs: str) -> None:
    schema = model.model_json_schema(by_alias=True)["properties"][field]
    bounds = [part.get("maxItems") or part.get("maxLength") for part in (schema, *schema.get("anyOf", ()))]
    assert BEDROCK.shape_for(theirs).metadata["max"] in bounds


@given(parts=some.lists(some.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), min_size=3, max_size=3))
def test_names_are_ones_that_bedrock_takes(parts: list[str]) -> None:
    name = digested_name("recall", *parts, limit=50)
    assert len(name) <= 50
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert name != digested_name("recall", *reversed(parts), limit=50) or parts == parts[::-1]
