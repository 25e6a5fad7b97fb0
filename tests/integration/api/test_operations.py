"""Health, configuration, headers, logs, metrics, and how a pod ends."""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recall_api.contract import MEMORIES_TABLE_ACTIONS, SIGN_IN_SCOPES, USERS_TABLE_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "http://beta.recall.localhost:8080"


def test_a_web_page_learns_how_to_sign_in(pod: Any, instance: Any) -> None:
    with pod.client() as anybody:
        config = anybody.get("/v1/config").json()
    assert config["signInUrl"] == instance.aws.endpoint
    assert config["clientId"] == instance.client_id
    assert config["issuer"] == instance.issuer
    assert config["scopes"] == list(SIGN_IN_SCOPES)
    assert config["defaultModel"] == config["models"][0]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/memories/a/b", "/metrics", "/admin", "/v1/../etc/passwd", "/v1/memories/", "/v1/mcp/"]
)
def test_what_is_not_there_is_a_problem(pod: Any, path: str) -> None:
    with pod.client() as anybody:
        answer = anybody.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:recall:problem:not-found"


def test_a_method_that_is_not_offered_is_a_problem(pod: Any) -> None:
    with pod.client() as anybody:
        answer = anybody.put("/v1/config")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/health/live", "/v1/memories", "/nothing", "/openapi.json"])
def test_every_answer_carries_the_security_headers(pod: Any, path: str) -> None:
    with pod.client() as anybody:
        headers = anybody.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["strict-transport-security"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]
    assert "server" not in headers


def test_pages_of_the_instance_alone_may_call(pod: Any) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}
    with pod.client() as anybody:
        ours = anybody.options("/v1/memories/x", headers={"Origin": ORIGIN, **asked})
        assert ours.status_code == 200
        assert ours.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in ours.headers
        refused = anybody.get("/v1/memories", headers={"Origin": ORIGIN})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ORIGIN
        assert "ETag" in refused.headers["access-control-expose-headers"]
        for origin in ("http://evil.example", "http://beta.recall.localhost", "null", ORIGIN + ".evil.example"):
            assert "access-control-allow-origin" not in anybody.get("/v1/config", headers={"Origin": origin}).headers


