"""DynamoDB as the repositories see it: items of plain Python values under keys of a partition and a sort key.

Only modules named `repository` may use this (a test reads the sources): there every key is built from a `UserId`.
"""

from __future__ import annotations

import asyncio
import base64
import random
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.errors import error_code, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

Item = dict[str, Any]
"""Attribute names and values: str, int, bool, bytes, None, lists and dicts of those."""

BATCH_GET_KEYS: Final = 100
"""Source: DynamoDB's limit for BatchGetItem."""
BATCH_WRITE_KEYS: Final = 25
"""Source: DynamoDB's limit for BatchWriteItem."""


def encode(value: Any) -> dict[str, Any]:
    """Return `value` as DynamoDB writes it.

    Raises:
        TypeError: a type that is not stored.
    """
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case None:
            return {"NULL": True}
        case list() | tuple():
            return {"L": [encode(part) for part in value]}
        case dict():
            return {"M": {name: encode(part) for name, part in value.items()}}
        case _:
            raise TypeError(f"{type(value).__name__} is not stored")


def decode(attribute: Mapping[str, Any]) -> Any:
    """Return what `encode` was given."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "B":
            return base64.b64decode(value)
        case "L":
            return [decode(part) for part in value]
        case "M":
            return {name: decode(part) for name, part in value.items()}
        case "NULL":
            return None
        case _:
            return value


def encode_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's attributes as DynamoDB writes them."""
    return {name: encode(value) for name, value in item.items()}


def decode_item(attributes: Mapping[str, Any]) -> Item:
    """Return an item's attributes as plain values."""
    return {name: decode(value) for name, value in attributes.items()}


class TransactionRefusedError(Exception):
    """A transaction of which nothing was done; `reasons` has AWS's code for each of its parts."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = tuple(reasons)

    def condition_failed(self, position: int) -> bool:
        """Say whether the condition of the part at `position` was not met."""
        return position < len(self.reasons) and self.reasons[position] == "ConditionalCheckFailed"


class DynamoDb(Protocol):
    """What a table calls: DynamoDB (`aws.Aws`), or what seals on the way to it (`encryption.storage`)."""

    async def dynamodb(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation of DynamoDB."""


