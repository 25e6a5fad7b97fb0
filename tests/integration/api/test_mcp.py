"""The official MCP client against the running API."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

BICYCLE = "The blue bicycle stands in the cellar of number 14."
GUIDE = Path(__file__).parents[3] / "docs/how-to/mcp.md"
HOST = "api.beta.recall.localhost"
"""What the load balancer passes on; only the instance's own names are answered."""
HEADERS = {"Host": HOST, "Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@asynccontextmanager
async def connected(pod: Any, token: str, **options: Any) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Host": HOST, "Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(f"{pod.url}/v1/mcp", http_client=http), **options) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return dict(result.structured_content or {})


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(getattr(result.content[0], "text", ""))


@pytest.fixture
def token(new_tokens: Callable[[], dict[str, str]]) -> str:
    return new_tokens()["access_token"]


def personal(pod: Any, token: str, *scopes: str) -> str:
    with pod.client(token) as user:
        made = user.post("/v1/account/tokens", json={"name": "program", "scopes": scopes})
        return str(made.json()["token"])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_program_remembers_recalls_lists_and_forgets(pod: Any, token: str, mode: str) -> None:
    async with connected(pod, token, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"remember", "recall", "forget", "list"}
        assert all(tool.output_schema and tool.description for tool in tools.values())
        assert "context" not in str([tool.input_schema for tool in tools.values()])
        stored = await call(client, "remember", text=BICYCLE, tags=["things"], occurredAt="2026-03-01T09:00:00+01:00")
        assert stored["duplicate"] is False
        assert (await call(client, "remember", text=BICYCLE))["duplicate"] is True
        found = await call(client, "recall", query="Where is the bicycle?")
        assert found["memories"][0]["memoryId"] == stored["memoryId"]
        assert found["memories"][0]["text"] == BICYCLE
        assert found["memories"][0]["score"] > 0
        assert (await call(client, "list", tags=["things"]))["memories"][0]["tags"] == ["things"]
        assert (await call(client, "forget", memoryId=stored["memoryId"]))["restorableDays"] == 30
        assert (await call(client, "list"))["memories"] == []
    with pod.client(token) as user:
        restored = user.post(f"/v1/memories/{stored['memoryId']}/restore").json()
    assert (restored["source"], restored["origin"]) == ("accepted", "mcp")


