"""The issuer's public keys: fetched when they are needed, kept, and fetched again when an unknown one is named.

Tokens with made-up key ids must not become requests to the issuer: fetches are coalesced, and at most one starts
within `REFETCH_SECONDS`. When the issuer does not answer, keys that are known go on working.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from recall_api.auth.schemas import KeysUnavailableError, TokenError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

REFETCH_SECONDS: Final = 10.0
"""Least time between two fetches after one that worked."""
RETRY_SECONDS: Final = 1.0
"""Least time between two fetches after one that failed."""
MAX_AGE_SECONDS: Final = 3600.0
"""Age at which keys are fetched anew even when all are known, so that a withdrawn one stops working."""
TIMEOUT_SECONDS: Final = 3.0
MAX_KEYS: Final = 32
MIN_BITS: Final = 2048


def read_key_set(document: Any) -> dict[str, RSAKey]:
    """Return the RSA signature keys of a JWK set (RFC 7517) by id; what is no such key is left out.

    Raises:
        ValueError: it is no JWK set.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("the issuer's answer is no JWK set")  # noqa: TRY004 - a value from outside, not a wrong call
    keys: dict[str, RSAKey] = {}
    for entry in document["keys"][:MAX_KEYS]:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
            continue
        identifier = entry.get("kid")
        if not isinstance(identifier, str) or entry.get("alg", "RS256") != "RS256":
            continue
        try:
            # Only the public numbers are taken: a set that leaks a private key must not make us hold it.
            key = RSAKey.import_key({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
        except (JoseError, KeyError, ValueError, TypeError):
            continue
        if key.public_key.key_size >= MIN_BITS:
            keys[identifier] = key
    return keys


class KeySet:
    """The keys at one address."""

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False

    async def key(self, identifier: str) -> RSAKey:
        """Return the key named `identifier`.

        Raises:
            TokenError: the issuer has no such key.
            KeysUnavailableError: the issuer does not answer, and the key is not among those known.
        """
        key = self._keys.get(identifier)
        if key is None or self._is_old():
            await self._fetch(identifier)
            key = self._keys.get(identifier)
        if key is not None:
            return key
        if self._failed:
            raise KeysUnavailableError
        raise TokenError("the token is signed with an unknown key")

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at > MAX_AGE_SECONDS

    def _may_fetch(self) -> bool:
        wait = RETRY_SECONDS if self._failed else REFETCH_SECONDS
        return self._tried_at is None or self._clock() - self._tried_at >= wait

    async def _fetch(self, identifier: str) -> None:
        async with self._lock:
            # Those that waited here find what the first one fetched.
            if (identifier in self._keys and not self._is_old()) or not self._may_fetch():
                return
            self._tried_at = self._clock()
            try:
                response = await self._client.get(self._url, timeout=TIMEOUT_SECONDS)
                keys = read_key_set(response.raise_for_status().json())
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                self._failed = True
                log.warning("signing keys could not be fetched", error=type(error).__name__)
                return
            self._keys, self._failed, self._fetched_at = keys, False, self._clock()
            log.info("signing keys fetched", count=len(keys))
