"""Between the tables and DynamoDB: what is written is sealed, what is read is opened, whoever reads or writes it.

It has DynamoDB's operations with DynamoDB's JSON, so that a table can't tell it from DynamoDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recall_api.contract import SORT_KEY
from recall_api.encryption.cipher import NotOpenedError
from recall_api.encryption.items import (
    expressions_need_key,
    is_sealed,
    needs_key,
    opened_item,
    owner_of,
    sealed_item,
    sealed_values,
    stored_key,
)
from recall_api.encryption.keys import UnreadableError
from recall_api.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_api.aws import Aws
    from recall_api.encryption.cipher import UserCipher
    from recall_api.encryption.keys import UserKeys

_READS: Final = frozenset({"GetItem", "BatchGetItem", "Query"})


class SealedStorage:
    """DynamoDB in which everything but what `shapes` lists is sealed by the user's own key."""

    def __init__(self, aws: Aws, keys: UserKeys) -> None:
        self._aws = aws
        self._keys = keys

    async def dynamodb(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation of DynamoDB, as `Aws.dynamodb` does.

        Raises:
            ProblemError: the user's key can't be had (503), or what is stored was not sealed by it (503).
            NotSealableError: something would be stored in the clear that is not listed as clear.
        """
        match operation:
            case "BatchGetItem":
                return await self._get_many(**parameters)
            case "TransactWriteItems":
                # Each part is a map of one entry: the action, and what it is done with.
                parts = [
                    {action: await self._part(part) for action, part in item.items()}
                    for item in parameters["TransactItems"]
                ]
                return await self._aws.dynamodb(operation, **parameters | {"TransactItems": parts})
            case "BatchWriteItem" if any(
                "PutRequest" in request for requests in parameters["RequestItems"].values() for request in requests
            ):
                raise ValueError(
                    "items are not put by batch where they are sealed: a batch may be done by halves; use a transaction"
                )
            case "Query" | "BatchWriteItem":
                answer = await self._aws.dynamodb(operation, **parameters)
            case _:
                answer = await self._aws.dynamodb(operation, **await self._part(parameters, reads=operation in _READS))
        for name in ("Item", "Attributes"):
            if name in answer:
                answer[name] = await self._opened(answer[name])
        if "Items" in answer:
            answer["Items"] = [await self._opened(item) for item in answer["Items"]]
        return answer

    async def _part(self, part: Mapping[str, Any], *, reads: bool = False) -> dict[str, Any]:
        """Return a request on one item as DynamoDB is to get it."""
        item: Mapping[str, Any] = part.get("Item") or part["Key"]
        if not needs_key(item) and not expressions_need_key(part):
            return dict(part)
        cipher = await self._cipher_of(item, reads=reads)
        name = "Item" if "Item" in part else "Key"
        sealed = {**part, name: (sealed_item if name == "Item" else stored_key)(item, cipher)}
        if "ExpressionAttributeValues" in part:
            sealed["ExpressionAttributeValues"] = sealed_values(part, item, cipher)
        return sealed

    async def _cipher_of(self, key: Mapping[str, Any], *, reads: bool) -> UserCipher:
        owner = owner_of(key)
        assert owner is not None  # noqa: S101 - an item without a user needs no key
        return await (self._keys.to_look_up(owner) if reads else self._keys.to_write(owner))

    async def _get_many(self, **parameters: Any) -> dict[str, Any]:
        """Read many items; what was asked for by a hash comes back under that hash."""
        asked_as: dict[str, str] = {}

        async def stored(key: Mapping[str, Any]) -> Mapping[str, Any]:
            if not needs_key(key):
                return key
            found = stored_key(key, await self._cipher_of(key, reads=True))
            asked_as[found[SORT_KEY]["S"]] = key[SORT_KEY]["S"]
            return found

        def asked(key: dict[str, Any]) -> dict[str, Any]:
            sort: str = key[SORT_KEY]["S"]
            return {**key, SORT_KEY: {"S": asked_as.get(sort, sort)}}

        tables = {
            table: {**request, "Keys": [await stored(key) for key in request["Keys"]]}
            for table, request in parameters["RequestItems"].items()
        }
        answer = await self._aws.dynamodb("BatchGetItem", **parameters | {"RequestItems": tables})
        answer["Responses"] = {
            table: [asked(await self._opened(item)) for item in items] for table, items in answer["Responses"].items()
        }
        for request in answer.get("UnprocessedKeys", {}).values():
            request["Keys"] = [asked(key) for key in request["Keys"]]
        return answer

    async def _opened(self, item: dict[str, Any]) -> dict[str, Any]:
        if not is_sealed(item):
            return item
        owner = owner_of(item)
        assert owner is not None  # noqa: S101 - what has none is not sealed
        cipher = await self._keys.to_read(owner)
        try:
            return opened_item(item, cipher)
        except NotOpenedError:
            log.warning("item not opened", kind=item[SORT_KEY]["S"].partition("#")[0])
            raise UnreadableError from None
