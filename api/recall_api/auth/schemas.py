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
    began_at: int
    """When the user signed in, Unix time in s: tokens that are renewed later belong to the same session."""
    expires_at: int
    """Unix time in s."""
    groups: frozenset[str] = frozenset()
    """Groups of the user pool that the user is in."""
    username: str = ""
    """The user's name in the user pool."""
    token_id: str | None = None
    """Id of the personal access token that was used; none for somebody who signed in."""


@dataclass(frozen=True)
class Standing:
    """What decides whether a user's tokens are still taken."""

    valid_after: int = 0
    """Sessions that began up to this second (Unix time) are refused."""
    is_leaving: bool = False
    """The account is being deleted, or was."""


class TokenError(Exception):
    """A token that is refused; the message says why without repeating any of it."""


class KeysUnavailableError(Exception):
    """The issuer's keys could not be fetched, so nothing can be said about a token."""
