"""What Bedrock's models can do, as data, and by which inference profile they are called.

Source: Amazon Bedrock user guide, "Supported models and model features" (Converse) and "Use search results"; as of
November 2026. A model that is not listed is treated as able to do the least: it still chats, citing by markers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recall_api.settings import Residency


@dataclass(frozen=True)
class Capabilities:
    """What one family of models can do."""

    search_results: bool = False
    """Takes `searchResult` blocks and cites them natively."""
    system_prompt: bool = True
    """Takes `system`; else the instructions go before the first message."""
    guardrails: bool = True
    """Can be called with a guardrail."""


LEAST: Final = Capabilities()

FAMILIES: Final[tuple[tuple[str, Capabilities], ...]] = (
    ("anthropic.claude-3-5-haiku-", Capabilities(search_results=True)),
    ("anthropic.claude-3-5-sonnet-20241022", Capabilities(search_results=True)),
    ("anthropic.claude-3-7-sonnet-", Capabilities(search_results=True)),
    ("anthropic.claude-haiku-4-", Capabilities(search_results=True)),
    ("anthropic.claude-opus-4-", Capabilities(search_results=True)),
    ("anthropic.claude-sonnet-4-", Capabilities(search_results=True)),
    ("amazon.titan-text-", Capabilities(system_prompt=False)),
    ("mistral.mistral-7b-instruct-", Capabilities(system_prompt=False)),
    ("mistral.mixtral-8x7b-instruct-", Capabilities(system_prompt=False)),
)
"""Prefixes of model ids; the first that fits counts."""

_GEOGRAPHIES: Final[tuple[tuple[str, str], ...]] = (
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("ca-", "us"),
    ("eu-", "eu"),
    ("ap-northeast-1", "jp"),
    ("ap-northeast-3", "jp"),
    ("ap-southeast-2", "au"),
    ("ap-southeast-4", "au"),
    ("ap-", "apac"),
)
"""Prefixes of regions, and the prefix of the inference profiles of their geography.

Source: Amazon Bedrock user guide, "Supported Regions and models for inference profiles".
"""


def capabilities(model: str) -> Capabilities:
    """Return what `model` (an id without the prefix of a profile) can do."""
    return next((found for prefix, found in FAMILIES if model.startswith(prefix)), LEAST)


def invocation_id(model: str, residency: Residency, region: str) -> str:
    """Return the id that Bedrock is called with, so that a prompt travels no further than `residency` allows.

    Raises:
        ValueError: the region belongs to no geography with inference profiles.
    """
    match residency:
        case Residency.REGION:
            return model
        case Residency.GLOBAL:
            return f"global.{model}"
        case Residency.GEO:
            geography = next((name for prefix, name in _GEOGRAPHIES if region.startswith(prefix)), None)
            if geography is None:
                raise ValueError(f"residency: {region} has no geographic inference profiles; use `region` or `global`")
            return f"{geography}.{model}"
