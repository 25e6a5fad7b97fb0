"""The API's settings: what the operator gives (`recall_api.contract.Environment`), and limits with defaults.

Every value comes from the environment; nothing is read from files, and nothing has a default that would make a
misconfigured pod look healthy: names of tables, the issuer and the client have none.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AliasChoices, Field, HttpUrl, TypeAdapter, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from recall_api.contract import API_PORT, METRICS_PORT, Environment

EMBEDDING_DIMENSIONS = (256, 512, 1024)
"""Lengths of vector that Titan Text Embeddings V2 makes. Source: Amazon Bedrock user guide."""

_http_url = TypeAdapter(HttpUrl)

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Residency(StrEnum):
    """How far a prompt may travel: which Bedrock inference profile a model is called by."""

    REGION = "region"
    GEO = "geo"
    GLOBAL = "global"


class Settings(BaseSettings):
    """Everything the API is told from outside."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True)

    instance: str = Field(validation_alias=Environment.INSTANCE.value)
    hostname: str = Field(validation_alias=Environment.HOSTNAME.value)
    web_origins: CommaSeparated = Field(default=(), validation_alias=Environment.WEB_ORIGINS.value)
    memories_table: str = Field(validation_alias=Environment.MEMORIES_TABLE.value)
    users_table: str = Field(validation_alias=Environment.USERS_TABLE.value)
    keys_table: str = Field(default="", validation_alias=Environment.KEYS_TABLE.value)
    """Empty unless each user's data is sealed by a key of their own."""
    user_keys_kms_key: str = Field(default="", validation_alias=Environment.USER_KEYS_KMS_KEY.value)
    user_keys_seconds: float = Field(default=300.0, validation_alias="RECALL_USER_KEYS_SECONDS", gt=0, le=3600)
    """How long a pod keeps a user's data key unwrapped: one call of KMS a user, pod and time."""

    token_issuer: str = Field(validation_alias=Environment.TOKEN_ISSUER.value)
    jwks_url: str = Field(validation_alias=Environment.JWKS_URL.value)
    sign_in_url: str = Field(validation_alias=Environment.SIGN_IN_URL.value)
    user_pool_id: str = Field(validation_alias=Environment.USER_POOL_ID.value)
    client_id: str = Field(validation_alias=Environment.CLIENT_ID.value)

    chat_models: CommaSeparated = Field(validation_alias=Environment.CHAT_MODELS.value, min_length=1)
    embedding_model: str = Field(
        default="amazon.titan-embed-text-v2:0", validation_alias=Environment.EMBEDDING_MODEL.value
    )
    embedding_dimensions: int = Field(default=256, validation_alias=Environment.EMBEDDING_DIMENSIONS.value)
    residency: Residency = Field(default=Residency.REGION, validation_alias=Environment.RESIDENCY.value)
    guardrail_id: str = Field(default="", validation_alias=Environment.GUARDRAIL_ID.value)
    guardrail_version: str = Field(default="DRAFT", validation_alias=Environment.GUARDRAIL_VERSION.value)

    region: str = Field(
        default="us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"), pattern=r"^[a-z0-9-]+$"
    )
    bedrock_region: str = Field(
        default_factory=lambda data: data["region"],
        validation_alias=Environment.BEDROCK_REGION.value,
        pattern=r"^[a-z0-9-]+$",
    )
    """Where models are asked, and from where `residency` is reckoned; the others' region unless it is said."""

    bind_address: str = Field(default="0.0.0.0", validation_alias="RECALL_BIND_ADDRESS")  # noqa: S104 - a pod's own network
    port: int = Field(default=API_PORT, validation_alias="RECALL_PORT", ge=0, le=65535)
    metrics_port: int = Field(default=METRICS_PORT, validation_alias="RECALL_METRICS_PORT", ge=0, le=65535)
    log_level: str = Field(default="INFO", validation_alias="RECALL_LOG_LEVEL")

    max_body_bytes: int = Field(default=1_048_576, validation_alias="RECALL_MAX_BODY_BYTES", ge=1024)
    max_import_bytes: int = Field(default=67_108_864, validation_alias="RECALL_MAX_IMPORT_BYTES", ge=1024)
    body_seconds: float = Field(default=20.0, validation_alias="RECALL_BODY_SECONDS", gt=0, le=600)
    """How long a pod waits for a body, in all; each 5,000 bytes that come buy a second more. Then it answers 408."""
    storage_connections: int = Field(default=64, validation_alias="RECALL_STORAGE_CONNECTIONS", ge=1, le=512)
    """Calls to DynamoDB that run at once in one pod, and calls to the embedding model; others wait."""
    max_streams: int = Field(default=256, validation_alias="RECALL_MAX_STREAMS", ge=1, le=4096)
    """Answers that one pod streams at once; each holds a connection. One more is refused with 503."""
    max_requests: int = Field(default=1_000, validation_alias="RECALL_MAX_REQUESTS", ge=1, le=100_000)
    """Requests that one pod works on at once, streams among them. One more is refused with 503."""
    user_streams: int = Field(default=8, validation_alias="RECALL_USER_STREAMS", ge=1, le=4096)
    """Answers that one pod streams to one user at once. One more is refused with 429."""
    user_requests_per_minute: int = Field(default=1_200, validation_alias="RECALL_USER_REQUESTS_PER_MINUTE", ge=1)
    """Requests of one user that one pod takes within a minute; more are refused with 429."""
    address_requests_per_minute: int = Field(default=6_000, validation_alias="RECALL_ADDRESS_REQUESTS_PER_MINUTE", ge=1)
    """Requests of one network address that one pod takes within a minute; an office shares one."""
    proxies: int = Field(default=1, validation_alias="RECALL_PROXIES", ge=0, le=8)
    """Proxies of our own that append to X-Forwarded-For: one, the load balancer; 0 when none stands before the pod."""
    index_megabytes: int = Field(default=256, validation_alias="RECALL_INDEX_MEGABYTES", ge=1)
    """Memory for users' search indexes in one pod, in MB, beside what a pod takes anyway; the index of who has searched
    least recently goes first, and is loaded again when that user is back. A memory takes some 1.5 KB."""
    keepalive_seconds: float = Field(default=10.0, validation_alias="RECALL_KEEPALIVE_SECONDS", gt=0, le=15)
    """Silence after which a stream gets a comment. CloudFront closes silent answers after 30 s, an ALB after 60 s."""

    traces_endpoint: str = Field(default="", validation_alias=Environment.TRACES_ENDPOINT.value)
    """OpenTelemetry collector (OTLP over HTTP) to send traces to; empty means none."""

    deletion_poll_seconds: float = Field(default=5.0, validation_alias="RECALL_DELETION_POLL_SECONDS", gt=0, le=60)
    """Time between two looks for accounts that are to be deleted."""

    free_budget: int = Field(default=1_000_000, validation_alias=Environment.FREE_BUDGET.value, ge=0)
    """What a user of the free tier may spend on models a month, in micro-dollars (1,000,000 are one US dollar)."""
    premium_budget: int = Field(default=20_000_000, validation_alias=Environment.PREMIUM_BUDGET.value, ge=0)
    reservation_seconds: int = Field(default=900, validation_alias="RECALL_RESERVATION_SECONDS", ge=1, le=86_400)
    """Time after which an answer that was not booked is taken for one whose pod died."""

    @field_validator("web_origins", "chat_models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("web_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            url = _http_url.validate_python(origin)
            if url.path not in (None, "/") or origin.endswith("/") or "*" in origin:
                raise ValueError(f"{Environment.WEB_ORIGINS}: {origin!r} is no origin; write scheme://host[:port]")
        return origins

    @field_validator("token_issuer", "jwks_url", "sign_in_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        _http_url.validate_python(value)
        return value.rstrip("/")

    @field_validator("log_level")
    @classmethod
    def _check_level(cls, value: str) -> str:
        level = value.upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError(f"RECALL_LOG_LEVEL: {value!r} is unknown; use DEBUG, INFO, WARNING or ERROR")
        return level

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        if self.embedding_model.startswith("amazon.titan-embed-text-v2") and (
            self.embedding_dimensions not in EMBEDDING_DIMENSIONS
        ):
            raise ValueError(
                f"{Environment.EMBEDDING_DIMENSIONS}: {self.embedding_dimensions} is not made by "
                f"{self.embedding_model}; use one of {', '.join(map(str, EMBEDDING_DIMENSIONS))}"
            )
        return self

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if bool(self.keys_table) != bool(self.user_keys_kms_key):
            raise ValueError(
                f"{Environment.KEYS_TABLE} and {Environment.USER_KEYS_KMS_KEY}: one is set and the other is not; "
                "set both to seal each user's data by a key of their own, or neither"
            )
        return self

    @property
    def default_model(self) -> str:
        """The chat model used when a request names none."""
        return self.chat_models[0]
