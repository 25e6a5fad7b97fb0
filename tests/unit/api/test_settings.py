"""What the operator gives, read; and what it must never give."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recall_api.application import create_app
from recall_api.aws import Aws
from recall_api.contract import Environment
from recall_api.encryption.storage import SealedStorage
from recall_api.settings import Residency, Settings

GIVEN = {
    Environment.INSTANCE.value: "default/beta",
    Environment.HOSTNAME.value: "beta.example.org",
    Environment.WEB_ORIGINS.value: "https://beta.example.org, http://localhost:5173",
    Environment.MEMORIES_TABLE.value: "memories",
    Environment.USERS_TABLE.value: "users",
    Environment.TOKEN_ISSUER.value: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool",
    Environment.JWKS_URL.value: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool/.well-known/jwks.json",
    Environment.SIGN_IN_URL.value: "https://auth.example.org",
    Environment.USER_POOL_ID.value: "eu-west-1_pool",
    Environment.CLIENT_ID.value: "client",
    Environment.CHAT_MODELS.value: "amazon.nova-lite-v1:0,anthropic.claude-haiku-4-5-20251001-v1:0",
    Environment.EMBEDDING_MODEL.value: "amazon.titan-embed-text-v2:0",
    Environment.EMBEDDING_DIMENSIONS.value: "512",
    Environment.RESIDENCY.value: "geo",
    Environment.KEYS_TABLE.value: "keys",
    Environment.USER_KEYS_KMS_KEY.value: "arn:aws:kms:eu-west-1:000000000000:key/k1",
    Environment.GUARDRAIL_ID.value: "",
    Environment.GUARDRAIL_VERSION.value: "",
    "AWS_REGION": "eu-west-1",
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(**changes: str | None) -> Settings:
        for name, value in (GIVEN | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return Settings()  # type: ignore[call-arg]

    return give


def test_every_variable_of_the_contract_is_read(given: Any) -> None:
    settings = given()
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    assert all(name.value in aliases for name in Environment)
    assert settings.web_origins == ("https://beta.example.org", "http://localhost:5173")
    assert settings.chat_models[0] == settings.default_model == "amazon.nova-lite-v1:0"
    assert settings.residency is Residency.GEO
    assert settings.embedding_dimensions == 512
    assert (settings.guardrail_id, settings.region) == ("", "eu-west-1")


def test_models_are_asked_where_the_rest_is_unless_it_is_said(given: Any) -> None:
    assert given().bedrock_region == "eu-west-1"
    elsewhere = given(**{Environment.BEDROCK_REGION.value: "us-east-1"})
    assert (elsewhere.region, elsewhere.bedrock_region) == ("eu-west-1", "us-east-1")
    aws = create_app(elsewhere).state.readiness._aws
    assert aws.bedrock.meta.region_name == "us-east-1"
    assert aws.cognito.meta.region_name == "eu-west-1"


@pytest.mark.parametrize(
    "name",
    [
        Environment.MEMORIES_TABLE,
        Environment.USERS_TABLE,
        Environment.TOKEN_ISSUER,
        Environment.JWKS_URL,
        Environment.CLIENT_ID,
        Environment.CHAT_MODELS,
    ],
)
def test_what_is_missing_is_named(given: Any, name: Environment) -> None:
    for value in (None, ""):
        with pytest.raises(ValidationError, match=name.value):
            given(**{name.value: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (Environment.WEB_ORIGINS, "*", "RECALL_WEB_ORIGINS"),
        (Environment.WEB_ORIGINS, "https://*.example.org", "origin"),
        (Environment.WEB_ORIGINS, "https://beta.example.org/", "origin"),
        (Environment.WEB_ORIGINS, "https://beta.example.org/app", "origin"),
        (Environment.EMBEDDING_DIMENSIONS, "300", "256, 512, 1024"),
        (Environment.RESIDENCY, "moon", "global"),
        (Environment.BEDROCK_REGION, "US East", "RECALL_BEDROCK_REGION"),
        (Environment.JWKS_URL, "ftp://example.org", "RECALL_JWKS_URL"),
        (Environment.CHAT_MODELS, " , ", "RECALL_CHAT_MODELS"),
        (Environment.KEYS_TABLE, "", "RECALL_KEYS_TABLE and RECALL_USER_KEYS_KMS_KEY"),
        (Environment.USER_KEYS_KMS_KEY, "", "set both"),
    ],
)
def test_bad_values_are_refused_with_their_name_or_remedy(given: Any, name: Environment, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        given(**{name.value: value})


def test_without_keys_nothing_stands_between_the_tables_and_dynamodb(given: Any) -> None:
    plain = given(**{Environment.KEYS_TABLE.value: "", Environment.USER_KEYS_KMS_KEY.value: ""})
    for settings, sealed in ((plain, False), (given(), True)):
        app = create_app(settings)
        table = app.state.memories._repository._table
        assert isinstance(table._aws, SealedStorage if sealed else Aws)
        assert (app.state.readiness._aws._kms is not None) is sealed
        assert len(app.state.readiness._tables) == (3 if sealed else 2)
