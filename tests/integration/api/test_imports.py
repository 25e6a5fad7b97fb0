"""Imports and exports through the running API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from .test_memories import check_problem, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx


def send(user: httpx.Client, data: bytes | str, kind: str, *, dry: bool = False) -> dict[str, Any]:
    answer = user.post("/v1/imports", params={"format": kind, "dryRun": dry}, content=data)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def export(user: httpx.Client, kind: str) -> str:
    answer = user.get("/v1/exports/memories", params={"format": kind})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("kind", ["ndjson", "markdown"])
def test_an_export_goes_in_elsewhere_and_comes_out_the_same(
    user: httpx.Client, stranger: httpx.Client, kind: str
) -> None:
    first = remember(user, "One\n\n<!-- recall {} -->\n🥜 ", tags=["a", "-->"], occurredAt="2020-02-29T10:00:00+05:45")
    remember(user, "Two", pinned=True, neverSendTo=["*"])
    user.post("/v1/memories/batch", json={"create": [{"text": "Three"}], "importedFrom": "chatgpt"})
    user.patch(f"/v1/memories/{first['id']}", json={"pinned": True})
    exported = export(user, kind)
    report = send(stranger, exported, kind)
    assert (report["read"], report["stored"], report["rejected"]) == (3, 3, 0)
    assert export(stranger, kind) == exported
    # Again, it stores nothing: neither there nor where it came from.
    for somebody in (stranger, user):
        report = send(somebody, exported, kind)
        assert (report["stored"], report["duplicates"]) == (0, 3)
        assert export(somebody, kind) == exported


def test_an_id_that_is_in_the_trash_is_not_taken_again(user: httpx.Client) -> None:
    memory = remember(user, "Leaves and comes back")
    exported = export(user, "ndjson")
    user.delete(f"/v1/memories/{memory['id']}")
    assert send(user, exported, "ndjson")["stored"] == 1
    (back,) = user.get("/v1/memories").json()["items"]
    assert back["id"] != memory["id"]
    assert back["createdAt"] == memory["createdAt"]


@pytest.mark.parametrize("kind", ["ndjson", "markdown"])
def test_two_exports_in_one_file_say_different_things_under_one_id(
    user: httpx.Client, stranger: httpx.Client, kind: str
) -> None:
    memory = remember(user, "Before the change")
    before = export(user, kind)
    user.patch(f"/v1/memories/{memory['id']}", json={"text": "After the change"})
    report = send(stranger, before + export(user, kind), kind)
    assert (report["stored"], report["duplicates"], report["rejected"]) == (2, 0, 0)
    texts = {found["id"]: found["text"] for found in stranger.get("/v1/memories").json()["items"]}
    assert texts.pop(memory["id"]) == "Before the change"
    assert list(texts.values()) == ["After the change"]


def test_a_dry_run_tells_and_stores_nothing(user: httpx.Client) -> None:
    remember(user, "There already")
    lines = ["There already", "New", "New", "", "Other", "x" * 9000]
    dry = send(user, "\n".join(lines), "text", dry=True)
    assert (dry["read"], dry["stored"], dry["duplicates"], dry["rejected"]) == (4, 2, 2, 1)
    assert dry["rejects"][0]["line"] == 6
    assert [sample["text"] for sample in dry["samples"]] == ["New", "Other"]
    assert user.get("/v1/memories/counts").json()["total"] == 1
    real = send(user, "\n".join(lines), "text")
    assert {**real, "dryRun": True} == dry
    assert user.get("/v1/memories/counts").json()["bySource"] == {"typed": 1, "imported": 2}
    hits = user.post("/v1/recall", json={"query": "Other"}).json()["hits"]
    assert hits[0]["memory"]["origin"] == "text"


def test_many_are_stored_in_their_order(user: httpx.Client) -> None:
    report = send(user, "\n".join(json.dumps({"text": f"Note {number}"}) for number in range(230)), "ndjson")
    assert report["stored"] == 230
    found = [json.loads(line)["text"] for line in export(user, "ndjson").splitlines()]
    assert found == [f"Note {number}" for number in range(230)]


def test_of_chats_only_proposals_are_made(user: httpx.Client) -> None:
    message = {"sender": "human", "text": "I live in Graz. Is it nice?", "created_at": "2025-01-02T03:04:05Z"}
    export_of_claude = json.dumps([{"chat_messages": [message]}])
    refused = user.post("/v1/imports", params={"format": "claude"}, content=export_of_claude)
    check_problem(refused, 422, "invalid-request")
    report = send(user, export_of_claude, "claude", dry=True)
    assert report["samples"] == [{"text": "I live in Graz.", "tags": [], "occurredAt": "2025-01-02T03:04:05Z"}]
    assert user.get("/v1/memories/counts").json()["total"] == 0
    user.post("/v1/memories/batch", json={"create": report["samples"], "importedFrom": "claude"})
    (memory,) = user.get("/v1/memories").json()["items"]
    assert (memory["source"], memory["origin"]) == ("imported", "claude")


def test_files_may_be_larger_than_other_bodies_but_not_endless(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], user: httpx.Client
) -> None:
    assert send(user, b"\n" * 3_000_000, "text")["read"] == 0
    with start_pod(RECALL_MAX_IMPORT_BYTES="100000").client(new_tokens()["access_token"]) as limited:
        for data in (b"\n" * 100_001, (b"\n" * 50_000 for _ in range(3))):
            answer = limited.post("/v1/imports", params={"format": "text"}, content=data)
            check_problem(answer, 413, "too-large")


@pytest.mark.parametrize(("kind", "data"), [("markdown", b"PK\3\4"), ("chatgpt", b"{"), ("text", b"PK\5\6")])
def test_what_cannot_be_read_is_refused(user: httpx.Client, kind: str, data: bytes) -> None:
    answer = user.post("/v1/imports", params={"format": kind, "dryRun": True}, content=data)
    check_problem(answer, 422, "invalid-request")


def test_everything_of_an_account_can_be_taken(user: httpx.Client, stranger: httpx.Client) -> None:
    remember(stranger, "Not mine")
    memory = remember(user, "First")
    user.patch(f"/v1/memories/{memory['id']}", json={"text": "Second"})
    user.delete(f"/v1/memories/{memory['id']}")
    user.patch("/v1/account", json={"displayName": "Anna"})
    made = user.post("/v1/account/tokens", json={"name": "script", "scopes": ["chat"]}).json()
    text = user.get("/v1/account/export").text
    kinds = sorted(json.loads(line)["sk"].partition("#")[0] for line in text.splitlines())
    assert kinds == ["HIST", "HIST", "PROFILE", "TRASH"]
    assert "First" in text
    assert "Not mine" not in text
    assert made["token"] not in text
