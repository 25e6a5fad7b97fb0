"""Gives ministack's guardrails the rules of Bedrock that the operator relies on.

ministack keeps guardrails, but answers them in the form of requests, lists no versions, forgets what a version is
called, deletes the whole guardrail when asked for one version, keeps what an update leaves out, makes ids that
Bedrock would not take, and tells IAM nothing of their tags. Source of the rules: Bedrock's API reference
(GetGuardrail, ListGuardrails, UpdateGuardrail, CreateGuardrailVersion, DeleteGuardrail).
"""

from __future__ import annotations

import json
from typing import Any, Final

Answer = tuple[int, dict[str, str], bytes]

_POLICIES: Final = {
    "topicPolicy": {"topicsConfig": "topics"},
    "contentPolicy": {"filtersConfig": "filters"},
    "wordPolicy": {"wordsConfig": "words", "managedWordListsConfig": "managedWordLists"},
    "sensitiveInformationPolicy": {"piiEntitiesConfig": "piiEntities", "regexesConfig": "regexes"},
    "contextualGroundingPolicy": {"filtersConfig": "filters"},
}
"""What a policy's lists are called in requests and in answers."""


def as_answered(guardrail: dict[str, Any]) -> dict[str, Any]:
    """Return a guardrail, with its policies as in a request, as GetGuardrail tells it."""
    told = {key: value for key, value in guardrail.items() if value not in (None, "")}
    for policy, names in _POLICIES.items():
        if policy in told:
            told[policy] = {names[key]: items for key, items in told[policy].items() if key in names and items}
    return told


def install() -> None:
    """Put the rules in place of ministack's own."""
    from ministack.services import bedrock, tagging

    create, get, update, make_version = (
        bedrock._create_guardrail, bedrock._get_guardrail, bedrock._update_guardrail, bedrock._create_guardrail_version,
    )  # fmt: skip

    def read(answer: Answer) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(answer[2])
        return content

    def own_key(identifier: str) -> str:
        return identifier.rsplit("/", 1)[-1]

    def versions(identifier: str) -> list[dict[str, Any]]:
        found = {key: item for key, item in bedrock._guardrail_versions.items() if key.startswith(f"{identifier}/")}
        return [found[key] for key in sorted(found, key=lambda key: int(key.rsplit("/", 1)[1]))]

    def create_guardrail(body: bytes) -> Answer:
        answer: Answer = create(body)
        if answer[0] != 202:
            return answer
        made = bedrock._guardrails.pop(read(answer)["guardrailId"])
        tags = bedrock._tags.pop(made["GuardrailArn"], None)
        made["GuardrailId"] = made["GuardrailId"].replace("-", "")
        made["GuardrailArn"] = bedrock._guardrail_arn(made["GuardrailId"])
        bedrock._guardrails[made["GuardrailId"]] = made
        if tags is not None:
            bedrock._tags[made["GuardrailArn"]] = tags
        told = {name: made[name] for name in ("GuardrailId", "GuardrailArn", "Version", "CreatedAt")}
        changed: Answer = bedrock._json(told, status=202)
        return changed

    def get_guardrail(identifier: str, query: Any) -> Answer:
        answer: Answer = get(identifier, query)
        return answer if answer[0] != 200 else (*answer[:2], json.dumps(as_answered(read(answer))).encode())

    def list_guardrails(query: dict[str, list[str]]) -> Answer:
        wanted = query.get("guardrailIdentifier", [""])[0]
        found = list(bedrock._guardrails.values())
        if wanted:
            key = own_key(wanted)
            if key not in bedrock._guardrails:
                missing: Answer = bedrock._not_found(f"Guardrail {wanted} not found.")
                return missing
            found = [bedrock._guardrails[key], *versions(key)]
        fields = {"GuardrailId": "Id", "GuardrailArn": "Arn"} | {
            name: name for name in ("Status", "Name", "Description", "Version", "CreatedAt", "UpdatedAt")
        }
        listed = [{told: item[name] for name, told in fields.items() if item[name]} for item in found]
        answer: Answer = bedrock._json({"Guardrails": listed})
        return answer

    def update_guardrail(identifier: str, body: bytes) -> Answer:
        asked = json.loads(body or b"{}")
        for policy in _POLICIES:
            asked.setdefault(f"{policy}Config", None)
        answer: Answer = update(identifier, json.dumps(asked).encode())
        return answer

    def create_guardrail_version(identifier: str, body: bytes) -> Answer:
        answer: Answer = make_version(identifier, body)
        if answer[0] == 202:
            told = read(answer)
            made = bedrock._guardrail_versions[f"{told['guardrailId']}/{told['version']}"]
            made["Description"] = json.loads(body or b"{}").get("description", "")
        return answer

    delete = bedrock._delete_guardrail

    def delete_guardrail(identifier: str, query: dict[str, list[str]]) -> Answer:
        version = query.get("guardrailVersion", [""])[0]
        if not version:
            whole: Answer = delete(identifier, query)
            return whole
        if bedrock._guardrail_versions.pop(f"{own_key(identifier)}/{version}", None) is None:
            missing: Answer = bedrock._not_found(f"Guardrail {identifier} version {version} not found.")
            return missing
        done: Answer = bedrock._empty(status=202)
        return done

    def tags() -> list[tuple[str, list[dict[str, str]]]]:
        return [
            (arn, [{"Key": key, "Value": value} for key, value in found.items()])
            for arn, found in bedrock._tags.items()
        ]

    # IAM asks here for the tags of the resource that a request is about.
    tagging._RESOURCE_TAG_COLLECTORS["bedrock"] = tags
    bedrock._create_guardrail = create_guardrail
    bedrock._get_guardrail = get_guardrail
    bedrock._list_guardrails = list_guardrails
    bedrock._update_guardrail = update_guardrail
    bedrock._create_guardrail_version = create_guardrail_version
    bedrock._delete_guardrail = delete_guardrail
