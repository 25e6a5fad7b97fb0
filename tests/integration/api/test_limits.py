"""One address, one user and one pod have their bounds, and say when to come back."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from recall_api.limits import client_address

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "/v1/config"


def refused(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:recall:problem:{kind}"
    return problem


def test_a_user_who_sends_too_much_is_told_when_to_come_back_and_holds_up_nobody_else(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]]
) -> None:
    pod = start_pod(RECALL_USER_REQUESTS_PER_MINUTE="5")
    with pod.client(new_tokens()["access_token"]) as user, pod.client(new_tokens()["access_token"]) as other:
        made = user.post("/v1/account/tokens", json={"name": "cli", "scopes": ["memories:read"], "days": 1})
        statuses = [user.get("/v1/memories").status_code for _ in range(4)]
        assert (made.status_code, statuses) == (201, [200] * 4)
        problem = refused(user.get("/v1/memories"), 429, "too-many-requests")
        assert problem["limit"] == "user"
        # Another token of the same user has no budget of its own.
        with pod.client(made.json()["token"]) as same:
            refused(same.get("/v1/memories"), 429, "too-many-requests")
        assert other.get("/v1/memories").status_code == 200
    assert 'recall_limited_total{limit="user"} 2.0' in pod.metrics()


def test_an_address_is_counted_before_anybody_asks_who_it_is_and_probes_are_not(start_pod: Callable[..., Any]) -> None:
    pod = start_pod(RECALL_ADDRESS_REQUESTS_PER_MINUTE="3")
    with pod.client() as anybody:
        here, there = ({"X-Forwarded-For": f"203.0.113.9, {address}"} for address in ("198.51.100.1", "198.51.100.2"))
        assert [anybody.get("/v1/memories", headers=here).status_code for _ in range(3)] == [401] * 3
        problem = refused(anybody.get(CONFIG, headers=here), 429, "too-many-requests")
        assert problem["limit"] == "address"
        assert "strict-transport-security" in anybody.get(CONFIG, headers=here).headers
        assert anybody.get(CONFIG, headers=there).status_code == 200
        assert anybody.get("/health/live", headers=here).status_code == 200


def test_a_user_is_answered_only_so_many_times_at_once(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    bedrock: Any,
    eventually: Callable[..., Any],
) -> None:
    pod = start_pod(RECALL_USER_STREAMS="1")
    with pod.client(new_tokens()["access_token"]) as user, pod.client(new_tokens()["access_token"]) as other:
        user.post("/v1/memories", json={"text": "The green kettle stands on the left shelf."})
        hold = {"kind": "hold", "after": 1, "operation": "ConverseStream"}
        httpx.post(f"{bedrock.endpoint}/_faults", json=hold).raise_for_status()
        question = {"message": "Where is the green kettle?"}
        asking = threading.Thread(target=lambda: user.post("/v1/chat", json=question))
        asking.start()
        eventually(lambda: "recall_chat_streams 1.0" in pod.metrics())
        problem = refused(user.post("/v1/chat", json=question), 429, "too-many-requests")
        assert problem["limit"] == "streams"
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        assert "event: done" in other.post("/v1/chat", json=question).text
        asking.join(20)
        assert "event: done" in user.post("/v1/chat", json=question).text


def test_questions_that_come_all_at_once_are_counted_by_every_door(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    bedrock: Any,
    eventually: Callable[..., Any],
) -> None:
    pod = start_pod(RECALL_USER_STREAMS="2")
    own = {"model": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "Hello"}]}
    doors = [("/v1/chat", {"message": "Hello", "incognito": True}), ("/v1/openai/chat/completions", own)] * 4
    hold = {"kind": "hold", "after": 1, "operation": "ConverseStream"}
    httpx.post(f"{bedrock.endpoint}/_faults", json=hold).raise_for_status()
    with pod.client(new_tokens()["access_token"]) as user, ThreadPoolExecutor(len(doors)) as pool:
        asked = [pool.submit(user.post, path, json=body) for path, body in doors]
        eventually(lambda: sum(answer.done() for answer in asked) == 6)
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        assert sorted(answer.result().status_code for answer in asked) == [200] * 2 + [429] * 6
        # A place is free again when its answer is told, and when its question was refused.
        assert user.post("/v1/chat", json={"message": "Hello", "model": "none"}).status_code == 422
        eventually(lambda: "event: done" in user.post("/v1/chat", json={"message": "Hello"}).text)


def test_a_body_that_never_ends_takes_no_place_for_long(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    bedrock: Any,
    eventually: Callable[..., Any],
) -> None:
    pod = start_pod(RECALL_BODY_SECONDS="0.3", RECALL_MAX_REQUESTS="2")
    token = new_tokens()["access_token"]
    with pod.client(token) as user:
        hold = {"kind": "hold", "after": 1, "operation": "ConverseStream"}
        httpx.post(f"{bedrock.endpoint}/_faults", json=hold).raise_for_status()
        answered: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answered.append(user.post("/v1/chat", json={"message": "Hello"})))
        asking.start()
        eventually(lambda: "recall_chat_streams 1.0" in pod.metrics())
        for path in ("/v1/memories", "/v1/imports?format=text", "/v1/mcp", "/v1/openai/chat/completions"):
            with socket.create_connection(("127.0.0.1", pod.port), timeout=20) as connection:
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: api.beta.recall.localhost\r\nAuthorization: Bearer {token}\r\n"
                    "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
                )
                connection.sendall(head.encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
                assert answer.startswith(b"HTTP/1.1 408 "), (path, answer)
                assert b"too-slow" in answer or path.startswith("/v1/openai/")
        # An answer that is waited for is no body.
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        asking.join(20)
        assert "event: done" in answered[0].text


def test_a_pod_takes_only_so_much_at_once_and_stays_alive(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    bedrock: Any,
    eventually: Callable[..., Any],
) -> None:
    pod = start_pod(RECALL_MAX_REQUESTS="1")
    with pod.client(new_tokens()["access_token"]) as user, pod.client() as anybody:
        hold = {"kind": "hold", "after": 1, "operation": "ConverseStream"}
        httpx.post(f"{bedrock.endpoint}/_faults", json=hold).raise_for_status()
        asking = threading.Thread(target=lambda: user.post("/v1/chat", json={"message": "Are you there?"}))
        asking.start()
        eventually(lambda: "recall_chat_streams 1.0" in pod.metrics())
        refused(anybody.get(CONFIG), 503, "busy")
        assert anybody.get("/health/ready").status_code == 200
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        asking.join(20)
        # The client has the whole answer a moment before the pod is done with the request.
        eventually(lambda: anybody.get(CONFIG).status_code == 200)


def test_only_what_our_own_proxies_wrote_counts_as_an_address() -> None:
    def scope(*forwarded: str) -> dict[str, Any]:
        headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
        return {"type": "http", "client": ("10.0.0.7", 1234), "headers": headers}

    assert client_address(scope("1.1.1.1, 2.2.2.2"), 0) == "10.0.0.7"
    assert client_address(scope("1.1.1.1, 2.2.2.2"), 1) == "2.2.2.2"
    assert client_address(scope("1.1.1.1", "2.2.2.2"), 2) == "1.1.1.1"
    assert client_address(scope(), 1) == "10.0.0.7"
    assert client_address(scope("2.2.2.2"), 2) == "10.0.0.7"
