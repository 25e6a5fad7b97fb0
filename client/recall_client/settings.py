"""What both clients send with every request, and how long they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
"""Seconds. A stream says something at least every 15 s, so this also tells a dead one."""


def token_source(token: str | Callable[[], str]) -> Callable[[], str]:
    """Return what is asked for the token."""
    return (lambda: token) if isinstance(token, str) else token


def headers(token: str) -> dict[str, str]:
    """Return the headers of every request."""
    return {"Authorization": f"Bearer {token}", "User-Agent": "recall-client"}
