"""Gives ministack's hosted sign-in pages the session that Cognito's keep: who signed in is not asked again for an hour.

Source: Cognito developer guide, "User pool managed login": the session cookie is named `cognito` and good for one hour;
`/logout` ends it. Renewed tokens keep the time of the sign-in (`auth_time`; OpenID Connect Core 1.0, 12.2): clients
refuse others, and an API that ends sessions goes by it.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

_COOKIE: Final = "cognito"
_SECONDS: Final = 3600

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class _SignedIn:
    pool_id: str
    username: str
    until: float


def install() -> None:
    """Add the sessions; they are kept in memory, and so end with the emulator."""
    from ministack.services import cognito

    _keep_the_time_of_sign_in(cognito)
    sessions: dict[str, _SignedIn] = {}
    page, issue, leave = cognito.handle_oauth2_authorize, cognito._issue_auth_code_redirect, cognito.handle_logout

    def issue_and_remember(client_id: str, pool_id: str, uri: str, scope: str, username: str, *others: Any) -> Answer:
        status, headers, body = issue(client_id, pool_id, uri, scope, username, *others)
        if status == 302:
            token = secrets.token_urlsafe(32)
            sessions[token] = _SignedIn(pool_id, username, time.time() + _SECONDS)
            headers = {
                **headers,
                "Set-Cookie": f"{_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={_SECONDS}",
            }
        return status, headers, body

    def page_or_code(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> Answer:
        answer: Answer = page(method, path, headers, query)
        known = sessions.get(_token(headers))
        # A page means that the request is in order; only then does the session answer in its place.
        if answer[0] != 200 or known is None or known.until < time.time():
            return answer
        asked = {name: cognito._qp(query, name) for name in query}
        pool_id, pool, client = cognito._find_pool_by_client_id(asked["client_id"])
        if pool_id != known.pool_id or known.username not in pool["_users"] or asked.get("prompt") == "login":
            return answer
        uri = asked.get("redirect_uri") or client["DefaultRedirectURI"]
        again: Answer = issue(
            asked["client_id"], pool_id, uri, asked.get("scope", ""), known.username, asked.get("nonce", ""),
            asked.get("code_challenge", ""), asked.get("code_challenge_method", ""), asked.get("state", ""),
        )  # fmt: skip
        return again

    def leave_and_forget(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> Answer:
        sessions.pop(_token(headers), None)
        answer: Answer = leave(method, path, headers, query)
        return answer

    cognito._issue_auth_code_redirect = issue_and_remember
    cognito.handle_oauth2_authorize = page_or_code
    cognito.handle_logout = leave_and_forget


def _keep_the_time_of_sign_in(cognito: Any) -> None:
    times: dict[str, int] = {}
    signed = cognito._signed_jwt

    def signed_with_first_time(claims: dict[str, Any], pool_id: str = "", use: str = "") -> str:
        if "auth_time" in claims and "origin_jti" in claims:
            claims = {**claims, "auth_time": times.setdefault(claims["origin_jti"], claims["auth_time"])}
        token: str = signed(claims, pool_id, use)
        return token

    cognito._signed_jwt = signed_with_first_time


def _token(headers: dict[str, str]) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
