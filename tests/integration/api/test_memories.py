"""Memories through the running API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx


def remember(user: httpx.Client, text: str, **fields: Any) -> dict[str, Any]:
    answer = user.post("/v1/memories", json={"text": text, **fields})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def check_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:recall:problem:{kind}"
    assert problem["status"] == status
    assert problem["instance"] == f"urn:recall:request:{answer.headers['x-request-id']}"
    return problem


def test_a_memory_is_stored_and_read_as_it_was_written(user: httpx.Client) -> None:
    fields = {
        "tags": ["food", "health"],
        "occurredAt": "2026-03-01T09:00:00+01:00",
        "pinned": True,
        "neverSendTo": ["amazon.nova-lite-v1:0"],
    }
    answer = user.post("/v1/memories", json={"text": "Peanuts 🥜 are\nnot for me.", **fields})
    assert answer.status_code == 201
    stored = answer.json()
    assert stored["duplicate"] is False
    assert answer.headers["location"] == f"/v1/memories/{stored['id']}"
    read = user.get(answer.headers["location"])
    assert read.headers["etag"] == answer.headers["etag"]
    assert read.json() == {name: value for name, value in stored.items() if name != "duplicate"}
    assert {name: read.json()[name] for name in fields} == fields
    assert read.json()["text"] == "Peanuts 🥜 are\nnot for me."
    assert read.json()["source"] == "typed"


def test_what_says_the_same_is_not_stored_twice(user: httpx.Client) -> None:
    first = remember(user, "The cat is called Mizzi.")
    again = user.post("/v1/memories", json={"text": "  The cat  is called Mizzi.\n"})
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["duplicate"] is True
    assert len(user.get("/v1/memories").json()["items"]) == 1


def test_a_deleted_memory_may_be_stored_again(user: httpx.Client) -> None:
    first = remember(user, "Dentist on Friday.")
    assert user.delete(f"/v1/memories/{first['id']}").status_code == 204
    check_problem(user.get(f"/v1/memories/{first['id']}"), 404, "not-found")
    assert remember(user, "Dentist on Friday.")["id"] != first["id"]


def test_lists_are_paged_newest_first_without_gaps_or_repeats(user: httpx.Client) -> None:
    made = [remember(user, f"Note {number}")["id"] for number in range(25)]
    found, cursor, pages = [], None, 0
    while True:
        page = user.get("/v1/memories", params={"limit": 10} | ({"cursor": cursor} if cursor else {})).json()
        found += [memory["id"] for memory in page["items"]]
        pages += 1
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == made[::-1]
    assert pages == 3


def test_a_full_last_page_has_no_cursor(user: httpx.Client) -> None:
    for number in range(4):
        remember(user, f"Note {number}")
    assert user.get("/v1/memories", params={"limit": 4}).json()["nextCursor"] is None


def test_lists_can_be_filtered_by_tags(user: httpx.Client) -> None:
    for number in range(12):
        remember(user, f"Note {number}", tags=["even" if number % 2 == 0 else "odd", "all"])
    first = user.get("/v1/memories", params={"tag": ["even", "all"], "limit": 4}).json()
    rest = user.get("/v1/memories", params={"tag": ["even", "all"], "limit": 4, "cursor": first["nextCursor"]}).json()
    assert [memory["text"] for memory in first["items"]] == ["Note 10", "Note 8", "Note 6", "Note 4"]
    assert [memory["text"] for memory in rest["items"]] == ["Note 2", "Note 0"]
    assert rest["nextCursor"] is None


def test_a_cursor_of_another_user_is_refused(user: httpx.Client, stranger: httpx.Client) -> None:
    for number in range(3):
        remember(user, f"Note {number}")
    cursor = user.get("/v1/memories", params={"limit": 1}).json()["nextCursor"]
    check_problem(stranger.get("/v1/memories", params={"cursor": cursor}), 422, "invalid-request")


@pytest.mark.parametrize("cursor", ["", "x", "A" * 60, "Ä" * 20, "=" * 8, "A" * 600])
def test_a_made_up_cursor_is_refused(user: httpx.Client, cursor: str) -> None:
    check_problem(user.get("/v1/memories", params={"cursor": cursor}), 422, "invalid-request")


def test_changes_need_the_etag_that_was_read(user: httpx.Client) -> None:
    memory = remember(user, "The key hangs behind the ivy.", tags=["home"])
    path = f"/v1/memories/{memory['id']}"
    etag = user.get(path).headers["etag"]
    changed = user.patch(path, json={"text": "The key is gone."}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.json()["tags"] == ["home"]
    assert changed.headers["etag"] != etag
    check_problem(user.patch(path, json={"text": "Too late."}, headers={"If-Match": etag}), 412, "changed")
    check_problem(user.delete(path, headers={"If-Match": etag}), 412, "changed")
    assert user.get(path).json()["text"] == "The key is gone."
    assert user.delete(path, headers={"If-Match": changed.headers["etag"]}).status_code == 204


def test_absent_fields_stay_and_null_takes_the_time_away(user: httpx.Client) -> None:
    memory = remember(user, "Trip to Graz", tags=["trip"], occurredAt="2025-05-01T00:00:00Z")
    path = f"/v1/memories/{memory['id']}"
    assert user.patch(path, json={"tags": []}).json()["occurredAt"] == "2025-05-01T00:00:00Z"
    assert user.patch(path, json={"occurredAt": None}).json()["occurredAt"] is None
    assert user.get(path).json()["text"] == "Trip to Graz"


def test_a_change_that_changes_nothing_keeps_the_etag(user: httpx.Client) -> None:
    memory = remember(user, "Still the same")
    path = f"/v1/memories/{memory['id']}"
    etag = user.get(path).headers["etag"]
    assert user.patch(path, json={"text": "Still the same"}).headers["etag"] == etag


def test_a_change_to_what_another_memory_says_is_refused(user: httpx.Client) -> None:
    first, second = remember(user, "One"), remember(user, "Two")
    problem = check_problem(user.patch(f"/v1/memories/{second['id']}", json={"text": "One"}), 409, "duplicate")
    assert problem["memoryId"] == first["id"]
    # The guard of what it said before still stands; after a change it is free.
    assert user.post("/v1/memories", json={"text": "Two"}).status_code == 200
    assert user.patch(f"/v1/memories/{second['id']}", json={"text": "Three"}).status_code == 200
    assert user.post("/v1/memories", json={"text": "Two"}).status_code == 201


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_memory_is_not_there(user: httpx.Client, stranger: httpx.Client, method: str) -> None:
    memory = remember(user, "Nobody else may read this.")
    body: dict[str, Any] = {"json": {"text": "mine now"}} if method == "PATCH" else {}
    theirs = check_problem(stranger.request(method, f"/v1/memories/{memory['id']}", **body), 404, "not-found")
    never = check_problem(stranger.request(method, "/v1/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV", **body), 404, "not-found")
    assert {**theirs, "instance": ""} == {**never, "instance": ""}
    assert user.get(f"/v1/memories/{memory['id']}").json()["text"] == "Nobody else may read this."


@pytest.mark.parametrize("name", ["x", "..", "%00", "USER%23a", "01arz3ndektsv4rrffq69g5fav", "A" * 64])
def test_what_is_no_id_is_not_there(user: httpx.Client, name: str) -> None:
    assert user.get(f"/v1/memories/{name}").status_code in {404, 307}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.text"),
        ({"text": ""}, "body.text"),
        ({"text": " \n\t"}, "body.text"),
        ({"text": "x" * 8001}, "body.text"),
        ({"text": "a\0b"}, "body.text"),
        ({"text": 5}, "body.text"),
        ({"text": None}, "body.text"),
        ({"text": "a", "tags": ["t"] * 10_000}, "body.tags"),
        ({"text": "a", "tags": ["x" * 51]}, "body.tags.0"),
        ({"text": "a", "tags": "food"}, "body.tags"),
        ({"text": "a", "occurredAt": "yesterday"}, "body.occurredAt"),
        ({"text": "a", "occurredAt": "2026-01-01T00:00:00"}, "body.occurredAt"),
        ({"text": "a", "occurredAt": 1700000000}, "body.occurredAt"),
        ({"text": "a", "occurredAt": "0001-01-01T00:00:00+14:00"}, "body.occurredAt"),
        ({"text": "a", "occurredAt": "9999-12-31T23:59:59-12:00"}, "body.occurredAt"),
        ({"text": "a", "neverSendTo": ["no such name"]}, "body.neverSendTo.0"),
        ({"text": "a", "userId": "somebody"}, "body.userId"),
        ({"text": "a", "pinned": "maybe"}, "body.pinned"),
    ],
)
def test_bad_memories_are_refused_by_field(user: httpx.Client, body: dict[str, Any], field: str) -> None:
    problem = check_problem(user.post("/v1/memories", json=body), 422, "invalid-request")
    assert field in {error["field"] for error in problem["errors"]}
    assert user.get("/v1/memories").json()["items"] == []


@pytest.mark.parametrize(
    "raw",
    [
        b'{"text": "\\ud800 alone"}',
        b'{"\\ud800": 1, "text": "a"}',
        b'{"text": "a", "tags": ["\\udfff"]}',
        b"{",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"text": "\xff\xfe"}',
    ],
)
def test_bodies_that_are_no_memory_are_refused(user: httpx.Client, raw: bytes) -> None:
    answer = user.post("/v1/memories", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_beyond_the_cap_is_refused(user: httpx.Client) -> None:
    check_problem(user.post("/v1/memories", json={"text": "x" * 1_100_000}), 413, "too-large")


def test_a_text_of_the_greatest_length_is_stored(user: httpx.Client) -> None:
    text = "\U0001f95c" * 8000
    memory = remember(user, text)
    assert user.get(f"/v1/memories/{memory['id']}").json()["text"] == text


@pytest.mark.parametrize("etag", ["3", "abc", '"a', "", '"1" "2"'])
def test_a_malformed_if_match_is_refused(user: httpx.Client, etag: str) -> None:
    memory = remember(user, "One")
    answer = user.patch(f"/v1/memories/{memory['id']}", json={"text": "b"}, headers={"If-Match": etag})
    check_problem(answer, 422, "invalid-request")


def test_writers_in_two_pods_lose_nothing_and_double_nothing(
    pod: Any, other_pod: Any, new_tokens: Callable[[], dict[str, str]]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = new_tokens()["access_token"]
    with pod.client(token) as one, other_pod.client(token) as two:

        def write(number: int) -> tuple[int, str]:
            # Every text is written by both pods at nearly the same time.
            answer = (one, two)[number % 2].post("/v1/memories", json={"text": f"Note {number // 2}"})
            return answer.status_code, answer.json().get("id", "")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(write, range(48)))
        assert {status for status, _ in answers} <= {200, 201}
        assert sum(status == 201 for status, _ in answers) == 24
        items = one.get("/v1/memories", params={"limit": 100}).json()["items"]
        assert sorted(memory["text"] for memory in items) == sorted(f"Note {number}" for number in range(24))
        assert {memory_id for _, memory_id in answers} == {memory["id"] for memory in items}


def test_of_writers_with_one_etag_one_wins(user: httpx.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    memory = remember(user, "Zero")
    path = f"/v1/memories/{memory['id']}"
    headers = {"If-Match": f'"{memory["version"]}"'}
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda n: user.patch(path, json={"text": f"By {n}"}, headers=headers).status_code, range(8))
        )
    assert sorted(answers) == [200] + [412] * 7
