"""Keys of an account's own items in the users table."""

from __future__ import annotations

from typing import Final

PROFILE_KEY: Final = "PROFILE"
DELETION_KEY: Final = "DELETION"
"""Sort key of the receipt: while it is there, the account is being deleted or was."""
