"""Guardrails with their versions; each is ready at the second look, as on AWS, where it takes some seconds."""

# ruff: noqa: N803 - arguments are named as AWS names them

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime
from typing import Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, refused

POLICIES = {
    "contentPolicyConfig": ("contentPolicy", {"filtersConfig": "filters"}),
    "topicPolicyConfig": ("topicPolicy", {"topicsConfig": "topics"}),
    "wordPolicyConfig": ("wordPolicy", {"wordsConfig": "words", "managedWordListsConfig": "managedWordLists"}),
    "sensitiveInformationPolicyConfig": (
        "sensitiveInformationPolicy",
        {"piiEntitiesConfig": "piiEntities", "regexesConfig": "regexes"},
    ),
    "contextualGroundingPolicyConfig": ("contextualGroundingPolicy", {"filtersConfig": "filters"}),
}
MOST_VERSIONS = 20


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request's settings as GetGuardrail tells them."""
    settings = {key: value for key, value in request.items() if key not in POLICIES}
    for name, (told, lists) in POLICIES.items():
        if name in request:
            settings[told] = {lists[key]: list(reversed(items)) for key, items in request[name].items()}
    return settings


class FakeBedrock:
    def __init__(self) -> None:
        super().__init__()
        self.guardrails: dict[str, dict[str, Any]] = {}
        self._guardrail_numbers = itertools.count(1)
        """Of its own: what ids other services gave must not show in roles' policies."""
        self.deleted_guardrails: list[str] = []
        self.failing: tuple[str, ...] = ()
        """What AWS recommends, when it fails to make or change guardrails."""

    def plant_guardrail(self, identifier: str, *versions: str, name: str = "planted", **tags: str) -> None:
        """Make somebody else's guardrail with these versions."""
        arn = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:guardrail/{identifier}"
        facts = {"name": name, "id": identifier, "arn": arn, "tags": tags, "status": "READY", "next": 100}
        made = [{"version": version, "status": "READY", "description": ""} for version in versions]
        settings = {"description": "", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no"}
        more = {"failureRecommendations": [], "versions": made, "settings": settings}
        self.guardrails[identifier] = {**facts, **more}

    def finish_guardrails(self) -> None:
        """Do what AWS does by itself, whether somebody looks or not."""
        for guardrail in self.guardrails.values():
            for item in (guardrail, *guardrail["versions"]):
                item["status"] = "READY" if item["status"] in ("CREATING", "UPDATING") else item["status"]

    def _guardrail(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.guardrails:
            raise refused("ResourceNotFoundException")
        return self.guardrails[identifier]

    def _changed(self, guardrail: dict[str, Any], settings: dict[str, Any], status: str) -> None:
        guardrail["settings"] = answered(settings)
        guardrail["status"] = "FAILED" if self.failing else status
        guardrail["failureRecommendations"] = list(self.failing)

    def _create_guardrail(self, name: str, tags: list[dict[str, str]], **settings: Any) -> None:
        if any(item["name"] == name for item in self.guardrails.values()):
            raise refused("ConflictException")
        identifier = f"gr{next(self._guardrail_numbers)}"
        self.guardrails[identifier] = {
            "name": name,
            "id": identifier,
            "arn": f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:guardrail/{identifier}",
            "tags": {tag["key"]: tag["value"] for tag in tags},
            "versions": [],
            "next": 1,
        }
        self._changed(self.guardrails[identifier], settings, "CREATING")

    def _update_guardrail(self, guardrailIdentifier: str, name: str, **settings: Any) -> None:
        guardrail = self._guardrail(guardrailIdentifier)
        if guardrail["status"] not in ("READY", "FAILED"):
            raise refused("ConflictException")
        guardrail["name"] = name
        self._changed(guardrail, settings, "UPDATING")

    def _get_guardrail(self, guardrailIdentifier: str) -> dict[str, Any]:
        guardrail = self._guardrail(guardrailIdentifier)
        answer = {
            **copy.deepcopy(guardrail["settings"]),
            "name": guardrail["name"],
            "guardrailId": guardrail["id"],
            "guardrailArn": guardrail["arn"],
            "version": "DRAFT",
            "status": guardrail["status"],
            "failureRecommendations": guardrail["failureRecommendations"],
        }
        if guardrail["status"] != "FAILED":
            guardrail["status"] = "READY"
        return answer

    def _list_guardrails(self, guardrailIdentifier: str | None = None, maxResults: int = 100) -> dict[str, Any]:
        def summary(guardrail: dict[str, Any], **version: Any) -> dict[str, Any]:
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            draft = {
                "version": "DRAFT",
                "status": guardrail["status"],
                "description": guardrail["settings"]["description"],
            }
            facts = {key: guardrail[key] for key in ("id", "arn", "name")}
            return {**facts, **draft, **version, "createdAt": moment, "updatedAt": moment}

        if guardrailIdentifier is None:
            return {"guardrails": [summary(item) for item in self.guardrails.values()]}
        guardrail = self._guardrail(guardrailIdentifier)
        listed = [summary(guardrail), *(summary(guardrail, **version) for version in guardrail["versions"])]
        for version in guardrail["versions"]:
            version["status"] = "READY" if version["status"] == "CREATING" else version["status"]
        return {"guardrails": listed[:maxResults]}

    def _create_guardrail_version(self, guardrailIdentifier: str, description: str) -> None:
        guardrail = self._guardrail(guardrailIdentifier)
        if guardrail["status"] != "READY":
            raise refused("ConflictException")
        if len(guardrail["versions"]) >= MOST_VERSIONS:
            raise refused("ServiceQuotaExceededException")
        version = {"version": str(guardrail["next"]), "status": "CREATING", "description": description}
        guardrail["versions"].append(version)
        guardrail["next"] += 1

    def _delete_guardrail(self, guardrailIdentifier: str, guardrailVersion: str | None = None) -> None:
        guardrail = self._guardrail(guardrailIdentifier)
        if guardrailVersion is None:
            self.deleted_guardrails.append(guardrailIdentifier)
            del self.guardrails[guardrailIdentifier]
            return
        guardrail["versions"] = [item for item in guardrail["versions"] if item["version"] != guardrailVersion]

    def _of_arn(self, arn: str) -> dict[str, Any]:
        return self._guardrail(arn.rsplit("/", 1)[1])

    def _list_tags_for_resource(self, resourceARN: str) -> dict[str, Any]:
        return {"tags": [{"key": key, "value": value} for key, value in self._of_arn(resourceARN)["tags"].items()]}

    def _bedrock_tag_resource(self, resourceARN: str, tags: list[dict[str, str]]) -> None:
        self._of_arn(resourceARN)["tags"] |= {tag["key"]: tag["value"] for tag in tags}

    def _bedrock_untag_resource(self, resourceARN: str, tagKeys: list[str]) -> None:
        found = self._of_arn(resourceARN)
        found["tags"] = {key: value for key, value in found["tags"].items() if key not in tagKeys}
