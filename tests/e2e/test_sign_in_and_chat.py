"""What a person does and what an attacker tries, through the running API."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from recall_local.aws import account
from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from recall_local.demo.memory_api import MemoryApi
    from recall_local.demo.sign_in import Tokens
    from tests.e2e.running_stack import RunningStack

BETA = "beta.recall.localhost"


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def check_refused(recall: RunningStack, authorization: str | None) -> None:
    with recall.api(BETA) as api:
        headers = {"Authorization": authorization} if authorization is not None else {}
        answer = api.http.get("/v1/memories", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem = answer.json()
    assert problem["status"] == 401
    assert problem["type"]
    assert problem["title"]


def test_a_person_remembers_reads_changes_and_deletes(recall: RunningStack, tokens: Tokens) -> None:
    with recall.api(BETA, tokens) as api:
        made = api.http.post("/v1/memories", json={"text": f"The shed key hangs behind the ivy. {os.urandom(4).hex()}"})
        assert made.status_code == 201
        path = made.headers["location"]
        read = api.http.get(path)
        assert read.json()["text"] == made.json()["text"]
        changed = api.http.patch(
            path, json={"text": "The shed key is gone."}, headers={"If-Match": read.headers["etag"]}
        )
        assert changed.status_code == 200
        stale = api.http.patch(path, json={"text": "Too late."}, headers={"If-Match": read.headers["etag"]})
        assert stale.status_code == 412
        assert api.http.get(path).json()["text"] == "The shed key is gone."
        assert api.http.delete(path).status_code == 204
        assert api.http.get(path).status_code == 404


def found(api: MemoryApi, query: str) -> set[str]:
    hits = api.http.post("/v1/recall", json={"query": query, "limit": 5}).json()["hits"]
    return {hit["memory"]["id"] for hit in hits}


def test_recall_finds_by_meaning_and_by_words(recall: RunningStack, tokens: Tokens) -> None:
    with recall.api(BETA, tokens) as api:
        memory = api.remember({"text": "I am allergic to peanuts."})
        for query in ("peanuts", "food I cannot eat"):
            assert eventually(lambda query=query: memory["id"] in found(api, query), what=f"recall by “{query}”")  # type: ignore[misc]


def test_chat_streams_an_answer_that_cites_its_memories(recall: RunningStack, tokens: Tokens) -> None:
    with recall.api(BETA, tokens) as api:
        memory = api.remember({"text": "The blue bicycle stands in the cellar of number 14."})

        def cited() -> set[str]:
            events = list(api.ask("Where is the blue bicycle?"))
            names = [event.name for event in events]
            assert names.count("delta") > 1
            assert names[-1] == "done"
            return {event.data["memoryId"] for event in events if event.name == "citation"}

        # Another pod than the one that stored the memory may answer; within two seconds that one knows it too.
        eventually(lambda: memory["id"] in cited(), seconds=15, what="an answer that cites the new memory")


def test_no_token_is_refused(recall: RunningStack) -> None:
    check_refused(recall, None)


def test_an_id_token_is_refused(recall: RunningStack, tokens: Tokens) -> None:
    check_refused(recall, f"Bearer {tokens.identity}")


def test_an_unsigned_token_is_refused(recall: RunningStack, tokens: Tokens) -> None:
    check_refused(recall, f"Bearer {encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims_of(tokens.access))}.")


def test_a_token_with_another_user_written_into_it_is_refused(recall: RunningStack, tokens: Tokens) -> None:
    head, _, signature = tokens.access.split(".")
    check_refused(recall, f"Bearer {head}.{encoded({**claims_of(tokens.access), 'sub': 'somebody-else'})}.{signature}")


def test_a_token_of_another_instance_is_refused(recall: RunningStack, instance: Callable[..., dict[str, Any]]) -> None:
    instance("other")
    recall.kubectl.wait("recallinstance/other", until="condition=Ready")
    foreign = recall.sign_in("other.recall.localhost", *account.demo_user(recall.stack.state))
    with recall.api("other.recall.localhost", foreign) as api:
        assert api.http.get("/v1/memories").status_code == 200
    check_refused(recall, f"Bearer {foreign.access}")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_memory_is_not_there(recall: RunningStack, tokens: Tokens, method: str) -> None:
    email, password = "stranger@recall.localhost", "Stranger-1-" + os.urandom(4).hex()
    recall.new_user(email, password)
    stranger = recall.sign_in(BETA, email, password)
    with recall.api(BETA, tokens) as owner, recall.api(BETA, stranger) as other:
        path = f"/v1/memories/{owner.remember({'text': 'Nobody else may read this.'})['id']}"
        body = {"json": {"text": "mine now"}, "headers": {"If-Match": "*"}} if method == "PATCH" else {}
        answer = other.http.request(method, path, **body)  # type: ignore[arg-type]
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert owner.http.get(path).json()["text"] == "Nobody else may read this."
