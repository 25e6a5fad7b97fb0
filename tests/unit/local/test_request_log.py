"""The log of requests to the emulators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recall_local.aws import requests

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("operation", "writes"),
    [
        ("CreateTable", True),
        ("ChangeResourceRecordSets", True),
        ("UpdateUserPoolClient", True),
        ("TagResource", True),
        ("PutItem", True),
        ("ListTagsForResource", False),
        ("GetItem", False),
        ("TransactGetItems", False),
        ("AssumeRole", False),
        ("", False),
    ],
)
def test_writes_are_told_by_their_names(operation: str, writes: bool) -> None:
    assert requests.is_write(operation) is writes


def test_a_full_log_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = requests.RequestLog(path, largest=100)
    for number in range(5):
        log.write(number=number)
    assert requests.read(path)[-1]["number"] == 4
    assert requests.read(tmp_path / "log.jsonl.1")
    assert path.stat().st_size < 200


def test_a_line_that_is_not_whole_yet_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"number":1}\n{"numb')
    assert requests.read(path) == [{"number": 1}]
    assert requests.read(tmp_path / "nothing.jsonl") == []
