"""Which language models an instance may use, and within which bounds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from recall_operator.models.base import ResourceModel, validations
from recall_operator.models.guardrail_spec import GUARDRAIL_RULES, Guardrail

_TITAN_TEXT_V2 = "amazon.titan-embed-text-v2"

ModelId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]*$")]
"""A Bedrock model id without the prefix of an inference profile, such as `amazon.nova-lite-v1:0`."""


class Residency(StrEnum):
    """How far a prompt may travel from the region in which Bedrock is asked."""

    REGION = "region"
    GEO = "geo"
    GLOBAL = "global"


class Embedding(ResourceModel):
    """The model that turns memories into vectors."""

    model: ModelId = Field(default=f"{_TITAN_TEXT_V2}:0", description="Bedrock id of the embedding model.")
    dimensions: int = Field(
        default=256, ge=1, le=4096, description="Length of a vector; Titan V2 offers 256, 512, 1024."
    )


class Budgets(ResourceModel):
    """What users may spend on models in a month, in micro-dollars: 1,000,000 are one US dollar."""

    free: int | None = Field(
        default=None, ge=0, le=10**12, description="For a user of the free tier; absent means the API's default."
    )
    premium: int | None = Field(
        default=None, ge=0, le=10**12, description="For a user of the premium tier; absent means the API's default."
    )


class Models(ResourceModel):
    """Language models that the instance may use."""

    chat: list[ModelId] = Field(
        default_factory=lambda: ["amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"],
        min_length=1,
        max_length=20,
        description="Bedrock ids of the models that users may choose for chat; the first is the default.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            **validations(
                (
                    "!self.exists(m, m.matches('^(us|us-gov|eu|apac|jp|au|ca|global)[.].+[.].+'))",
                    "spec.models.chat: write model ids without the prefix of an inference profile "
                    "(amazon.nova-lite-v1:0, not eu.amazon.nova-lite-v1:0) and choose how far prompts travel with "
                    "spec.models.residency",
                )
            ),
        },
    )
    embedding: Embedding = Field(
        default_factory=Embedding,
        description="The model that turns memories into vectors.",
        json_schema_extra=validations(
            (
                f"!self.model.startsWith('{_TITAN_TEXT_V2}') || self.dimensions in [256, 512, 1024]",
                "spec.models.embedding.dimensions must be 256, 512 or 1024 with Titan Text Embeddings V2",
            )
        ),
    )
    residency: Residency = Field(
        default=Residency.GEO,
        description=("How far prompts may travel by inference profiles: Bedrock's region, its geography, or anywhere."),
    )
    budgets: Budgets = Field(
        default_factory=Budgets,
        description="What each user may spend on models in a month, in micro-dollars (1,000,000 are one US dollar).",
    )
    guardrail: Guardrail | None = Field(
        default=None,
        description="A guardrail that checks every prompt and answer; absent means none.",
        json_schema_extra=validations(*GUARDRAIL_RULES),
    )
