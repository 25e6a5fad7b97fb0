"""Where ministack decides otherwise than AWS, or takes much longer, and Recall would notice."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final


def authorize_backups_by_their_arn() -> None:
    """Let IAM decide on a backup by its ARN, as AWS does: ministack looks for tables only, and takes the rest for `*`.

    Source: Service Authorization Reference, Actions defined by Amazon DynamoDB (DescribeBackup, DeleteBackup).
    """
    from ministack.core import iam_actions

    of_tables = iam_actions.dynamodb_resource_arns

    def of_tables_and_backups(body: bytes, region: str, account_id: str) -> list[str]:
        found: list[str] = of_tables(body, region, account_id)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return found
        arn = request.get("BackupArn") if isinstance(request, dict) else None
        return [*found, arn] if isinstance(arn, str) and arn else found

    iam_actions.dynamodb_resource_arns = of_tables_and_backups


def tell_the_encryption_context() -> None:
    """Let IAM see the encryption context of a request to KMS, as AWS does: ministack offers policies nothing of it.

    Source: AWS KMS Developer Guide, Condition keys for AWS KMS (kms:EncryptionContext:context-key,
    kms:EncryptionContextKeys).
    """
    from ministack.core import iam_actions

    of_tags = iam_actions.request_tag_context

    def of_tags_and_context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = of_tags(service, action, body, params)
        if service != "kms":
            return found
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return found
        context = request.get("EncryptionContext") if isinstance(request, dict) else None
        if not isinstance(context, dict) or not context:
            return found
        pairs = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
        return {**found, **pairs, "kms:EncryptionContextKeys": list(context)}

    iam_actions.request_tag_context = of_tags_and_context


KEY_ID_TAG: Final = "recall.kug.la/key-id"


def let_a_tag_choose_a_key_id() -> None:
    """Give a new KMS key the id in its tag `KEY_ID_TAG`: an example has to name a key that every new stack has.

    AWS chooses ids by itself; nothing but the local account asks for one.
    """
    from ministack.services import kms

    create, random_id = kms._create_key, kms.new_uuid

    def create_key(data: dict[str, Any]) -> Any:
        wanted = next((tag["TagValue"] for tag in data.get("Tags", ()) if tag["TagKey"] == KEY_ID_TAG), None)
        if wanted is None:
            return create(data)
        kms.new_uuid = lambda: wanted
        try:
            return create(data)
        finally:
            kms.new_uuid = random_id

    kms._create_key = create_key


_RANGE: Final = re.compile(r"#?\w+ = :\w+ AND (#?\w+) BETWEEN (:\w+) AND (:\w+)")
"""A condition on a partition and a range of sort keys."""


def compare_keys_with_their_range() -> None:
    """Compare the sort keys of a query's partition with its range; ministack parses the condition anew for each item.

    Of 50,000 items that takes two seconds a query, in which nobody else is answered.
    """
    from ministack.services import dynamodb

    evaluate = dynamodb._evaluate_condition
    shape_of = lru_cache(maxsize=64)(_RANGE.fullmatch)

    def evaluated(
        expression: str,
        item: dict[str, Any],
        values: dict[str, Any],
        names: dict[str, str],
        slot: str = "ConditionExpression",
    ) -> bool:
        shape = shape_of(expression) if slot == "KeyConditionExpression" else None
        if shape is not None:
            sort, first, last = shape.groups()
            found = item.get(names.get(sort, sort))
            bounds = values.get(first, {}), values.get(last, {})
            if found is not None and all("S" in one for one in (found, *bounds)):
                return bool(bounds[0]["S"] <= found["S"] <= bounds[1]["S"])
        return bool(evaluate(expression, item, values, names, slot))

    dynamodb._evaluate_condition = evaluated
