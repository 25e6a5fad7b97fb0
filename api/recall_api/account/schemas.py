"""Accounts as requests and answers."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from recall_api.account.model import Deletion, DeletionState, Profile, SignIn
from recall_api.auth.personal import PersonalToken, TokenScope
from recall_api.identifiers import ULID_PATTERN
from recall_api.text import Moment, Schema, Words, storable


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("time_zone", "must be an IANA time zone such as Europe/Vienna") from None
    return value


def moment(seconds: int) -> datetime:
    """Return the time of a Unix time in s."""
    return datetime.fromtimestamp(seconds, UTC)


TimeZone = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*)*$", max_length=64),
    AfterValidator(_time_zone),
]
DisplayName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)]
TokenName = Annotated[Words, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class AccountView(Schema):
    """The user's account."""

    user_id: str
    display_name: str
    time_zone: str
    tier: str

    @classmethod
    def of(cls, user_id: str, profile: Profile) -> AccountView:
        """Return the answer for a profile."""
        return cls(user_id=user_id, display_name=profile.display_name, time_zone=profile.time_zone, tier=profile.tier)


class AccountUpdate(Schema):
    """A change to the account: fields that are absent stay as they are. The tier is not the user's to change."""

    display_name: DisplayName | None = None
    time_zone: TimeZone | None = Field(default=None, description="An IANA name; times such as “last spring” are its.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must name at least one field to change")
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise PydanticCustomError("null", "fields of an account cannot be null")
        return self

    def attributes(self) -> dict[str, Any]:
        """Return what is to be stored."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class TokenCreate(Schema):
    """A personal access token to be made."""

    name: TokenName
    scopes: Annotated[list[TokenScope], Field(min_length=1, max_length=3)]
    days: int = Field(default=90, ge=1, le=365, description="Days until it expires.")


class TokenView(Schema):
    """A personal access token, without the token."""

    id: Annotated[str, StringConstraints(pattern=ULID_PATTERN)]
    name: str
    scopes: list[TokenScope]
    created_at: Moment
    expires_at: Moment
    last_used_on: str | None = Field(description="Date (UTC) of the last use; null when it was never used.")

    @classmethod
    def of(cls, token: PersonalToken) -> TokenView:
        """Return the answer for a token."""
        return cls(
            id=token.id,
            name=token.name,
            scopes=sorted(token.scopes),
            created_at=moment(token.created_at),
            expires_at=moment(token.expires_at),
            last_used_on=token.last_used_on or None,
        )


class TokenCreated(TokenView):
    """A personal access token that was just made."""

    token: str = Field(description="Shown this once; Recall keeps only its hash.")


class TokenList(Schema):
    """All personal access tokens of the user, the oldest first."""

    items: list[TokenView]


class Receipt(Schema):
    """How far the deletion of an account is, and what remains."""

    state: DeletionState
    started_at: Moment
    finished_at: Moment | None
    counts: dict[str, int] = Field(description="What there was when the deletion began, by kind.")
    sign_in: SignIn = Field(description="What became of the user in the user pool.")
    remaining: list[str] = Field(description="What still exists, in words.")
    backups_until: Moment | None = Field(
        description="Until then point-in-time backups of the tables still hold what was deleted; null while it runs."
    )
    unreadable_since: Moment | None = Field(
        description="From then on nobody can read what backups hold, because the data key that sealed it is deleted; "
        "null where users have no key of their own."
    )

    @classmethod
    def of(cls, deletion: Deletion) -> Receipt:
        """Return the answer for a deletion."""
        remaining = ["this receipt, under your user id, until the backups are gone"]
        if deletion.state is DeletionState.RUNNING:
            remaining.insert(0, "what has not been deleted yet")
        else:
            remaining.append("point-in-time backups of both tables, which only the operator of this Recall can restore")
        if deletion.key_deleted:
            remaining.append(
                "in backups, nothing that says what about: memories, conversations and names were sealed by your own "
                "data key, which was deleted first of all; the instance's KMS key can't open them without it"
            )
        return cls(
            state=deletion.state,
            started_at=deletion.started_at,
            finished_at=deletion.finished_at,
            counts=deletion.counts,
            sign_in=deletion.sign_in,
            remaining=remaining,
            backups_until=deletion.backups_until,
            unreadable_since=deletion.unreadable_since,
        )
