"""Where personal access tokens are kept: under their user to be listed, and under their hash to be found."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from recall_api.auth.personal import PersonalToken, TokenScope
from recall_api.contract import PARTITION_KEY, SORT_KEY, TIME_TO_LIVE_ATTRIBUTE
from recall_api.identifiers import UserId
from recall_api.user_items import partition

if TYPE_CHECKING:
    from recall_api.storage import Item, Table

_BY_HASH: Final = "TOKEN"
"""Sort key of the item that is found by a token's hash."""


def token_key(token_id: str) -> str:
    """Return a token's sort key under its user."""
    return f"PAT#{token_id}"


def hash_partition(digest: str) -> str:
    """Return the partition in which a token is found by its hash."""
    return f"TOKEN#{digest}"


class PersonalTokenRepository:
    """Personal access tokens in the users table."""

    def __init__(self, table: Table, stored: Table | None = None) -> None:
        """`stored` is the same table as it is stored: what needs no token's name needs no user's key."""
        self._table = table
        self._stored = stored or table

    async def add(self, user_id: UserId, token: PersonalToken) -> None:
        """Keep a new token."""
        item, name = _to_item(token), {"name": token.name}
        own = item | name | {PARTITION_KEY: partition(user_id), SORT_KEY: token_key(token.id)}
        by_hash = item | {PARTITION_KEY: hash_partition(token.digest), SORT_KEY: _BY_HASH}
        if self._stored is self._table:
            by_hash |= name  # else it could not be sealed there, and whoever finds it needs no name
        await self._table.transact([self._table.put_part(own), self._table.put_part(by_hash)])

    async def all(self, user_id: UserId) -> list[PersonalToken]:
        """Return the user's tokens, the oldest first, those that have expired too."""
        pages = self._table.pages(partition(user_id), first=token_key("0"), last=token_key("Z"))
        return [_from_item(item) async for page in pages for item in page]

    async def revoke(self, user_id: UserId, token_id: str) -> PersonalToken | None:
        """Delete a token and return it; none when there was none."""
        item = await self._stored.get(partition(user_id), token_key(token_id))
        if item is None:
            return None
        await self._stored.delete(hash_partition(item["digest"]), _BY_HASH)
        # Last, so that a token that still works is still listed.
        await self._stored.delete(partition(user_id), token_key(token_id))
        return _from_item(item)

    async def used(self, user_id: UserId, token: PersonalToken, date: str) -> None:
        """Note the date of a use, unless the token was revoked meanwhile."""
        for key, sort in ((partition(user_id), token_key(token.id)), (hash_partition(token.digest), _BY_HASH)):
            await self._stored.update(
                key, sort, "SET lastUsedOn = :date", condition="attribute_exists(digest)", values={":date": date}
            )

    async def find(self, digest: str) -> PersonalToken | None:
        """Return the token with this hash: the one read that is not for a known user, because it tells who it is."""
        item = await self._stored.get(hash_partition(digest), _BY_HASH)
        if item is None or not secrets.compare_digest(item["digest"], digest):
            return None
        return _from_item(item)


def _to_item(token: PersonalToken) -> Item:
    return {
        "id": token.id,
        "userId": token.user_id,
        "scopes": sorted(token.scopes),
        "digest": token.digest,
        "createdAt": token.created_at,
        "lastUsedOn": token.last_used_on,
        TIME_TO_LIVE_ATTRIBUTE: token.expires_at,
    }


def _from_item(item: Item) -> PersonalToken:
    name = item.get("name")
    return PersonalToken(
        id=item["id"],
        user_id=UserId(item["userId"]),
        name=name if isinstance(name, str) else "",  # sealed, and not needed
        scopes=frozenset(TokenScope(scope) for scope in item["scopes"]),
        digest=item["digest"],
        created_at=item["createdAt"],
        expires_at=item[TIME_TO_LIVE_ATTRIBUTE],
        last_used_on=item["lastUsedOn"],
    )
