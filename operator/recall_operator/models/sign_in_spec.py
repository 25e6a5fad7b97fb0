"""What a user may ask for of the instance's client in the shared Cognito user pool."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from recall_operator.models.base import ResourceModel, validations

_LOOPBACK_URL = "^http://(localhost|127[.]0[.]0[.]1|[a-z0-9.-]+[.]localhost)(:[0-9]+)?(/.*)?$"

SignInUrl = Annotated[
    str,
    Field(
        min_length=8,
        max_length=1024,
        json_schema_extra=validations(
            (
                f"self.startsWith('https://') || self.matches('{_LOOPBACK_URL}')",
                "spec.signIn: each address must start with https:// (http:// only for localhost); "
                "write the whole address, such as https://beta.example.org/callback",
            ),
            (
                "!self.contains('#') && !self.contains(' ') && !self.contains('*')",
                "spec.signIn: an address must have no '#', no space and no '*'; list each address by itself",
            ),
        ),
    ),
]

IdentityProvider = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$")]


class Branding(ResourceModel):
    """The look of the sign-in pages (Cognito's managed login)."""

    use_cognito_provided_values: bool | None = Field(
        default=None, description="true: Cognito's own look, in Cognito's own hands."
    )
    settings: dict[str, Any] | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description=(
            "Settings document of the branding editor (categories, components, componentClasses), without images; "
            "settings that are left out here are not managed."
        ),
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


BRANDING_RULE = (
    "has(self.settings) != (has(self.useCognitoProvidedValues) && self.useCognitoProvidedValues)",
    "spec.signIn.branding takes exactly one of useCognitoProvidedValues: true and settings; leave the other out",
)


class SignIn(ResourceModel):
    """The instance's client in the shared Cognito user pool."""

    callback_urls: list[SignInUrl] = Field(
        default_factory=list,
        max_length=20,
        description="Further addresses that sign-in may return to, beside https://<hostname>/callback.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    logout_urls: list[SignInUrl] = Field(
        default_factory=list,
        max_length=20,
        description="Further addresses that sign-out may return to, beside https://<hostname>/.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    access_token_minutes: int = Field(
        default=60, ge=5, le=1440, description="Minutes for which an access token is valid (5 to 1440)."
    )
    id_token_minutes: int = Field(
        default=60, ge=5, le=1440, description="Minutes for which an id token is valid (5 to 1440)."
    )
    refresh_token_days: int = Field(
        default=30, ge=1, le=3650, description="Days after which a user must sign in again (1 to 3650)."
    )
    identity_providers: list[IdentityProvider] = Field(
        default_factory=lambda: ["COGNITO"],
        min_length=1,
        max_length=20,
        description="Where users may sign in: COGNITO and names of providers of the platform's user pool.",
        json_schema_extra={"x-kubernetes-list-type": "set", "default": ["COGNITO"]},
    )
    token_revocation: bool = Field(
        default=True, description="Let signing out end refresh tokens and the access tokens made with them."
    )
    prevent_user_existence_errors: bool = Field(
        default=True, description="Answer a wrong password and an unknown user alike."
    )
    branding: Branding | None = Field(
        default=None,
        description="Look of the sign-in pages for this instance; absent means not managed.",
        json_schema_extra=validations(BRANDING_RULE),
    )
