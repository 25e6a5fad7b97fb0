"""What a user may ask for of the guardrail: one that exists, or a policy from which the operator makes one.

Words and bounds are Bedrock's own. Sources: the service model of `CreateGuardrail` (botocore, bedrock 2023-04-20) for
lengths, counts and values; AWS General Reference, "Amazon Bedrock endpoints and quotas"; Bedrock user guide, "Detect
prompt attacks", "Sensitive information filters" (no lookaround) and "Contextual grounding check" (threshold below 1).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from recall_operator.models.base import ResourceModel, validations


class ContentFilterType(StrEnum):
    """Categories of harmful content that Bedrock tells apart."""

    HATE = "HATE"
    INSULTS = "INSULTS"
    SEXUAL = "SEXUAL"
    VIOLENCE = "VIOLENCE"
    MISCONDUCT = "MISCONDUCT"
    PROMPT_ATTACK = "PROMPT_ATTACK"


class FilterStrength(StrEnum):
    """How sure Bedrock must be before it lets a text pass: HIGH holds back the most."""

    NONE = "NONE"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class ContentFilter(ResourceModel):
    """One category of harmful content."""

    type: ContentFilterType = Field(description="Category, such as VIOLENCE or PROMPT_ATTACK.")
    input_strength: FilterStrength = Field(description="Strength on what users write: NONE, LOW, MEDIUM or HIGH.")
    output_strength: FilterStrength = Field(
        description="Strength on what models answer: NONE, LOW, MEDIUM or HIGH; NONE for PROMPT_ATTACK."
    )


CONTENT_FILTER_RULE = (
    "self.all(f, f.type != 'PROMPT_ATTACK' || f.outputStrength == 'NONE')",
    "spec.models.guardrail.policy.contentFilters: outputStrength must be NONE for PROMPT_ATTACK: only users attack",
)


class Topic(ResourceModel):
    """One subject that is not talked about."""

    name: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[0-9a-zA-Z_ !?.-]+$",
        description="Name of the topic, such as Tax advice.",
    )
    definition: str = Field(
        min_length=1, max_length=200, description="What belongs to the topic, in a sentence of at most 200 characters."
    )
    examples: list[Annotated[str, Field(min_length=1, max_length=100)]] | None = Field(
        default=None,
        min_length=1,
        max_length=5,
        description="Up to five prompts that belong to the topic.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class ManagedWordList(StrEnum):
    """Lists of words that Bedrock keeps."""

    PROFANITY = "PROFANITY"


class SensitiveInformationAction(StrEnum):
    """What becomes of sensitive information."""

    BLOCK = "BLOCK"
    ANONYMIZE = "ANONYMIZE"


class SensitiveInformationType(StrEnum):
    """Kinds of personal and secret data that Bedrock finds."""

    ADDRESS = "ADDRESS"
    AGE = "AGE"
    AWS_ACCESS_KEY = "AWS_ACCESS_KEY"
    AWS_SECRET_KEY = "AWS_SECRET_KEY"  # noqa: S105 - the name of a kind of secret
    CA_HEALTH_NUMBER = "CA_HEALTH_NUMBER"
    CA_SOCIAL_INSURANCE_NUMBER = "CA_SOCIAL_INSURANCE_NUMBER"
    CREDIT_DEBIT_CARD_CVV = "CREDIT_DEBIT_CARD_CVV"
    CREDIT_DEBIT_CARD_EXPIRY = "CREDIT_DEBIT_CARD_EXPIRY"
    CREDIT_DEBIT_CARD_NUMBER = "CREDIT_DEBIT_CARD_NUMBER"
    DRIVER_ID = "DRIVER_ID"
    EMAIL = "EMAIL"
    INTERNATIONAL_BANK_ACCOUNT_NUMBER = "INTERNATIONAL_BANK_ACCOUNT_NUMBER"
    IP_ADDRESS = "IP_ADDRESS"
    LICENSE_PLATE = "LICENSE_PLATE"
    MAC_ADDRESS = "MAC_ADDRESS"
    NAME = "NAME"
    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a kind of secret
    PHONE = "PHONE"
    PIN = "PIN"
    SWIFT_CODE = "SWIFT_CODE"
    UK_NATIONAL_HEALTH_SERVICE_NUMBER = "UK_NATIONAL_HEALTH_SERVICE_NUMBER"
    UK_NATIONAL_INSURANCE_NUMBER = "UK_NATIONAL_INSURANCE_NUMBER"
    UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER = "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER"
    URL = "URL"
    USERNAME = "USERNAME"
    US_BANK_ACCOUNT_NUMBER = "US_BANK_ACCOUNT_NUMBER"
    US_BANK_ROUTING_NUMBER = "US_BANK_ROUTING_NUMBER"
    US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER = "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER"
    US_PASSPORT_NUMBER = "US_PASSPORT_NUMBER"
    US_SOCIAL_SECURITY_NUMBER = "US_SOCIAL_SECURITY_NUMBER"
    VEHICLE_IDENTIFICATION_NUMBER = "VEHICLE_IDENTIFICATION_NUMBER"


class SensitiveInformationEntity(ResourceModel):
    """One kind of personal or secret data."""

    type: SensitiveInformationType = Field(description="Kind of data, such as EMAIL or CREDIT_DEBIT_CARD_NUMBER.")
    action: SensitiveInformationAction = Field(
        description="BLOCK: hold the whole text back. ANONYMIZE: put the kind's name in its place."
    )


class SensitiveInformationRegex(ResourceModel):
    """One pattern of data that is nobody else's business."""

    name: str = Field(min_length=1, max_length=100, description="Name of the pattern, shown in its place by ANONYMIZE.")
    pattern: str = Field(
        min_length=1,
        max_length=500,
        description="Regular expression, without lookahead and lookbehind.",
        json_schema_extra=validations(
            (
                "!self.contains('(?=') && !self.contains('(?!') && !self.contains('(?<=') && !self.contains('(?<!')",
                "spec.models.guardrail.policy.sensitiveInformation.regexes: pattern must have no lookahead and no "
                "lookbehind, which Bedrock refuses: write the surrounding text into the pattern",
            )
        ),
    )
    action: SensitiveInformationAction = Field(
        description="BLOCK: hold the whole text back. ANONYMIZE: put the pattern's name in its place."
    )


