"""The guardrail against the emulated Bedrock, with the operator's own rights and IAM enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recall_operator.aws.client import RATES, WRITE_RATES, Aws
from recall_operator.ownership import CLUSTER_TAG, NAME_TAG, RELEASED_TAG, UID_TAG, digested_name
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.resources.guardrail import VERSIONS_KEPT
from tests.integration.operator.resources.test_parts_on_aws import account, credentials
from tests.integration.operator.scene import ANOTHER, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY: dict[str, Any] = {
    "contentFilters": [{"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "NONE"}],
    "topics": [{"name": "Tax advice", "definition": "How to pay less tax.", "examples": ["How do I avoid tax?"]}],
    "words": ["abracadabra"],
    "managedWordLists": ["PROFANITY"],
    "sensitiveInformation": {
        "entities": [{"type": "EMAIL", "action": "ANONYMIZE"}],
        "regexes": [{"name": "ticket", "pattern": "T-[0-9]{4}", "action": "BLOCK"}],
    },
    "contextualGrounding": {"grounding": 0.7},
}


class Guarded(Scene):
    """An instance with a guardrail."""

    def __init__(self, emulator: Any, facts: Any, aws: Aws) -> None:
        super().__init__(emulator, facts, aws)
        self.bedrock = emulator.client("bedrock")
        cluster = facts.cluster.name
        self.guardrail_name = digested_name("recall", cluster, "default", self.name, limit=50)

    async def guard(self, policy: dict[str, Any], **spec: Any) -> None:
        await self.apply(models={"guardrail": {"policy": policy}}, **spec)

    def all(self) -> list[dict[str, Any]]:
        listed = self.bedrock.list_guardrails()["guardrails"]
        return [item for item in listed if item["name"] == self.guardrail_name]

    def id(self) -> str:
        (found,) = self.all()
        return str(found["id"])

    def versions(self) -> list[str]:
        listed = self.bedrock.list_guardrails(guardrailIdentifier=self.id())["guardrails"]
        return [item["version"] for item in listed if item["version"] != "DRAFT"]

    def draft(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.bedrock.get_guardrail(guardrailIdentifier=self.id())
        return answer

    def marks(self) -> dict[str, str]:
        listed = self.bedrock.list_tags_for_resource(resourceARN=self.all()[0]["arn"])["tags"]
        return {tag["key"]: tag["value"] for tag in listed}

    def used(self) -> tuple[str, str]:
        data = self.object("ConfigMap")["data"]
        return data["RECALL_GUARDRAIL_ID"], data["RECALL_GUARDRAIL_VERSION"]

    def plant(self, tags: dict[str, str]) -> str:
        made = self.bedrock.create_guardrail(
            name=self.guardrail_name,
            blockedInputMessaging="theirs",
            blockedOutputsMessaging="theirs",
            wordPolicyConfig={"wordsConfig": [{"text": "theirs"}]},
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return str(made["guardrailId"])


@pytest.fixture(scope="module")
def operators_aws(emulator: Any) -> Iterator[tuple[Any, Aws]]:
    facts = account(emulator)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(emulator, facts).items():
            patch.setenv(name, value)
        patch.setitem(WRITE_RATES, "bedrock", (10_000.0, 10_000))
        aws = Aws(facts.aws.region, dict.fromkeys(RATES, (10_000.0, 10_000)))
    yield facts, aws
    aws.close()


@pytest.fixture
def guarded(emulator: Any, operators_aws: tuple[Any, Aws]) -> Guarded:
    return Guarded(emulator, *operators_aws)


async def test_a_guardrail_is_made_whole_and_a_second_pass_writes_nothing(guarded: Guarded) -> None:
    await guarded.guard(POLICY)
    assert guarded.is_ready(), guarded.condition()
    draft = guarded.draft()
    assert draft["topicPolicy"]["topics"][0]["name"] == "Tax advice"
    assert draft["contextualGroundingPolicy"]["filters"] == [{"type": "GROUNDING", "threshold": 0.7}]
    assert draft["sensitiveInformationPolicy"]["regexes"][0]["pattern"] == "T-[0-9]{4}"
    assert guarded.used() == (guarded.id(), "1")
    assert guarded.marks()[NAME_TAG] == guarded.name
    policy = guarded.iam.get_role_policy(RoleName=guarded.role, PolicyName="recall-api")["PolicyDocument"]
    rights = {item["Sid"]: item["Resource"] for item in policy["Statement"]}
    assert rights["Guardrail"] == [draft["guardrailArn"]]
    before = guarded.operator.writes()
    assert await guarded.operator.once(guarded.key) is Outcome.SETTLED
    assert guarded.operator.writes() == before


async def test_the_version_that_the_api_gets_holds_back_what_the_policy_says(guarded: Guarded, emulator: Any) -> None:
    await guarded.guard({"words": ["abracadabra"]})
    await guarded.guard({"words": ["hocus pocus"]})
    identifier, version = guarded.used()

    def action(text: str) -> str:
        answer = emulator.client("bedrock-runtime").apply_guardrail(
            guardrailIdentifier=identifier,
            guardrailVersion=version,
            source="INPUT",
            content=[{"text": {"text": text}}],
        )
        return str(answer["action"])

    assert version == "2"
    assert action("hocus pocus!") == "GUARDRAIL_INTERVENED"
    assert action("abracadabra!") == "NONE"


async def test_a_guardrail_edited_in_the_console_is_mended(guarded: Guarded) -> None:
    await guarded.guard(POLICY)
    before = guarded.draft()
    guarded.bedrock.update_guardrail(
        guardrailIdentifier=guarded.id(),
        name=guarded.guardrail_name,
        blockedInputMessaging="hello",
        blockedOutputsMessaging="hello",
    )
    await guarded.settle()
    changing = ("updatedAt", "ResponseMetadata")
    assert {key: value for key, value in guarded.draft().items() if key not in changing} == {
        key: value for key, value in before.items() if key not in changing
    }
    assert guarded.versions() == ["1"]


async def test_a_guardrail_deleted_by_hand_is_made_again(guarded: Guarded) -> None:
    await guarded.guard(POLICY)
    old = guarded.id()
    guarded.bedrock.delete_guardrail(guardrailIdentifier=old)
    await guarded.settle()
    assert guarded.is_ready()
    assert guarded.id() != old
    assert guarded.used() == (guarded.id(), "1")


async def test_a_version_deleted_by_hand_is_made_again_under_a_new_number(guarded: Guarded) -> None:
    await guarded.guard({"words": ["one"]})
    await guarded.guard({"words": ["two"]})
    guarded.bedrock.delete_guardrail(guardrailIdentifier=guarded.id(), guardrailVersion="1")
    await guarded.guard({"words": ["one"]})
    assert guarded.versions() == ["2", "3"]
    assert guarded.used()[1] == "3"


async def test_old_versions_are_pruned_and_the_guardrail_stays(guarded: Guarded) -> None:
    for number in range(VERSIONS_KEPT + 1):
        await guarded.guard({"words": [f"word {number}"]})
    assert len(guarded.versions()) == VERSIONS_KEPT
    assert guarded.used()[1] == guarded.versions()[-1]


async def test_a_foreign_guardrail_of_the_name_is_reported_and_kept(guarded: Guarded) -> None:
    planted = guarded.plant(ANOTHER)
    await guarded.guard(POLICY, adoption="Adopt")
    assert guarded.condition("GuardrailReady")["reason"] == "NotOwned"
    assert "default/other" in guarded.condition("GuardrailReady")["message"]
    await guarded.delete()
    assert guarded.id() == planted
    assert guarded.draft()["blockedInputMessaging"] == "theirs"
    assert guarded.marks() == ANOTHER


async def test_a_guardrail_that_nobody_owns_is_adopted_only_when_asked(guarded: Guarded) -> None:
    planted = guarded.plant({})
    await guarded.guard(POLICY)
    assert guarded.condition("GuardrailReady")["reason"] == "NotOwned"
    await guarded.guard(POLICY, adoption="Adopt")
    assert guarded.is_ready(), guarded.condition()
    assert guarded.used() == (planted, "1")
    assert guarded.marks()[CLUSTER_TAG] == guarded.facts.cluster.name


async def test_a_kept_guardrail_is_adopted_by_a_successor_with_its_versions(guarded: Guarded) -> None:
    keep = {"deletionPolicy": {"guardrail": "Retain", "tables": "Delete"}}
    await guarded.guard(POLICY, **keep)
    kept = guarded.id()
    assert await guarded.delete() is Outcome.GONE
    assert RELEASED_TAG in guarded.marks()
    await guarded.guard(POLICY, adoption="Adopt")
    assert guarded.used() == (kept, "1")
    assert RELEASED_TAG not in guarded.marks()
    assert guarded.marks()[UID_TAG] == guarded.kubernetes.objects[guarded.key]["metadata"]["uid"]
    assert await guarded.delete() is Outcome.GONE
    assert guarded.all() == []


async def test_an_existing_guardrail_of_that_id_that_is_not_there_is_reported(guarded: Guarded) -> None:
    await guarded.apply(models={"guardrail": {"id": "gr404", "version": "1"}})
    assert guarded.condition("GuardrailReady")["reason"] == "Missing"
    assert "spec.models.guardrail.id" in guarded.condition("Stalled")["message"]


async def test_an_existing_guardrail_is_used_as_it_is(guarded: Guarded) -> None:
    made = guarded.bedrock.create_guardrail(
        name=f"theirs-{guarded.name}",
        blockedInputMessaging="theirs",
        blockedOutputsMessaging="theirs",
        wordPolicyConfig={"wordsConfig": [{"text": "theirs"}]},
    )["guardrailId"]
    version = guarded.bedrock.create_guardrail_version(guardrailIdentifier=made)["version"]
    before = guarded.bedrock.get_guardrail(guardrailIdentifier=made)
    await guarded.apply(models={"guardrail": {"id": made, "version": version}})
    assert guarded.is_ready(), guarded.condition()
    assert guarded.used() == (made, version)
    await guarded.delete()
    after = guarded.bedrock.get_guardrail(guardrailIdentifier=made)
    assert {**before, "ResponseMetadata": None} == {**after, "ResponseMetadata": None}


async def test_without_the_mark_of_its_own_cluster_a_guardrail_is_out_of_the_operators_reach(guarded: Guarded) -> None:
    """Not the operator's care alone but IAM keeps it from another cluster's guardrails."""
    theirs = guarded.plant(ANOTHER)
    for operation, more in (
        ("delete_guardrail", {}),
        ("create_guardrail_version", {}),
        ("update_guardrail", {"name": "x", "blockedInputMessaging": "x", "blockedOutputsMessaging": "x"}),
    ):
        with pytest.raises(Exception, match="AccessDenied"):
            await guarded.operator.aws.call("bedrock", operation, guardrailIdentifier=theirs, **more)
    with pytest.raises(Exception, match="AccessDenied"):
        await guarded.operator.aws.call(
            "bedrock", "create_guardrail", name="x", blockedInputMessaging="x", blockedOutputsMessaging="x"
        )
