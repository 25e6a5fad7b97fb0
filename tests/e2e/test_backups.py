"""A backup of the running beta, asked for as a person would, and a new instance that is waited for its backup."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.running_stack import RunningStack


def recall_plugin(recall: RunningStack, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl recall` as kubectl does."""
    command = [sys.executable, "-m", "recall_operator.plugin.main", *words]
    environment = {**os.environ, "KUBECONFIG": str(recall.kubectl.kubeconfig)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def backup(recall: RunningStack) -> Iterator[str]:
    """A backup of beta, deleted with its object afterwards."""
    words = ("backup", "beta", "--deletion-policy", "Delete", "--wait", "-o", "name")
    done = recall_plugin(recall, *words)
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    yield name.partition("/")[2]
    recall.kubectl.run("delete", name, "--ignore-not-found", "--timeout=120s", timeout=150)


def test_beta_is_backed_up_by_kubectl_recall(recall: RunningStack, backup: str) -> None:
    stored = recall.kubectl.get("recallbackup", backup)
    arns = {item["table"]: item["backupArn"] for item in stored["status"]["tables"]}
    dynamodb = recall.aws("dynamodb")
    for table, arn in arns.items():
        found = dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]
        assert found["SourceTableDetails"]["TableName"].endswith(f".beta.{table}")
    listed = recall_plugin(recall, "backups", "beta")
    assert listed.returncode == 0, listed.stderr
    assert all(arn in listed.stdout for arn in arns.values())
    columns = recall.kubectl.run("get", "rbk", backup, "--no-headers").split()
    assert columns[:4] == [backup, "True", "Available", "beta"]

    recall.kubectl.run("delete", "recallbackup", backup, "--timeout=120s", timeout=150)
    left = {item["BackupArn"] for item in dynamodb.list_backups()["BackupSummaries"]}
    assert not left & set(arns.values())


def test_an_operator_that_may_not_restore_says_so(
    recall: RunningStack, backup: str, instance: Callable[..., dict[str, Any]]
) -> None:
    """The local stack leaves `access.restores` off, as a platform does by default."""
    instance("restoring", tables={"memories": {"restoreFrom": {"backup": backup}}})
    condition = eventually(
        lambda: (found := recall.condition("restoring", "TablesReady")).get("reason") == "AccessDenied" and found,
        what="the missing right is named",
    )
    assert "RestoreTableFromBackup" in condition["message"], json.dumps(condition)
