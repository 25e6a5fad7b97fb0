"""Personal access tokens: how they look, what is kept of them, and what they may do. Pure functions.

A token is `rcl_`, 32 random bytes and a checksum, so that secret scanners find one that leaks and a mistyped one never
costs a read. Only its SHA-256 is kept: of 256 random bits a plain hash cannot be searched, so no slow one is needed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recall_api.identifiers import UserId

PREFIX: Final = "rcl_"
SECRET_BYTES: Final = 32
MAX_TOKENS: Final = 25
"""Personal access tokens that one user may have at a time."""

_SHAPE: Final = re.compile(r"rcl_([A-Za-z0-9_-]{43})([0-9a-f]{8})")


class TokenScope(StrEnum):
    """What a personal access token may be used for; managing the account is for signed-in people only."""

    MEMORIES_READ = "memories:read"
    MEMORIES_WRITE = "memories:write"
    CHAT = "chat"


@dataclass(frozen=True)
class PersonalToken:
    """A token as it is kept: everything but the token."""

    id: str
    user_id: UserId
    name: str
    scopes: frozenset[TokenScope]
    digest: str
    created_at: int
    """Unix time in s."""
    expires_at: int
    """Unix time in s."""
    last_used_on: str = ""
    """Date (UTC) of the last use; no finer, so that it is no record of what somebody does all day."""


def new_token() -> str:
    """Return a fresh token; it is shown once and never kept."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return f"{PREFIX}{secret}{_checksum(secret)}"


def is_well_formed(token: str) -> bool:
    """Say whether `token` is one of ours by its looks."""
    match = _SHAPE.fullmatch(token)
    return match is not None and secrets.compare_digest(_checksum(match[1]), match[2])


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def required_scope(method: str, path: str) -> TokenScope | None:
    """Return the scope that a personal access token needs for a route; none when no such token may use it.

    What is not listed is refused: a new route is closed to these tokens until somebody decides otherwise.
    """
    area = path.removeprefix("/v1/").partition("/")[0] if path.startswith("/v1/") else path.strip("/")
    match area:
        case "memories":
            return TokenScope.MEMORIES_READ if method in {"GET", "HEAD"} else TokenScope.MEMORIES_WRITE
        case "recall" | "exports" | "mcp":  # the MCP tools that write ask for memories:write themselves
            return TokenScope.MEMORIES_READ
        case "imports":
            return TokenScope.MEMORIES_WRITE
        case "chat" | "openai" | "models" | "conversations":  # accepting a proposal asks for memories:write itself
            return TokenScope.CHAT
        case _:
            return None


def _checksum(secret: str) -> str:
    return f"{binascii.crc32(secret.encode()):08x}"
