"""What can be done with an account, by its user."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ulid import ULID

from recall_api.account.eraser import GRACE_SECONDS
from recall_api.auth.personal import MAX_TOKENS, PersonalToken, digest, new_token
from recall_api.errors import ProblemError, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_api.account.eraser import OnLeaving
    from recall_api.account.model import Deletion, Profile
    from recall_api.account.repository import AccountRepository
    from recall_api.account.schemas import TokenCreate
    from recall_api.auth.repository import PersonalTokenRepository
    from recall_api.auth.schemas import Principal
    from recall_api.auth.service import Authenticator
    from recall_api.identifiers import UserId


class AccountService:
    """Accounts of one user at a time."""

    def __init__(
        self,
        accounts: AccountRepository,
        tokens: PersonalTokenRepository,
        authenticator: Authenticator,
        clock: Callable[[], float] = time.time,
        *,
        on_leaving: OnLeaving = lambda _: None,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._authenticator = authenticator
        self._clock = clock
        self._on_leaving = on_leaving

    async def profile(self, user_id: UserId) -> Profile:
        """Return the user's profile."""
        return await self._accounts.profile(user_id)

    async def change_profile(self, user_id: UserId, changes: dict[str, Any]) -> Profile:
        """Change attributes of the profile."""
        return await self._accounts.change_profile(user_id, changes)

    async def end_sessions(self, user_id: UserId) -> None:
        """Refuse every session that began until now; personal access tokens are revoked one by one."""
        await self._accounts.end_sessions(user_id, int(self._clock()))
        self._authenticator.forget(user_id)

    async def tokens(self, user_id: UserId) -> list[PersonalToken]:
        """Return the user's personal access tokens that have not expired."""
        return [token for token in await self._tokens.all(user_id) if token.expires_at > self._clock()]

    async def create_token(self, user_id: UserId, wanted: TokenCreate) -> tuple[PersonalToken, str]:
        """Make a personal access token; return what is kept of it, and the token itself.

        Raises:
            ProblemError: 409 when the user has as many as one may have.
        """
        if len(await self.tokens(user_id)) >= MAX_TOKENS:
            raise ProblemError(
                409, "too-many", "Too many tokens", f"There are {MAX_TOKENS} personal access tokens; revoke one first."
            )
        text, now = new_token(), int(self._clock())
        token = PersonalToken(
            id=str(ULID()),
            user_id=user_id,
            name=wanted.name,
            scopes=frozenset(wanted.scopes),
            digest=digest(text),
            created_at=now,
            expires_at=now + wanted.days * 86_400,
        )
        await self._tokens.add(user_id, token)
        return token, text

    async def revoke_token(self, user_id: UserId, token_id: str) -> None:
        """Revoke a personal access token; other pods take it for a few seconds more.

        Raises:
            ProblemError: 404.
        """
        revoked = await self._tokens.revoke(user_id, token_id)
        if revoked is None:
            raise not_found("personal access token")
        self._authenticator.forget_token(revoked)

    async def delete(self, user: Principal) -> Deletion:
        """Begin to delete everything of the user; asked again it tells how far that is."""
        await self._accounts.begin_deletion(user.user_id, user.username, int(self._clock() + GRACE_SECONDS))
        self._authenticator.forget(user.user_id)
        self._on_leaving([user.user_id])
        return await self.deletion(user.user_id)

    async def deletion(self, user_id: UserId) -> Deletion:
        """Return how far the deletion is.

        Raises:
            ProblemError: 404 when nobody asked for it.
        """
        deletion = await self._accounts.deletion(user_id)
        if deletion is None:
            raise not_found("deletion of this account")
        return deletion