class SensitiveInformation(ResourceModel):
    """Personal and secret data in prompts and answers."""

    entities: list[SensitiveInformationEntity] | None = Field(
        default=None,
        min_length=1,
        max_length=len(SensitiveInformationType),
        description="Kinds of data that Bedrock knows, each once.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    regexes: list[SensitiveInformationRegex] | None = Field(
        default=None,
        min_length=1,
        max_length=10,
        description="Patterns of your own, each name once.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


Threshold = Annotated[
    float,
    Field(ge=0, le=0.99),
    # As a rule: the API server writes the bounds of a schema as whole numbers ("less than or equal to 0").
    WithJsonSchema(
        {
            "type": "number",
            **validations(
                (
                    "self >= 0.0 && self <= 0.99",
                    "spec.models.guardrail.policy.contextualGrounding: a threshold is from 0 to 0.99, such as 0.7",
                )
            ),
        }
    ),
]


class ContextualGrounding(ResourceModel):
    """How well an answer must rest on its sources and fit the question."""

    grounding: Threshold | None = Field(
        default=None, description="Hold back answers that rest on their sources less than this (0 to 0.99)."
    )
    relevance: Threshold | None = Field(
        default=None, description="Hold back answers that fit the question less than this (0 to 0.99)."
    )


BlockedMessage = Annotated[str, Field(min_length=1, max_length=500)]


class BlockedMessages(ResourceModel):
    """What Bedrock answers in place of a text that it holds back."""

    input: BlockedMessage = Field(
        default="This question was held back by the guardrail.", description="In place of an answer to a prompt."
    )
    output: BlockedMessage = Field(
        default="This answer was held back by the guardrail.", description="In place of an answer of the model."
    )


class GuardrailPolicy(ResourceModel):
    """What the guardrail holds back."""

    content_filters: list[ContentFilter] | None = Field(
        default=None,
        min_length=1,
        max_length=len(ContentFilterType),
        description="Categories of harmful content, each once; a category that is left out is not filtered.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            **validations(CONTENT_FILTER_RULE),
        },
    )
    topics: list[Topic] | None = Field(
        default=None,
        min_length=1,
        max_length=30,
        description="Subjects that are not talked about, each name once.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    words: list[Annotated[str, Field(min_length=1, max_length=100)]] | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="Words and phrases that are held back wherever they stand.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    managed_word_lists: list[ManagedWordList] | None = Field(
        default=None,
        min_length=1,
        max_length=len(ManagedWordList),
        description="Lists of words that Bedrock keeps, such as PROFANITY.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    sensitive_information: SensitiveInformation | None = Field(
        default=None,
        description="Personal and secret data.",
        json_schema_extra=validations(
            (
                "has(self.entities) || has(self.regexes)",
                "spec.models.guardrail.policy.sensitiveInformation must have entities or regexes, such as "
                "{entities: [{type: EMAIL, action: ANONYMIZE}]}",
            )
        ),
    )
    contextual_grounding: ContextualGrounding | None = Field(
        default=None,
        description="How well answers must rest on their sources and fit the question.",
        json_schema_extra=validations(
            (
                "has(self.grounding) || has(self.relevance)",
                "spec.models.guardrail.policy.contextualGrounding must have grounding or relevance, such as "
                "{grounding: 0.7}",
            )
        ),
    )
    blocked_messages: BlockedMessages = Field(
        default_factory=BlockedMessages, description="What is answered in place of a text that is held back."
    )


_FILTERS = ("contentFilters", "topics", "words", "managedWordLists", "sensitiveInformation", "contextualGrounding")

POLICY_RULE = (
    " || ".join(f"has(self.{name})" for name in _FILTERS),
    f"spec.models.guardrail.policy must have at least one of {', '.join(_FILTERS)}, such as "
    "{managedWordLists: [PROFANITY]}",
)


class Guardrail(ResourceModel):
    """A guardrail that exists already (`id` and `version`), or what the operator makes one from (`policy`)."""

    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=r"^[a-z0-9]+$",
        description="Id of an existing guardrail, such as gr1abc2def3g; it is looked at and never changed.",
    )
    version: str | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        pattern=r"^([1-9][0-9]{0,7}|DRAFT)$",
        description="Version of the existing guardrail: a number, or DRAFT while you try it.",
    )
    policy: GuardrailPolicy | None = Field(
        default=None,
        description="What a guardrail that the operator makes and keeps holds back.",
        json_schema_extra=validations(POLICY_RULE),
    )


GUARDRAIL_RULES = (
    (
        "has(self.policy) != has(self.id)",
        "spec.models.guardrail takes exactly one of policy (the operator makes the guardrail) and id (it exists "
        "already); leave the other out",
    ),
    (
        "has(self.id) == has(self.version)",
        'spec.models.guardrail.version must stand beside id, such as "3", and not beside policy, whose versions the '
        "operator makes",
    ),
)
