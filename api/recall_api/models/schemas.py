"""Models as answers."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from recall_api.settings import Residency
from recall_api.text import Schema


class PriceView(Schema):
    """Micro-dollars (millionths of a US dollar) per million tokens."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    known: bool = Field(description="False: the model is not in the table; this is the price of the dearest one.")


class CapabilitiesView(Schema):
    """What a model can do."""

    cites_natively: bool = Field(description="False: it cites by markers, and always whole memories.")
    system_prompt: bool
    tools: bool
    prefill: bool
    temperature_with_top_p: bool
    prompt_caching: bool


class ModelView(Schema):
    """A model that users may choose."""

    id: str
    default: bool
    invoked_as: str = Field(description="The model or inference profile that Bedrock is called with.")
    capabilities: CapabilitiesView
    price: PriceView


class ModelList(Schema):
    """The models of this instance."""

    models: list[ModelView]
    residency: Residency = Field(description="How far prompts may travel.")
    guardrail: bool = Field(description="Whether a guardrail checks questions and answers.")
    prices_as_of: date
    prices_source: str
    capabilities_as_of: date
