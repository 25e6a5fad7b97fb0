"""From an `Authorization` header to a `Principal`."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from recall_api.auth import tokens
from recall_api.auth.cache import MAX_ENTRIES, BriefCache
from recall_api.auth.personal import PREFIX, digest, is_well_formed, required_scope
from recall_api.auth.schemas import KeysUnavailableError, Principal, TokenError
from recall_api.errors import ProblemError, unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from joserfc.jwk import RSAKey

    from recall_api.auth.keys import KeySet
    from recall_api.auth.personal import PersonalToken
    from recall_api.auth.repository import PersonalTokenRepository
    from recall_api.auth.schemas import Standing
    from recall_api.identifiers import UserId

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+)")
"""Source: RFC 6750, 2.1; the scheme's case does not matter (RFC 9110, 11.1)."""


def unauthorized(reason: str, *, error: str | None = "invalid_token") -> ProblemError:
    """Return the 401 for a request whose token is refused; `error` is RFC 6750's code, none without a token."""
    challenge = 'Bearer realm="recall"' + (f', error="{error}", error_description="{reason}"' if error else "")
    return ProblemError(
        401, "unauthorized", "Sign in", f"Sign in again: {reason}.", headers={"WWW-Authenticate": challenge}
    )


def forbidden(scope: str) -> ProblemError:
    """Return the 403 for a personal access token that lacks `scope`; without one, for a route closed to all of them."""
    detail = (
        f"The personal access token lacks the scope {scope}; make one that has it."
        if scope
        else "Personal access tokens cannot do this; sign in."
    )
    challenge = f'Bearer realm="recall", error="insufficient_scope", scope="{scope}"'
    return ProblemError(403, "forbidden", "Not allowed", detail, headers={"WWW-Authenticate": challenge})


class Authenticator:
    """Checks tokens; holds the issuer's keys, and for seconds what is known of users and personal tokens."""

    def __init__(
        self,
        rules: tokens.TokenRules,
        keys: KeySet,
        clock: Callable[[], float] = time.time,
        *,
        standing: Callable[[UserId], Awaitable[Standing]] | None = None,
        personal: PersonalTokenRepository | None = None,
        admit: Callable[[UserId], None] = lambda _: None,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._personal = personal
        self._admit = admit
        """Counts a user's request, and raises the 429 for one too many: here, so that no route can forget it."""
        self._standings = BriefCache(standing) if standing else None
        self._found = BriefCache(personal.find) if personal else None
        self._checked: OrderedDict[bytes, tuple[RSAKey, Principal]] = OrderedDict()
        """Tokens whose signature and claims are right, by their hash: to check one costs more than to read a memory."""

    async def authenticate(self, headers: Sequence[str], *, method: str = "GET", path: str = "/") -> Principal:
        """Return who sent a request with these `Authorization` headers; `method` and `path` bound personal tokens.

        Raises:
            ProblemError: 401 when there is no valid token, 403 when it is not meant for this, 429 when the user sends
                too many requests; 503 when that cannot be told.
        """
        principal = await self.identify(headers)
        self._admit(principal.user_id)
        if principal.token_id is not None:
            scope = required_scope(method, path)
            if scope is None or scope not in principal.scopes:
                raise forbidden(scope or "")
        await self._check_standing(principal)
        return principal

    async def authenticate_leaving(self, headers: Sequence[str]) -> Principal:
        """Return whose session it is, even of an account that is being deleted; raises as `authenticate` does."""
        principal = await self.identify(headers)
        self._admit(principal.user_id)
        if principal.token_id is not None:
            raise forbidden("")
        await self._check_standing(principal, may_leave=True)
        return principal

    async def _check_standing(self, principal: Principal, *, may_leave: bool = False) -> None:
        if self._standings is None:
            return
        standing = await self._standings.get(principal.user_id)
        if standing.is_leaving and not may_leave:
            raise unauthorized("the account was deleted")
        if principal.token_id is None and principal.began_at <= standing.valid_after:
            raise unauthorized("the session was ended")

    def forget(self, user_id: UserId) -> None:
        """Ask anew for what is known of a user: it has just changed."""
        if self._standings is not None:
            self._standings.forget(user_id)

    def forget_token(self, token: PersonalToken) -> None:
        """Ask anew for a personal access token: it was just revoked."""
        if self._found is not None:
            self._found.forget(token.digest)

    async def _personal_principal(self, token: str) -> Principal:
        known = digest(token)
        found = await self._found.get(known) if self._found is not None else None
        if found is None:
            raise unauthorized("the personal access token is unknown or was revoked")
        now = int(self._clock())
        if now >= found.expires_at:
            raise unauthorized("the personal access token has expired")
        today = datetime.fromtimestamp(now, UTC).date().isoformat()
        if found.last_used_on != today and self._personal is not None and self._found is not None:
            await self._personal.used(found.user_id, found, today)
            self._found.put(known, replace(found, last_used_on=today))
        return Principal(
            user_id=found.user_id,
            scopes=frozenset(found.scopes),
            began_at=found.created_at,
            expires_at=found.expires_at,
            token_id=found.id,
        )

    def _verified(self, token: str, key: RSAKey) -> Principal:
        """Return who a token speaks for; one that was checked with the same key is looked at for its end only."""
        known = hashlib.sha256(token.encode()).digest()
        found = self._checked.get(known)
        if found is not None and found[0] is key and self._clock() < found[1].expires_at:
            return found[1]
        principal = tokens.verify(token, key, self._rules, self._clock())
        self._checked[known] = key, principal
        if len(self._checked) > MAX_ENTRIES:
            self._checked.popitem(last=False)
        return principal

    async def identify(self, headers: Sequence[str]) -> Principal:
        """Return whose token it is, even of an account that is being deleted.

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
        if token.startswith(PREFIX):
            if not is_well_formed(token):
                raise unauthorized("the personal access token is mistyped")
            return await self._personal_principal(token)
        try:
            key = await self._keys.key(tokens.key_id(token))
            return self._verified(token, key)
        except TokenError as error:
            raise unauthorized(str(error)) from None
        except KeysUnavailableError:
            raise unavailable("The sign-in service") from None
