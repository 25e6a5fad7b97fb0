"""What one user's data key does: it seals values, and makes fingerprints by which equal texts are found.

Two keys are derived from it, so that neither use says anything about the other (NIST SP 800-108 asks for one key a
purpose; HKDF, RFC 5869).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""Source: NIST SP 800-38D, 8.2: 96 bits. Random ones are safe for 2^32 values of one user."""
_FORMAT: Final = b"\x01"
_BYTES: Final = b"B"
_DOCUMENT: Final = b"J"
"""First byte of what is sealed: bytes as they are, or DynamoDB's JSON of any other value."""


class NotOpenedError(Exception):
    """A value that this key did not seal, or not for this place."""


class UserCipher:
    """Seals and opens what belongs to one user."""

    def __init__(self, data_key: bytes) -> None:
        self._cipher = AESGCM(_derived(data_key, b"recall values"))
        self._fingerprints = _derived(data_key, b"recall fingerprints")

    def seal(self, attribute: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return a value as DynamoDB writes it, sealed; `place` (its item and attribute) is authenticated with it."""
        ((kind, value),) = attribute.items()
        plain = _BYTES + base64.b64decode(value) if kind == "B" else _DOCUMENT + to_json(dict(attribute))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _FORMAT + nonce + self._cipher.encrypt(nonce, plain, place.encode())
        return {"B": base64.b64encode(sealed).decode()}

    def open(self, attribute: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return what `seal` was given.

        Raises:
            NotOpenedError: it was never sealed, or by another key, or for another place.
        """
        sealed = base64.b64decode(attribute.get("B", ""))
        if sealed[:1] != _FORMAT:
            raise NotOpenedError
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            plain = self._cipher.decrypt(nonce, rest, place.encode())
        except (InvalidTag, ValueError):
            raise NotOpenedError from None
        if plain[:1] == _BYTES:
            return {"B": base64.b64encode(plain[1:]).decode()}
        document: dict[str, Any] = from_json(plain[1:], cache_strings="keys")
        return document

    def fingerprint(self, content_hash: str) -> str:
        """Return what is stored of a text's hash (HMAC-SHA256): equal for equal texts of this user, else nothing."""
        return hmac.new(self._fingerprints, content_hash.encode(), hashlib.sha256).hexdigest()


def _derived(data_key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=DATA_KEY_BYTES, salt=None, info=purpose).derive(data_key)
