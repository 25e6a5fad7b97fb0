"""Every route of the OpenAPI document, as another user: never somebody's data, and 404 where an id is theirs.

The routes come from the document, so that a new one is tested without anybody remembering it; one whose ids this file
doesn't know how to make fails until it does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from recall_api.openapi_document import document_of_any_instance

from .test_memories import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

OPERATIONS = ("get", "post", "put", "patch", "delete")
# Deletes or ends the stranger's own account; test_account.py shows that it is that user's only.
OWN_END = {"deleteAccount", "signOutEverywhere"}


@dataclass(frozen=True)
class Victim:
    """A user with something of every kind, all of it with a word that nobody else has."""

    canary: str
    user_id: str
    ids: dict[str, str]
    cursors: dict[str, str]
    client: Any
    state: list[Any]
    """Everything that the victim can see, as it must stay."""


DOCUMENT = document_of_any_instance()
ROUTES = [
    pytest.param(method, path, operation, id=f"{method.upper()} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if method in OPERATIONS
]


@pytest.fixture(scope="module")
def victim(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> Iterator[Victim]:
    canary = "canary" + uuid.uuid4().hex
    with pod.client(new_tokens()["access_token"]) as client:
        user_id = client.get("/v1/account").json()["userId"]
        memory = remember(client, f"{canary} lives here", tags=[canary])
        remember(client, f"{canary} has more")
        client.patch(f"/v1/memories/{memory['id']}", json={"text": f"{canary} lived there"})
        client.patch("/v1/account", json={"displayName": canary})
        token = client.post("/v1/account/tokens", json={"name": canary, "scopes": ["chat"]}).json()
        ids = {"memoryId": memory["id"], "tokenId": token["id"]}
        # A proposal lies in a conversation: whose that is decides, whatever the proposal is.
        ids["proposalId"] = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
        if "/v1/conversations" in DOCUMENT["paths"]:
            with client.stream("POST", "/v1/chat", json=chat_body(f"{canary}?")) as answer:
                answer.read()
            items = client.get("/v1/conversations").json().get("items", [])
            if items:
                ids["conversationId"] = items[0]["id"]
        cursors = {"/v1/memories": client.get("/v1/memories", params={"limit": 1}).json()["nextCursor"]}
        yield Victim(canary, user_id, ids, cursors, client, state_of(client))


@pytest.fixture(scope="module")
def stranger(pod: Any, new_tokens: Callable[[], dict[str, str]]) -> Iterator[httpx.Client]:
    """One other user for all routes, which spares a sign-in for each."""
    with pod.client(new_tokens()["access_token"]) as client:
        yield client


def chat_body(text: str) -> dict[str, Any]:
    return {"message": text}


def example(schema: dict[str, Any], victim: Victim, name: str = "") -> Any:
    """Return a value that a schema allows, with the victim's ids where an id is asked for."""
    if "$ref" in schema:
        return example(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], victim, name)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example(schema[choice][0], victim, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            wanted = set(schema.get("required", ())) or set(list(schema.get("properties", {}))[:1])
            return {
                field: example(part, victim, field)
                for field, part in schema.get("properties", {}).items()
                if field in wanted or field in {"delete", "memoryId", "conversationId"}
            }
        case "array":
            return [example(schema.get("items", {}), victim, name)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            if name in {"delete", "memoryId", "id"}:
                return victim.ids["memoryId"]
            return victim.ids.get(name, "words of a stranger")


def state_of(client: httpx.Client) -> list[Any]:
    """Return everything that a user can see."""
    return [
        client.get(path).json()
        for path in ("/v1/memories", "/v1/memories/counts", "/v1/memories/deleted", "/v1/account", "/v1/account/tokens")
    ]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [route for route in ROUTES if cast("dict[str, Any]", route.values[2]).get("operationId") not in OWN_END],
)
def test_no_route_gives_anything_of_another_user(
    method: str, path: str, operation: dict[str, Any], victim: Victim, stranger: httpx.Client
) -> None:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    missing = set(names) - set(victim.ids) - {"model", "modelId"}
    assert not missing, f"make the victim one of {missing}, so that this route can be tried with it"
    url = path
    for name in names:
        url = url.replace(f"{{{name}}}", victim.ids.get(name, "amazon.nova-lite-v1:0"))
    query = {
        part["name"]: example(part["schema"], victim, part["name"])
        for part in operation.get("parameters", ())
        if part["in"] == "query" and part.get("required")
    }
    content = operation.get("requestBody", {}).get("content", {})
    body: dict[str, Any] = {}
    if "application/json" in content:
        body = {"json": example(content["application/json"]["schema"], victim)}
        if path == "/v1/chat":
            conversation = victim.ids.get("conversationId")
            body = {"json": chat_body("Who lives here?") | ({"conversationId": conversation} if conversation else {})}
        if path == "/v1/openai/chat/completions":
            asked = {"role": "user", "content": "Who lives here?"}
            body = {"json": {"model": "amazon.nova-lite-v1:0", "messages": [asked]}}
    answer = stranger.request(method, url, params=query, **body)
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if victim.ids.keys() & set(names):
        assert answer.status_code == 404, f"{answer.status_code}: {answer.text}"
    sent = str(body) + url + str(query)
    assert victim.canary not in answer.text or victim.canary in sent
    assert victim.user_id not in answer.text
    theirs = set(victim.ids.values()) - {value for value in victim.ids.values() if value in sent}
    assert not [value for value in theirs if value in answer.text]
    assert state_of(victim.client) == victim.state


def test_a_stranger_with_the_victims_cursor_gets_nothing(victim: Victim, stranger: httpx.Client) -> None:
    for path, cursor in victim.cursors.items():
        answer = stranger.get(path, params={"cursor": cursor})
        assert answer.status_code == 422
        assert victim.canary not in answer.text


def test_without_a_token_every_route_but_the_public_ones_is_closed(pod: Any) -> None:
    with pod.client() as nobody:
        for method, path, operation in (parameter.values for parameter in ROUTES):
            if not operation.get("security"):
                assert path.startswith(("/health/", "/v1/config", "/.well-known/")), f"{path} is open to everybody"
                continue
            answer = nobody.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
