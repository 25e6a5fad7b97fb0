"""What Bedrock's models can do, as data, and by which inference profile they are called.

Source: Amazon Bedrock user guide, "Supported models and model features" (Converse), "Use search results" and "Prompt
caching"; Anthropic's migration guides for `temperature` with `top_p` (one of them from 4.1 on) and prefill. A model
that is not listed is treated as able to do the least: it still chats, citing by markers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final

from recall_api.settings import Residency

if TYPE_CHECKING:
    from collections.abc import Collection


AS_OF: Final = date(2026, 11, 1)


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer, as Bedrock counts them; `input` is what was neither read from nor written to a cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Capabilities:
    """What one family of models can do."""

    search_results: bool = False
    """Takes `searchResult` blocks and cites them natively."""
    system_prompt: bool = True
    """Takes `system`; else the instructions go before the first message."""
    guardrails: bool = True
    """Can be called with a guardrail."""
    tools: bool = False
    """Takes `toolConfig`."""
    prefill: bool = True
    """The last message may be the beginning of the assistant's answer."""
    temperature_with_top_p: bool = True
    """Takes `temperature` and `topP` in one request."""
    on_demand: bool = True
    """Can be called by its own id in a region; else only by an inference profile."""
    cache_minimum: int | None = None
    """Tokens that a prompt must have before a cache point; none when the model keeps no prompts."""


LEAST: Final = Capabilities()

_CLAUDE: Final = Capabilities(search_results=True, tools=True, on_demand=False, cache_minimum=1_024)
_CLAUDE_SMALL: Final = replace(_CLAUDE, cache_minimum=4_096)
_CLAUDE_STRICT: Final = replace(_CLAUDE, temperature_with_top_p=False)
_NOVA: Final = Capabilities(tools=True, cache_minimum=1_024)

FAMILIES: Final[tuple[tuple[str, Capabilities], ...]] = (
    ("amazon.nova-", _NOVA),
    ("anthropic.claude-3-5-haiku-", replace(_CLAUDE, cache_minimum=2_048, on_demand=True)),
    # Its prompt caching was open to few and stayed so.
    ("anthropic.claude-3-5-sonnet-20241022", replace(_CLAUDE, cache_minimum=None, on_demand=True)),
    ("anthropic.claude-3-7-sonnet-", _CLAUDE),
    ("anthropic.claude-haiku-4-5-", replace(_CLAUDE_SMALL, temperature_with_top_p=False)),
    ("anthropic.claude-haiku-4-", _CLAUDE_SMALL),
    ("anthropic.claude-opus-4-1-", _CLAUDE_STRICT),
    ("anthropic.claude-opus-4-5-", replace(_CLAUDE_STRICT, cache_minimum=4_096)),
    ("anthropic.claude-opus-4-6-", replace(_CLAUDE_STRICT, cache_minimum=4_096, prefill=False)),
    ("anthropic.claude-opus-4-7-", replace(_CLAUDE_STRICT, cache_minimum=4_096, prefill=False)),
    ("anthropic.claude-opus-4-", _CLAUDE),
    ("anthropic.claude-sonnet-4-5-", _CLAUDE_STRICT),
    ("anthropic.claude-sonnet-4-6", replace(_CLAUDE_STRICT, prefill=False)),
    ("anthropic.claude-sonnet-4-", _CLAUDE),
    ("amazon.titan-text-", Capabilities(system_prompt=False)),
    ("mistral.mistral-7b-instruct-", Capabilities(system_prompt=False)),
    ("mistral.mixtral-8x7b-instruct-", Capabilities(system_prompt=False)),
)
"""Prefixes of model ids; the first that fits counts."""

_GEOGRAPHIES: Final[tuple[tuple[str, str], ...]] = (
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("ca-", "ca"),
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


def geographies(region: str) -> tuple[str, ...]:
    """Return the prefixes of the profiles that stay in `region`'s geography, the narrowest first; none for none."""
    found = next((name for prefix, name in _GEOGRAPHIES if region.startswith(prefix)), None)
    if found is None:
        return ()
    # Japan and Australia have profiles of their own beside those of Asia and the Pacific.
    return (found, "apac") if found in {"jp", "au"} else (found,)


def invocation_id(model: str, residency: Residency, region: str, profiles: Collection[str] | None = None) -> str:
    """Return the id that Bedrock is called with, so that a prompt travels no further than `residency` allows.

    Args:
        model: Id of a foundation model.
        residency: How far a prompt may travel.
        region: The region in which Bedrock is asked.
        profiles: Ids of the inference profiles that the account has; none when that is not known. Where the widest
            allowed profile does not exist, a narrower one is used, down to the model in the region itself where it can
            be called so.

    Raises:
        ValueError: the region belongs to no geography with inference profiles.
    """
    if residency is Residency.REGION:
        return model
    nearby = geographies(region)
    if residency is Residency.GEO and not nearby:
        raise ValueError(f"residency: {region} has no geographic inference profiles; use `region` or `global`")
    wanted = (*(("global",) if residency is Residency.GLOBAL else ()), *nearby)
    candidates = [f"{prefix}.{model}" for prefix in wanted]
    if profiles is None:
        return candidates[0]
    otherwise = model if capabilities(model).on_demand else candidates[0]
    return next((candidate for candidate in candidates if candidate in profiles), otherwise)
