"""Gives ministack's sign-in domain the endpoint that ends refresh tokens, which it lacks.

Source: Cognito developer guide, "The token revocation endpoint"; RFC 7009. Only public clients are known here: they
name themselves in the form.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATH = "/oauth2/revoke"

Answer = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Answer at `/oauth2/revoke`."""
    from ministack import app

    others: Callable[..., Awaitable[Answer | None]] = app._handle_cognito_body_request

    async def with_revocation(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer | None:
        if path == PATH and method == "POST":
            return revoke(body)
        return await others(method, path, headers, body, query)

    app._handle_cognito_body_request = with_revocation


def revoke(body: bytes) -> Answer:
    """Answer a request to end the refresh token that a form names, and all that came of it."""
    from ministack.services import cognito

    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    token = form.get("token")
    if not token:
        return _refused("invalid_request")
    _, _, client = cognito._find_pool_by_client_id(form.get("client_id", ""))
    if client is None:
        return _refused("invalid_client")
    if not client.get("EnableTokenRevocation", True):
        return _refused("invalid_request")
    use = cognito._token_claims(token).get("token_use")
    if use is not None and use != "refresh":
        return _refused("unsupported_token_type")
    cognito._revoke_token({"Token": token})
    return 200, {"Content-Type": "application/json"}, b""


def _refused(error: str) -> Answer:
    return 400, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()
