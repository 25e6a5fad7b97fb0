"""What a guardrail is made of, as pure functions: the spec's words, Bedrock's requests and its answers compared.

All three meet in one form, `Definition`: the items of each filter as Bedrock writes them, in an order of our own,
because neither the order of a manifest nor that of an answer means anything.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recall_operator.models.base import ResourceModel
    from recall_operator.models.guardrail_spec import GuardrailPolicy

Definition = dict[str, Any]
"""By name: lists of items of the six kinds of filter (empty: none), and the two messages."""

_SWITCHED_OFF: Final = "switchedOff"
"""Marks an item that somebody switched off behind our back; no item that we ask for has it."""

_DIGEST_CHARACTERS: Final = 32


def _sorted(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the items without absent fields, in an order that depends on nothing but them."""
    stripped = [
        {
            key: sorted(value) if isinstance(value, list) else value
            for key, value in item.items()
            if value not in (None, [])
        }
        for item in items
    ]
    return sorted(stripped, key=lambda item: json.dumps(item, sort_keys=True))


def _dumped(items: Iterable[ResourceModel] | None) -> list[dict[str, Any]]:
    return _sorted(item.model_dump(mode="json", by_alias=True) for item in items or ())


def wanted(policy: GuardrailPolicy) -> Definition:
    """Return what the spec asks for."""
    sensitive, grounding = policy.sensitive_information, policy.contextual_grounding
    thresholds = {"GROUNDING": grounding.grounding, "RELEVANCE": grounding.relevance} if grounding else {}
    return {
        "contentFilters": _dumped(policy.content_filters),
        "topics": _dumped(policy.topics),
        "words": _sorted({"text": word} for word in policy.words or ()),
        "managedWordLists": _sorted({"type": item.value} for item in policy.managed_word_lists or ()),
        "entities": _dumped(sensitive.entities if sensitive else None),
        "regexes": _dumped(sensitive.regexes if sensitive else None),
        "contextualGrounding": _sorted(
            {"type": name, "threshold": value} for name, value in thresholds.items() if value is not None
        ),
        "blockedInput": policy.blocked_messages.input,
        "blockedOutput": policy.blocked_messages.output,
    }


def _is_off(item: Mapping[str, Any]) -> bool:
    """Whether an item of an answer does less than it says: Bedrock can be told to find and let pass.

    A side whose strength is NONE does nothing anyway, and what Bedrock says of it does not matter.
    """
    sides = [side for side in ("input", "output") if item.get(f"{side}Strength") != "NONE"]
    return item.get("enabled") is False or any(
        item.get(f"{side}Enabled") is False or item.get(f"{side}Action") == "NONE" for side in sides
    )


def found(answer: Mapping[str, Any]) -> Definition:
    """Return what an answer of GetGuardrail says."""

    def items(policy: str, name: str, *fields: str) -> list[dict[str, Any]]:
        return _sorted(
            {field: item.get(field) for field in fields} | ({_SWITCHED_OFF: True} if _is_off(item) else {})
            for item in (answer.get(policy) or {}).get(name) or ()
        )

    return {
        "contentFilters": items("contentPolicy", "filters", "type", "inputStrength", "outputStrength"),
        "topics": items("topicPolicy", "topics", "name", "definition", "examples"),
        "words": items("wordPolicy", "words", "text"),
        "managedWordLists": items("wordPolicy", "managedWordLists", "type"),
        "entities": items("sensitiveInformationPolicy", "piiEntities", "type", "action"),
        "regexes": items("sensitiveInformationPolicy", "regexes", "name", "pattern", "action"),
        "contextualGrounding": items("contextualGroundingPolicy", "filters", "type", "threshold"),
        "blockedInput": answer.get("blockedInputMessaging"),
        "blockedOutput": answer.get("blockedOutputsMessaging"),
    }


def request(definition: Definition) -> dict[str, Any]:
    """Return the parameters of CreateGuardrail and UpdateGuardrail that make a guardrail of this definition.

    What has no items is left out: Bedrock takes no empty lists, and an update drops what it leaves out.
    """
    words = {"wordsConfig": definition["words"], "managedWordListsConfig": definition["managedWordLists"]}
    sensitive = {"piiEntitiesConfig": definition["entities"], "regexesConfig": definition["regexes"]}
    policies = {
        "contentPolicyConfig": {"filtersConfig": definition["contentFilters"]},
        "topicPolicyConfig": {"topicsConfig": [{**topic, "type": "DENY"} for topic in definition["topics"]]},
        "wordPolicyConfig": words,
        "sensitiveInformationPolicyConfig": sensitive,
        "contextualGroundingPolicyConfig": {"filtersConfig": definition["contextualGrounding"]},
    }
    filled = {name: {key: items for key, items in policy.items() if items} for name, policy in policies.items()}
    return {
        **{name: policy for name, policy in filled.items() if policy},
        "blockedInputMessaging": definition["blockedInput"],
        "blockedOutputsMessaging": definition["blockedOutput"],
    }


def digest(definition: Definition) -> str:
    """Return what tells this definition from all others, whatever the order of its items."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:_DIGEST_CHARACTERS]
