"""The models that this emulator answers for, by the ids that Bedrock gives them in Europe and the United States.

All chat models are answered by the same built-in model (or the configured server); what differs by id is what the
caller must do right: use an inference profile where Bedrock demands one, send search results only to models that cite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from recall_local.bedrock.errors import invalid

_GEOGRAPHIES: Final = {
    "eu": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "us": ("us-east-1", "us-east-2", "us-west-2"),
}
"""From where an inference profile of a geography may be called, and where it may run a prompt.

Source: Bedrock user guide, "Supported Regions and models for inference profiles".
"""
_ARN: Final = re.compile(r"arn:aws:bedrock:[a-z0-9-]*:\d*:(?:foundation-model|inference-profile)/(?P<id>.+)")


@dataclass(frozen=True)
class Model:
    """A foundation model."""

    id: str
    cites: bool = False
    """It accepts `searchResult` blocks and answers with citations."""
    on_demand: bool = True
    """It may be invoked by its own id; else only by an inference profile."""
    embeds: bool = False


MODELS: Final = {
    model.id: model
    for model in (
        Model("amazon.nova-micro-v1:0"),
        Model("amazon.nova-lite-v1:0"),
        Model("amazon.nova-pro-v1:0"),
        Model("anthropic.claude-3-7-sonnet-20250219-v1:0", cites=True, on_demand=False),
        Model("anthropic.claude-sonnet-4-20250514-v1:0", cites=True, on_demand=False),
        Model("anthropic.claude-sonnet-4-5-20250929-v1:0", cites=True, on_demand=False),
        Model("anthropic.claude-haiku-4-5-20251001-v1:0", cites=True, on_demand=False),
        Model("amazon.titan-embed-text-v2:0", embeds=True),
    )
}


@dataclass(frozen=True)
class Invocation:
    """What a caller named: a model, and the inference profile it is reached by."""

    model: Model
    profile: str | None

    def resources(self, region: str, account: str) -> list[str]:
        """Return the ARNs on which IAM must allow it: the profile and the model wherever the profile may run it.

        Source: Bedrock user guide, prerequisites for inference profiles.
        """
        if self.profile is None:
            return [f"arn:aws:bedrock:{region}::foundation-model/{self.model.id}"]
        regions = _GEOGRAPHIES.get(self.profile.partition(".")[0], (region, ""))  # else a global one
        models = [f"arn:aws:bedrock:{where}::foundation-model/{self.model.id}" for where in regions]
        return [f"arn:aws:bedrock:{region}:{account}:inference-profile/{self.profile}", *models]


def find(model_id: str, region: str) -> Invocation:
    """Return what `model_id` (an id or an ARN, of a model or an inference profile) names in `region`.

    Raises:
        BedrockError: ValidationException, as Bedrock answers unknown ids and models that need a profile.
    """
    matched = _ARN.fullmatch(model_id)
    name = matched["id"] if matched else model_id
    geography, _, rest = name.partition(".")
    reachable = geography == "global" or region in _GEOGRAPHIES.get(geography, ())
    if reachable and rest in MODELS and not MODELS[rest].embeds:
        return Invocation(MODELS[rest], name)
    if name not in MODELS:
        raise invalid("The provided model identifier is invalid.")
    if not MODELS[name].on_demand:
        raise invalid(
            f"Invocation of model ID {name} with on-demand throughput isn\u2019t supported. Retry your request with "
            "the ID or ARN of an inference profile that contains this model."
        )
    return Invocation(MODELS[name], None)