class Table:
    """One table."""

    def __init__(self, aws: DynamoDb, name: str) -> None:
        self._aws = aws
        self.name = name

    @staticmethod
    def key(partition: str, sort: str) -> dict[str, Any]:
        """Return a key as DynamoDB writes it."""
        return {PARTITION_KEY: {"S": partition}, SORT_KEY: {"S": sort}}

    async def get(self, partition: str, sort: str) -> Item | None:
        """Return an item as it is now (a consistent read), or none."""
        answer = await self._aws.dynamodb(
            "GetItem", TableName=self.name, Key=self.key(partition, sort), ConsistentRead=True
        )
        return decode_item(answer["Item"]) if "Item" in answer else None

    async def get_many(self, partition: str, sorts: Sequence[str]) -> list[Item]:
        """Return those of the items that exist, in any order (consistent reads)."""
        items: list[Item] = []
        for start in range(0, len(sorts), BATCH_GET_KEYS):
            keys: list[Any] = [self.key(partition, sort) for sort in sorts[start : start + BATCH_GET_KEYS]]
            for attempt in range(8):
                request = {self.name: {"Keys": keys, "ConsistentRead": True}}
                answer = await self._aws.dynamodb("BatchGetItem", RequestItems=request)
                items.extend(decode_item(found) for found in answer["Responses"].get(self.name, []))
                unprocessed = answer.get("UnprocessedKeys", {}).get(self.name)
                keys = list(unprocessed["Keys"]) if unprocessed else []
                if not keys:
                    break
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter
            else:
                raise unavailable("Storage")
        return items

    async def put_new(self, item: Mapping[str, Any]) -> bool:
        """Write an item unless its key is taken; say whether it was written."""
        try:
            await self._aws.dynamodb(
                "PutItem",
                TableName=self.name,
                Item=encode_item(item),
                ConditionExpression="attribute_not_exists(#pk)",
                ExpressionAttributeNames={"#pk": PARTITION_KEY},
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    async def delete_many(self, partition: str, sorts: Sequence[str]) -> None:
        """Delete items, those that DynamoDB leaves unprocessed too; what is not there is no error."""
        for start in range(0, len(sorts), BATCH_WRITE_KEYS):
            requests: list[Any] = [
                {"DeleteRequest": {"Key": self.key(partition, sort)}}
                for sort in sorts[start : start + BATCH_WRITE_KEYS]
            ]
            for attempt in range(8):
                answer = await self._aws.dynamodb("BatchWriteItem", RequestItems={self.name: requests})
                requests = list(answer.get("UnprocessedItems", {}).get(self.name, []))
                if not requests:
                    break
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter
            else:
                raise unavailable("Storage")

    async def update(
        self,
        partition: str,
        sort: str,
        update: str,
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Item | None:
        """Change an item and return it as it is then; none when `condition` does not hold."""
        ((_, part),) = self.keyed_part(
            "Update", partition, sort, update=update, condition=condition, names=names, values=values
        ).items()
        try:
            answer = await self._aws.dynamodb("UpdateItem", **part, ReturnValues="ALL_NEW")
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return decode_item(answer["Attributes"])

    async def delete(self, partition: str, sort: str) -> None:
        """Delete an item; one that is not there is no error."""
        await self._aws.dynamodb("DeleteItem", TableName=self.name, Key=self.key(partition, sort))

    async def pages(
        self,
        partition: str,
        *,
        first: str,
        last: str,
        descending: bool = False,
        after: str | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[list[Item]]:
        """Yield pages of the items whose sort keys lie from `first` to `last`, both included, as they are now.

        Args:
            partition: The partition key.
            first: Least sort key.
            last: Greatest sort key.
            descending: Greatest first.
            after: A sort key to go on after (the item itself need not exist any more).
            page_size: Items that DynamoDB reads a page; none means as many as 1 MB holds.
        """
        query: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#pk": PARTITION_KEY, "#sk": SORT_KEY},
            "ExpressionAttributeValues": {":pk": {"S": partition}, ":first": {"S": first}, ":last": {"S": last}},
            "ScanIndexForward": not descending,
            "ConsistentRead": True,
        }
        if page_size is not None:
            query["Limit"] = page_size
        if after is not None:
            query["ExclusiveStartKey"] = self.key(partition, after)
        while True:
            answer = await self._aws.dynamodb("Query", **query)
            yield [decode_item(found) for found in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put_part(self, item: Mapping[str, Any], *, condition: str | None = None) -> dict[str, Any]:
        """Return a transaction's part that writes an item. `#pk` in `condition` is the partition key."""
        part: dict[str, Any] = {"TableName": self.name, "Item": encode_item(item)}
        if condition is not None:
            part |= {"ConditionExpression": condition, "ExpressionAttributeNames": {"#pk": PARTITION_KEY}}
        return {"Put": part}

    def keyed_part(
        self,
        action: str,
        partition: str,
        sort: str,
        *,
        update: str | None = None,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a transaction's part on one key: `action` is `Update`, `Delete` or `ConditionCheck`."""
        part: dict[str, Any] = {"TableName": self.name, "Key": self.key(partition, sort)}
        if update is not None:
            part["UpdateExpression"] = update
        if condition is not None:
            part["ConditionExpression"] = condition
        if names:
            part["ExpressionAttributeNames"] = dict(names)
        if values:
            part["ExpressionAttributeValues"] = encode_item(values)
        return {action: part}

    async def transact(self, parts: Iterable[Mapping[str, Any]]) -> None:
        """Do all of the parts or none. The token makes a repetition after a lost answer change nothing.

        Raises:
            TransactionRefusedError: none was done.
        """
        try:
            await self._aws.dynamodb(
                "TransactWriteItems", TransactItems=list(parts), ClientRequestToken=str(uuid.uuid4())
            )
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            response: Mapping[str, Any] = error.response
            reasons = response.get("CancellationReasons", [])
            raise TransactionRefusedError([reason.get("Code", "None") for reason in reasons]) from None
