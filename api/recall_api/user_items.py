"""Where a user's own things lie: the partition that holds them, and the items of the account in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recall_api.identifiers import UserId

USER_PREFIX: Final = "USER#"
"""Start of the partition keys whose items belong to one user."""
PROFILE_KEY: Final = "PROFILE"
DELETION_KEY: Final = "DELETION"
"""Sort key of the receipt: while it is there, the account is being deleted or was."""


def partition(user_id: UserId) -> str:
    """Return the partition that holds everything of a user in any table."""
    return f"{USER_PREFIX}{user_id}"