def test_the_description_is_whole(pod: Any) -> None:
    with pod.client() as anybody:
        document = anybody.get("/openapi.json").json()
        assert "swagger" in anybody.get("/docs").text
    schemas = document["components"]["schemas"]
    assert {"Problem", "RecalledEvent", "DeltaEvent", "CitationEvent", "DoneEvent", "MemoryView"} <= schemas.keys()
    assert "HTTPValidationError" not in schemas

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*map(references, node.values()))
        return set().union(*map(references, node)) if isinstance(node, list) else set()

    assert {reference.removeprefix("#/components/schemas/") for reference in references(document)} <= schemas.keys()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_what_users_write_is_in_no_log_metric_or_error(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], bedrock: Any
) -> None:
    token, canary = new_tokens()["access_token"], "canary-7f3a"
    pod = start_pod(RECALL_LOG_LEVEL="DEBUG")
    with pod.client(token) as user:
        memory = user.post("/v1/memories", json={"text": f"The {canary} sings.", "tags": [canary]}).json()
        user.get("/v1/memories", params={"tag": canary})
        user.patch(f"/v1/memories/{memory['id']}", json={"text": f"The {canary} sleeps."})
        user.post("/v1/recall", json={"query": f"what does the {canary} do"})
        user.post("/v1/chat", json={"message": f"What does the {canary} do?"})
        asked = {"model": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": f"And the {canary}?"}]}
        assert canary in user.post("/v1/openai/chat/completions", json=asked).text
        errors = [
            user.post("/v1/memories", json={"text": canary + "\0", canary * 9: 1}),
            user.post("/v1/memories", content=f'{{"text": "{canary}'.encode(), headers={"Content-Type": "text/x"}),
            user.get(f"/v1/{canary}"),
            user.get("/v1/memories", params={"cursor": canary}),
            user.post("/v1/chat", json={"message": "a", "model": canary}),
            user.post("/v1/openai/chat/completions", json=asked | {"model": canary}),
            user.post("/v1/openai/chat/completions", json=asked | {"seed": canary}),
            user.get(f"/v1/openai/models/{canary}"),
        ]
        httpx.post(
            f"{bedrock.endpoint}/_faults",
            json={"kind": "stream-error", "code": "ValidationException", "operation": "ConverseStream", "after": 2},
        ).raise_for_status()
        errors.append(user.post("/v1/chat", json={"message": f"Once more: {canary}?"}))
        assert "event: error" in errors[-1].text
    said = pod.log + pod.metrics() + "".join(answer.text.partition("event: error")[2] for answer in errors[-1:])
    assert '"event": "request"' in pod.log
    assert canary not in said
    assert token not in said
    assert token.split(".")[1] not in said
    # A field's name is the one thing of a request that an error repeats.
    assert all(canary not in answer.text.replace(canary * 9, "") for answer in errors[:-1])


def test_log_lines_are_json_with_route_templates(pod: Any, eventually: Callable[..., Any]) -> None:
    with pod.client() as anybody:
        request_id = anybody.get("/v1/memories/01ARZ3NDEKTSV4RRFFQ69G5FAV").headers["x-request-id"]
    line = json.loads(eventually(lambda: [line for line in pod.log.splitlines() if request_id in line])[0])
    assert (line["route"], line["status"], line["method"]) == ("/v1/memories/{memoryId}", 401, "GET")


def test_metrics_count_by_route(pod: Any) -> None:
    with pod.client() as anybody:
        anybody.get("/v1/config")
    assert 'recall_http_requests_total{method="GET",route="/v1/config",status="200"}' in pod.metrics()


def test_a_pod_without_its_tables_is_not_ready_but_alive(pod: Any, start_pod: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        start_pod(RECALL_MEMORIES_TABLE="no-such-table", seconds=4)
    assert httpx.get(f"{pod.url}/health/live").json() == {"status": "ok"}


def test_a_pod_with_bad_settings_says_which(start_pod: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="RECALL_RESIDENCY"):
        start_pod(RECALL_RESIDENCY="moon")


def test_a_stopping_pod_finishes_its_streams(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], bedrock: Any
) -> None:
    pod = start_pod()
    with pod.client(new_tokens()["access_token"]) as user:
        user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar of number 14."})
        httpx.post(
            f"{bedrock.endpoint}/_faults", json={"kind": "hold", "after": 2, "operation": "ConverseStream"}
        ).raise_for_status()
        seen: list[str] = []

        def ask() -> None:
            with user.stream("POST", "/v1/chat", json={"message": "Where is the blue bicycle?"}) as answer:
                seen.extend(answer.iter_text())

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 10
        while "event: delta" not in "".join(seen):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pod.process.send_signal(signal.SIGTERM)
        while httpx.get(f"{pod.url}/health/ready").status_code == 200:
            assert time.monotonic() < deadline
        # Until traffic goes elsewhere, requests are still served.
        with pod.client() as anybody:
            assert anybody.get("/v1/config").status_code == 200
        while True:
            try:
                httpx.get(f"{pod.url}/health/live")
            except httpx.TransportError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        httpx.delete(f"{bedrock.endpoint}/_faults").raise_for_status()
        asking.join(20)
    assert "event: done" in "".join(seen)
    assert pod.process.wait(20) in {0, -signal.SIGTERM}


def test_every_acknowledged_write_survives_a_kill(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]]
) -> None:
    token = new_tokens()["access_token"]
    pod = start_pod()
    acknowledged: set[str] = set()

    def write(writer: int) -> None:
        with pod.client(token) as user:
            for number in range(1000):
                try:
                    answer = user.post("/v1/memories", json={"text": f"Note {writer}-{number}"})
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.add(answer.json()["id"])

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    deadline = time.monotonic() + 20
    while len(acknowledged) < 40:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pod.kill()
    for thread in writers:
        thread.join()
    with start_pod().client(token) as user:
        stored, cursor = [], None
        while True:
            page = user.get("/v1/memories", params={"limit": 100} | ({"cursor": cursor} if cursor else {})).json()
            stored += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert acknowledged <= {memory["id"] for memory in stored}
        texts = [memory["text"] for memory in stored]
        assert len(texts) == len(set(texts))
        # What was written says the same in the index, and can be written again nowhere.
        assert user.post("/v1/memories", json={"text": texts[0]}).status_code == 200


def test_the_rights_that_the_contract_lists_are_enough(
    start_pod: Callable[..., Any], instance: Any, new_tokens: Callable[[], dict[str, str]]
) -> None:
    iam = instance.aws.client("iam")
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:dynamodb:*:*:table/{table}"}
        for actions, table in (
            (MEMORIES_TABLE_ACTIONS, instance.memories_table),
            (USERS_TABLE_ACTIONS, instance.users_table),
        )
    ]
    name = f"api-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="api", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    started = len(instance.aws.requests())
    pod = start_pod(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    with pod.client(new_tokens()["access_token"]) as user:
        memory = user.post("/v1/memories", json={"text": "The bus leaves at seven."}).json()
        assert user.post("/v1/recall", json={"query": "bus"}).json()["hits"]
        assert user.patch(f"/v1/memories/{memory['id']}", json={"text": "The bus leaves at eight."}).status_code == 200
        assert user.get("/v1/memories", params={"limit": 1}).status_code == 200
        assert user.delete(f"/v1/memories/{memory['id']}").status_code == 204
    used = {request["operation"] for request in instance.aws.requests()[started:] if request["service"] == "dynamodb"}
    assert used >= {"GetItem", "Query", "TransactWriteItems"}
