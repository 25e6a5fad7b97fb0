"""The rules an access token must meet: pure functions over a token, keys and a time.

Rules: Amazon Cognito developer guide, "Verifying JSON web tokens"; RFC 8725 (JWT best current practices). The
algorithm is ours to name, never the token's; keys come from the issuer's set, never from the token's header.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from recall_api.auth.schemas import Principal, TokenError
from recall_api.identifiers import UserId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import RSAKey

ALGORITHM: Final = "RS256"
MAX_TOKEN_LENGTH: Final = 8_192
"""Characters. Cognito's tokens with many groups stay below 4 KB; headers beyond 8 KB break proxies."""
CLOCK_SKEW_SECONDS: Final = 30
"""How far the issuer's clock may be ahead of ours. An expired token gets no such grace."""
MAX_LIFETIME_SECONDS: Final = 86_400 + CLOCK_SKEW_SECONDS
"""Cognito's limit for access tokens is one day."""

_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What may become a part of a storage key. Cognito's subjects are UUIDs."""

_KEY_ID: Final = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True)
class TokenRules:
    """What the tokens of this instance look like."""

    issuer: str
    client_id: str
    required_scope: str


def key_id(token: str) -> str:
    """Return the id of the key that `token` says it is signed with; nothing else of it is trusted yet.

    Raises:
        TokenError: it is no signed token of ours.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenError("the token is too long")
    head, _, rest = token.partition(".")
    if rest.count(".") != 1:
        raise TokenError("the token is not a signed JWT")
    try:
        header = json.loads(urlsafe_b64decode(head.encode("ascii")))
    except (ValueError, RecursionError):
        raise TokenError("the token's header cannot be read") from None
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM:
        raise TokenError(f"the token is not signed with {ALGORITHM}")
    identifier = header.get("kid")
    if not isinstance(identifier, str) or not _KEY_ID.fullmatch(identifier):
        raise TokenError("the token names no key")
    return identifier


def verify(token: str, key: RSAKey, rules: TokenRules, now: float) -> Principal:
    """Return who `token` speaks for, at `now` (Unix time in s).

    Raises:
        TokenError: the signature or a claim is wrong.
    """
    try:
        claims = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
    except (JoseError, ValueError, RecursionError):
        raise TokenError("the signature is wrong") from None
    if not isinstance(claims, dict):
        raise TokenError("the token has no claims")
    return _principal(claims, rules, now)


def _principal(claims: Mapping[str, Any], rules: TokenRules, now: float) -> Principal:
    if claims.get("iss") != rules.issuer:
        raise TokenError("the token is from another issuer")
    if claims.get("token_use") != "access":
        raise TokenError("this is no access token")
    if claims.get("client_id") != rules.client_id:
        raise TokenError("the token was made for another client")
    expires_at, issued_at = _moment(claims, "exp"), _moment(claims, "iat")
    if now >= expires_at:
        raise TokenError("the token has expired")
    if issued_at > now + CLOCK_SKEW_SECONDS:
        raise TokenError("the token is from the future")
    if expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise TokenError("the token lives too long")
    if "nbf" in claims and _moment(claims, "nbf") > now + CLOCK_SKEW_SECONDS:
        raise TokenError("the token is not valid yet")
    scope = claims.get("scope")
    scopes = frozenset(scope.split(" ")) if isinstance(scope, str) else frozenset()
    if rules.required_scope not in scopes:
        raise TokenError("the token lacks a scope")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenError("the token names no user")
    groups = claims.get("cognito:groups")
    username = claims.get("username")
    return Principal(
        user_id=UserId(subject),
        scopes=scopes,
        began_at=min(issued_at, _moment(claims, "auth_time")) if "auth_time" in claims else issued_at,
        expires_at=expires_at,
        groups=frozenset(name for name in groups if isinstance(name, str)) if isinstance(groups, list) else frozenset(),
        username=username if isinstance(username, str) else subject,
    )


def _moment(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise TokenError(f"the token's {name} is no time")
    return int(value)
