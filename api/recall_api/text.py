"""Types for what users write: any Unicode, but nothing that storage or a model would choke on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""Times that stay times in every time zone."""


class Schema(BaseModel):
    """Base of requests and answers: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        json_schema_serialization_defaults_required=True,  # an answer always has all of its fields
    )


def storable(value: str) -> str:
    """Return `value` if it is whole characters, none of them U+0000.

    Raises:
        PydanticCustomError: it is not.
    """
    if "\0" in value:
        raise PydanticCustomError("string_nul", "must not contain the character U+0000")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("string_unicode", "must not contain half of a surrogate pair") from None
    return value


def _with_words(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("string_blank", "must contain more than white space")
    return value


def _text_only(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise PydanticCustomError("datetime_type", "must be a time such as 2026-03-01T09:00:00+01:00 (RFC 3339)")
    return value


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("timezone_aware", "must say its offset, such as Z or +01:00")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        utc = LATEST
    if not EARLIEST <= utc < LATEST:
        raise PydanticCustomError("datetime_range", "must lie in the years 1 to 9999")
    return value


Words = Annotated[str, AfterValidator(storable), AfterValidator(_with_words)]
"""Text that says something, in whole characters."""

Moment = Annotated[
    datetime,
    BeforeValidator(_text_only),
    AfterValidator(_zoned),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time with its offset (RFC 3339)."""
