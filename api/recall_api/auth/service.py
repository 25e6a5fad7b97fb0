"""From an `Authorization` header to a `Principal`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from recall_api.auth import tokens
from recall_api.auth.schemas import KeysUnavailableError, Principal, TokenError
from recall_api.errors import ProblemError, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recall_api.auth.keys import KeySet

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+)")
"""Source: RFC 6750, 2.1; the scheme's case does not matter (RFC 9110, 11.1)."""


def unauthorized(reason: str, *, error: str | None = "invalid_token") -> ProblemError:
    """Return the 401 for a request whose token is refused; `error` is RFC 6750's code, none without a token."""
    challenge = 'Bearer realm="recall"' + (f', error="{error}", error_description="{reason}"' if error else "")
    return ProblemError(
        401, "unauthorized", "Sign in", f"Sign in again: {reason}.", headers={"WWW-Authenticate": challenge}
    )


class Authenticator:
    """Checks tokens; holds no state but the issuer's keys."""

    def __init__(self, rules: tokens.TokenRules, keys: KeySet, clock: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock

    async def authenticate(self, headers: Sequence[str]) -> Principal:
        """Return who sent a request with these `Authorization` headers.

        Raises:
            ProblemError: 401 when there is no valid token; 503 when that cannot be told.
        """
        if not headers:
            raise unauthorized("the request carries no access token", error=None)
        if len(headers) > 1:
            raise unauthorized("the request carries more than one Authorization header", error="invalid_request")
        match = _BEARER.fullmatch(headers[0])
        if match is None:
            raise unauthorized("the Authorization header is no bearer token", error="invalid_request")
        token = match[1]
        try:
            key = await self._keys.key(tokens.key_id(token))
            return tokens.verify(token, key, self._rules, self._clock())
        except TokenError as error:
            raise unauthorized(str(error)) from None
        except KeysUnavailableError:
            raise unavailable("The sign-in service") from None
