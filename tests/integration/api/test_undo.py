"""Undoing, looking back, and doing many things at once, through the running API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .test_memories import check_problem, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx


def texts(user: httpx.Client, **query: Any) -> list[str]:
    answer = user.get("/v1/memories", params=query)
    assert answer.status_code == 200, answer.text
    return [memory["text"] for memory in answer.json()["items"]]


def test_a_deleted_memory_is_hidden_and_comes_back_as_it_was(user: httpx.Client) -> None:
    memory = remember(user, "The spare key lies under the pot.", tags=["home"], pinned=True)
    path = f"/v1/memories/{memory['id']}"
    assert user.delete(path).status_code == 204
    check_problem(user.get(path), 404, "not-found")
    assert texts(user) == []
    assert user.post("/v1/recall", json={"query": "spare key"}).json()["hits"] == []
    (gone,) = user.get("/v1/memories/deleted").json()["items"]
    assert gone["id"] == memory["id"]
    kept = datetime.fromisoformat(gone["goneAt"]) - datetime.fromisoformat(gone["deletedAt"])
    assert timedelta(days=30) - kept < timedelta(seconds=2)
    restored = user.post(f"{path}/restore")
    assert restored.status_code == 200
    same = {name: value for name, value in memory.items() if name not in {"duplicate", "version"}}
    assert {name: restored.json()[name] for name in same} == same
    assert user.get(path).headers["etag"] == restored.headers["etag"]
    hits = user.post("/v1/recall", json={"query": "spare key"}).json()["hits"]
    assert [hit["memory"]["id"] for hit in hits] == [memory["id"]]
    assert user.get("/v1/memories/deleted").json()["items"] == []
    # Asked again, because the answer was lost: it is there.
    assert user.post(f"{path}/restore").json() == restored.json()


def test_a_memory_that_was_said_anew_meanwhile_does_not_come_back_twice(user: httpx.Client) -> None:
    old = remember(user, "Dentist on Friday.")
    user.delete(f"/v1/memories/{old['id']}")
    new = remember(user, "Dentist on Friday.")
    problem = check_problem(user.post(f"/v1/memories/{old['id']}/restore"), 409, "duplicate")
    assert problem["memoryId"] == new["id"]


def test_what_is_deleted_permanently_is_gone(user: httpx.Client) -> None:
    now, later = remember(user, "Gone at once"), remember(user, "Gone later")
    for memory in (now, later):
        user.patch(f"/v1/memories/{memory['id']}", json={"text": f"{memory['text']}, and changed"})
    assert user.delete(f"/v1/memories/{now['id']}", params={"permanently": True}).status_code == 204
    user.delete(f"/v1/memories/{later['id']}")
    assert user.delete(f"/v1/memories/{later['id']}", params={"permanently": True}).status_code == 204
    for memory in (now, later):
        check_problem(user.post(f"/v1/memories/{memory['id']}/restore"), 404, "not-found")
        check_problem(user.get(f"/v1/memories/{memory['id']}/history"), 404, "not-found")
        check_problem(user.delete(f"/v1/memories/{memory['id']}", params={"permanently": True}), 404, "not-found")


def test_deleted_ones_are_listed_in_pages(user: httpx.Client) -> None:
    made = [remember(user, f"Note {number}")["id"] for number in range(5)]
    user.post("/v1/memories/batch", json={"delete": made})
    first = user.get("/v1/memories/deleted", params={"limit": 3}).json()
    rest = user.get("/v1/memories/deleted", params={"limit": 3, "cursor": first["nextCursor"]}).json()
    assert [memory["id"] for memory in first["items"] + rest["items"]] == made[::-1]
    assert rest["nextCursor"] is None
    # A cursor of one list is none of another.
    check_problem(user.get("/v1/memories", params={"cursor": first["nextCursor"]}), 422, "invalid-request")


def test_history_says_what_a_memory_said_before(user: httpx.Client) -> None:
    memory = remember(user, "I live in Graz.", tags=["home"])
    path = f"/v1/memories/{memory['id']}"
    user.patch(path, json={"text": "I live in Linz."})
    user.patch(path, json={"pinned": True})
    user.delete(path)
    user.post(f"{path}/restore")
    items = user.get(f"{path}/history").json()["items"]
    assert [item["action"] for item in items] == ["restored", "deleted", "updated", "updated"]
    assert [item["before"] and item["before"]["text"] for item in items] == [
        None,
        None,
        "I live in Linz.",
        "I live in Graz.",
    ]
    assert items[-1]["before"]["tags"] == ["home"]
    page = user.get(f"{path}/history", params={"limit": 3}).json()
    rest = user.get(f"{path}/history", params={"limit": 3, "cursor": page["nextCursor"]}).json()
    assert page["items"] + rest["items"] == items


def test_a_batch_tells_of_each_part(user: httpx.Client) -> None:
    there, leaving = remember(user, "There already"), remember(user, "Leaving")
    body = {
        "create": [{"text": "New"}, {"text": "There already"}, {"text": " New "}, {"text": "Otters", "tags": ["x"]}],
        "delete": [leaving["id"], "no-such-id", leaving["id"]],
    }
    answer = user.post("/v1/memories/batch", json=body).json()
    assert [item["status"] for item in answer["created"]] == ["created", "duplicate", "duplicate", "created"]
    assert answer["created"][1]["memory"]["id"] == there["id"]
    assert answer["created"][2]["memory"]["id"] == answer["created"][0]["memory"]["id"]
    assert [item["status"] for item in answer["deleted"]] == ["deleted", "not-found", "not-found"]
    assert texts(user) == ["Otters", "New", "There already"]
    hits = user.post("/v1/recall", json={"query": "new otters"}).json()["hits"]
    assert {"New", "Otters"} <= {hit["memory"]["text"] for hit in hits}


def test_batches_of_two_pods_store_nothing_twice(
    pod: Any, other_pod: Any, new_tokens: Callable[[], dict[str, str]]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = new_tokens()["access_token"]
    body = {"create": [{"text": f"Note {number}"} for number in range(60)]}
    with pod.client(token) as one, other_pod.client(token) as two, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda c: c.post("/v1/memories/batch", json=body).json(), [one, two, one, two]))
        statuses = [item["status"] for answer in answers for item in answer["created"]]
        assert statuses.count("created") == 60
        assert one.get("/v1/memories/counts").json()["total"] == 60


def test_lists_are_filtered_by_everything_at_once(user: httpx.Client) -> None:
    remember(user, "Skiing in Lech", tags=["trip", "snow"], occurredAt="2025-02-01T10:00:00+01:00", pinned=True)
    remember(user, "Sailing on Garda", tags=["trip"], occurredAt="2025-07-01T10:00:00+02:00")
    remember(user, "Snow chains are in the cellar", tags=["snow"])
    assert texts(user, anyTag=["trip", "snow"]) == [
        "Snow chains are in the cellar",
        "Sailing on Garda",
        "Skiing in Lech",
    ]
    assert texts(user, tag=["trip", "snow"]) == ["Skiing in Lech"]
    assert texts(user, pinned=False, tag="snow") == ["Snow chains are in the cellar"]
    assert texts(user, text="sNoW") == ["Snow chains are in the cellar"]
    assert texts(user, occurredAfter="2025-02-01T09:00:00Z", occurredBefore="2025-07-01T08:00:00Z") == [
        "Skiing in Lech"
    ]
    assert texts(user, createdBefore="2020-01-01T00:00:00Z") == []
    assert texts(user, source="imported") == []
    check_problem(user.get("/v1/memories", params={"pined": True}), 422, "invalid-request")


def test_counts_tell_what_is_there(user: httpx.Client) -> None:
    remember(user, "One", tags=["a", "b"], pinned=True)
    remember(user, "Two", tags=["a"])
    user.post("/v1/memories/batch", json={"create": [{"text": "Three"}], "importedFrom": "chatgpt"})
    gone = remember(user, "Four")
    user.delete(f"/v1/memories/{gone['id']}")
    assert user.get("/v1/memories/counts").json() == {
        "total": 3,
        "pinned": 1,
        "deleted": 1,
        "bySource": {"typed": 2, "imported": 1},
        "byTag": {"a": 2, "b": 1},
    }
