"""The signed-in user, as the rest of the API sees one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recall_api.identifiers import UserId


@dataclass(frozen=True)
class Principal:
    """Somebody whose token was checked."""

    user_id: UserId
    scopes: frozenset[str]
    issued_at: int
    """Unix time in s."""
    expires_at: int
    """Unix time in s."""


class TokenError(Exception):
    """A token that is refused; the message says why without repeating any of it."""


class KeysUnavailableError(Exception):
    """The issuer's keys could not be fetched, so nothing can be said about a token."""
