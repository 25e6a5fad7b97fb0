"""The example with a data key for each user, from its manifest to a deletion, under IAM's real conditions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.running_stack import RunningStack

EXAMPLE = Path(__file__).parents[2] / "deploy/examples/private.yaml"
HOST = "private.recall.localhost"
SECRET = "The safe stands behind the green curtain."


@pytest.fixture
def private(recall: RunningStack) -> Iterator[RunningStack]:
    recall.kubectl.apply(EXAMPLE)
    recall.kubectl.wait("recallinstance/private", until="condition=Ready")
    yield recall
    patch = '{"spec":{"deletionPolicy":{"tables":"Delete"}}}'
    recall.kubectl.run("patch", "recallinstance", "private", "--type=merge", f"--patch={patch}")
    recall.kubectl.run("delete", "recallinstance", "private", "--timeout=120s", timeout=150)


def rows(recall: RunningStack, role: str) -> list[dict[str, Any]]:
    table = f"recall.{recall.stack.name}.default.private.{role}"
    found: list[dict[str, Any]] = recall.aws("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
    return found


def test_what_a_user_of_private_says_is_sealed_and_gone_with_the_key(private: RunningStack) -> None:
    keys = f"recall.{private.stack.name}.default.private.keys"
    dynamodb = private.aws("dynamodb")
    assert dynamodb.describe_table(TableName=keys)["Table"]["DeletionProtectionEnabled"]
    backups = dynamodb.describe_continuous_backups(TableName=keys)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"

    private.new_user("private@recall.localhost", "Private-pass-1")
    tokens = private.sign_in(HOST, "private@recall.localhost", "Private-pass-1")
    with private.api(HOST, tokens) as api:
        api.remember({"text": SECRET, "tags": ["home"]})
        assert [memory["text"] for memory in api.memories()] == [SECRET]
        assert any(event.name == "done" for event in api.ask("Where does the safe stand?"))
        assert len(rows(private, "keys")) == 1
        assert "curtain" not in str(rows(private, "memories"))
        refused = [
            request
            for request in private.aws_requests()
            if request["service"] == "kms" and request["status"] != 200 and "private" in request["caller"]
        ]
        assert refused == []

        receipt = api.http.delete("/v1/account", params={"confirm": "delete-everything"}).json()
        assert receipt["unreadableSince"]
        assert rows(private, "keys") == []
        eventually(
            lambda: api.http.get("/v1/account/deletion").json().get("state") == "done", what="the account is deleted"
        )
    assert not [row for row in rows(private, "memories") if row["pk"]["S"].startswith("USER#")]
