"""What `kubectl recall orphans` reads of AWS, by real clients whose answers are given."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.stub import Stubber

from recall_operator.ownership import Owner
from recall_operator.plugin.orphans import READERS
from tests.unit.operator.fakes import platform

OWNER = Owner("test", "default", "beta", "1")


class Session:
    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, _: str) -> Any:
        return self._client


def test_a_table_that_goes_while_tables_are_read_hides_no_others() -> None:
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    tags = [{"Key": key, "Value": value} for key, value in OWNER.tags().items()]
    arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/"
    with Stubber(client) as answers:
        answers.add_response("list_tables", {"TableNames": ["gone", "left"]}, {})
        answers.add_client_error(
            "list_tags_of_resource", "ResourceNotFoundException", expected_params={"ResourceArn": f"{arn}gone"}
        )
        # A table's tags come in pages, too.
        first, second = {"Tags": tags[:1], "NextToken": "more"}, {"Tags": tags[1:]}
        answers.add_response("list_tags_of_resource", first, {"ResourceArn": f"{arn}left"})
        answers.add_response("list_tags_of_resource", second, {"ResourceArn": f"{arn}left", "NextToken": "more"})
        found = READERS["tables"](Session(client), platform())
        answers.assert_no_pending_responses()
    assert [(item.name, item.owner) for item in found] == [("left", OWNER)]
