"""Cursors: opaque, sealed, and good for one user and one kind of list only.

A cursor holds the last sort key of a page. Sealed (AES-256-GCM), it can be neither read nor made up, and the user and
the list are part of what is authenticated: another user's cursor is as invalid as a forged one.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from recall_api.errors import ProblemError, invalid

if TYPE_CHECKING:
    from recall_api.identifiers import UserId

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""Source: NIST SP 800-38D, 8.2: 96 bits. Random ones are safe for 2^32 cursors of one key."""
_VERSION: Final = b"\x01"
MAX_CURSOR_LENGTH: Final = 512


def invalid_cursor() -> ProblemError:
    """Return the error for a cursor that is not one of this user's for this list."""
    return invalid("query.cursor", "The cursor is not one of this list; start again without it.", "cursor_invalid")


class CursorSealer:
    """Seals and opens cursors with the instance's key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, user_id: UserId, kind: str, position: str) -> str:
        """Return the cursor that goes on after `position` in the user's list `kind`."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, position.encode(), self._context(user_id, kind))
        return base64.urlsafe_b64encode(_VERSION + nonce + sealed).rstrip(b"=").decode()

    def open(self, user_id: UserId, kind: str, cursor: str) -> str:
        """Return the position in `cursor`.

        Raises:
            ProblemError: it is not a cursor of this user for this list (422).
        """
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if raw[:1] != _VERSION:
                raise invalid_cursor()
            nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
            return self._cipher.decrypt(nonce, sealed, self._context(user_id, kind)).decode()
        except (binascii.Error, InvalidTag, ValueError):
            raise invalid_cursor() from None

    @staticmethod
    def _context(user_id: UserId, kind: str) -> bytes:
        return f"recall:{kind}:{user_id}".encode()