async def test_a_list_goes_on_by_cursor_on_any_pod(pod: Any, other_pod: Any, token: str) -> None:
    seen: list[str] = []
    cursor = None
    async with connected(pod, token) as one, connected(other_pod, token) as other:
        for number in range(5):
            await call(one, "remember", text=f"Note {number}")
        for client in (one, other, one):
            page = await call(client, "list", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [memory["text"] for memory in page["memories"]]
            cursor = page["nextCursor"]
    assert cursor is None
    assert seen == [f"Note {number}" for number in reversed(range(5))]


async def test_nobody_reaches_another_users_memories(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> None:
    victim, stranger = new_tokens()["access_token"], new_tokens()["access_token"]
    async with connected(pod, victim) as client:
        first = await call(client, "remember", text=f"{BICYCLE} one")
        await call(client, "remember", text=f"{BICYCLE} two")
        cursor = (await call(client, "list", limit=1))["nextCursor"]
    async with connected(pod, stranger) as client:
        assert (await call(client, "recall", query=BICYCLE))["memories"] == []
        assert (await call(client, "list"))["memories"] == []
        assert (await refusal(client, "forget", memoryId=first["memoryId"])).endswith("There is no such memory.")
        assert (await refusal(client, "forget", memoryId="no id at all")).endswith("There is no such memory.")
        assert "cursor" in await refusal(client, "list", cursor=cursor)
        assert (await call(client, "remember", text=f"{BICYCLE} one"))["duplicate"] is False
    async with connected(pod, victim) as client:
        assert len((await call(client, "list"))["memories"]) == 2


async def test_a_memory_kept_from_a_model_is_kept_from_them_all(pod: Any, token: str) -> None:
    with pod.client(token) as user:
        user.post("/v1/memories", json={"text": BICYCLE, "neverSendTo": ["amazon.nova-lite-v1:0"]})
        user.post("/v1/memories", json={"text": "The red bicycle is secret.", "neverSendTo": ["*"]})
    async with connected(pod, token) as client:
        assert (await call(client, "recall", query="bicycle"))["memories"] == []
        assert (await call(client, "list"))["memories"] == []


async def test_a_personal_token_does_what_its_scopes_say(pod: Any, token: str) -> None:
    reading = personal(pod, token, "memories:read")
    async with connected(pod, reading) as client:
        assert (await call(client, "list"))["memories"] == []
        assert "memories:write" in await refusal(client, "remember", text=BICYCLE)
        assert "memories:write" in await refusal(client, "forget", memoryId="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    async with connected(pod, personal(pod, token, "memories:read", "memories:write")) as client:
        await call(client, "remember", text=BICYCLE)
    with pod.client(personal(pod, token, "chat")) as chatting:
        assert chatting.post("/v1/mcp", json=CALL, headers=HEADERS).status_code == 403
    with pod.client(token) as user:
        assert len(user.get("/v1/memories").json()["items"]) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("remember", {"text": " "}, "text"),
        ("remember", {"text": "a\0"}, "text"),
        ("remember", {"text": "a" * 8_001}, "text"),
        ("remember", {"text": "a", "tags": ["a"] * 21 + ["b"]}, "tags"),
        ("remember", {"text": "a", "occurredAt": "2026-03-01T09:00:00"}, "occurredAt"),
        ("recall", {"query": ""}, "query"),
        ("recall", {"query": "a", "limit": 51}, "limit"),
        ("recall", {"query": "a", "timeZone": "Moon"}, "timeZone"),
        ("list", {"limit": 0}, "limit"),
        ("list", {"cursor": "forged"}, "cursor"),
    ],
)
async def test_bad_arguments_are_refused_by_name(
    pod: Any, token: str, tool: str, arguments: dict[str, Any], field: str
) -> None:
    async with connected(pod, token) as client:
        assert field in await refusal(client, tool, **arguments)


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
def test_without_a_token_nothing_is_answered(pod: Any, authorization: str | None) -> None:
    headers = HEADERS | ({"Authorization": authorization} if authorization else {})
    answer = httpx.post(f"{pod.url}/v1/mcp", json=CALL, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "beta.recall.localhost:8080"}, 200),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://beta.recall.localhost:8080"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "api.beta.recall.localhost.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_names_and_other_pages_are_refused(pod: Any, token: str, headers: dict[str, str], status: int) -> None:
    with pod.client(token) as program:
        assert program.post("/v1/mcp", json=CALL, headers=HEADERS | headers).status_code == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_sessions_to_listen_to_or_end(pod: Any, token: str, method: str) -> None:
    with pod.client(token) as program:
        answer = program.request(method, "/v1/mcp", headers=HEADERS)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_what_the_model_reads_and_writes_is_in_no_log(start_pod: Callable[..., Any], token: str) -> None:
    talkative, canary = start_pod(RECALL_LOG_LEVEL="DEBUG"), "canary-51e0"
    async with connected(talkative, token) as client:
        stored = await call(client, "remember", text=f"The {canary} sings.", tags=[canary])
        await call(client, "recall", query=f"{canary}?")
        await call(client, "list", tags=[canary])
        await refusal(client, "remember", text=canary + "\0")
        await refusal(client, "list", cursor=canary)
        await refusal(client, canary)
        await call(client, "forget", memoryId=stored["memoryId"])
    assert '"route": "/v1/mcp"' in talkative.log
    assert canary not in talkative.log + talkative.metrics()


async def test_the_guides_settings_are_those_that_work(pod: Any, token: str) -> None:
    settings = json.loads(re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0])["mcpServers"]["recall"]
    url = settings["url"].replace("https://api.beta.example.org", pod.url)
    headers = {name: value.replace("rcl_…", token) for name, value in settings["headers"].items()}
    async with (
        httpx2.AsyncClient(headers={"Host": HOST, **headers}) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        named = {tool.name: set(tool.input_schema["properties"]) for tool in (await client.list_tools()).tools}
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", GUIDE.read_text(), re.MULTILINE)
    assert {tool: set(re.findall(r"`(\w+)`", arguments)) for tool, arguments in rows} == named
