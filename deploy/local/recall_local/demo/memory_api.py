"""What the tour asks of one instance's API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from httpx_sse import connect_sse

from recall_local import loopback
from recall_local.demo.sign_in import SignInPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_local.demo.sign_in import Tokens


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One event of a streamed answer."""

    name: str
    data: dict[str, Any]


class MemoryApi:
    """A signed-in user's view of one instance."""

    def __init__(self, origin: str, tokens: Tokens | None = None) -> None:
        headers = {"Authorization": f"Bearer {tokens.access}"} if tokens else {}
        self.http = loopback.client(origin, timeout=60, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        response = self.http.request(method, path, **arguments)
        if response.is_error:
            raise RuntimeError(f"{method} {path} answered {response.status_code}: {response.text[:300]}")
        return response.json() if response.content else None

    def sign_in_page(self, redirect_uri: str) -> SignInPage:
        """Return where to sign in, as the instance itself says."""
        config = self._json("GET", "/v1/config")
        return SignInPage(config["signInUrl"], config["clientId"], redirect_uri, tuple(config["scopes"]))

    def remember(self, memory: dict[str, Any]) -> dict[str, Any]:
        """Store one memory and return it with its id."""
        stored: dict[str, Any] = self._json("POST", "/v1/memories", json=memory)
        return stored

    def memories(self, *, page: int = 10) -> Iterator[dict[str, Any]]:
        """Go through all memories, `page` of them at a time."""
        cursor: str | None = None
        while True:
            found = self._json("GET", "/v1/memories", params={"limit": page} | ({"cursor": cursor} if cursor else {}))
            yield from found["items"]
            cursor = found.get("nextCursor")
            if not cursor:
                return

    def ask(self, question: str) -> Iterator[ChatEvent]:
        """Ask and go through the answer's events as they arrive.

        Raises:
            RuntimeError: the API refused, or the answer broke off.
        """
        body = {"message": question}
        with connect_sse(self.http, "POST", "/v1/chat", json=body) as source:
            if source.response.is_error:
                source.response.read()
                problem = source.response.text[:300]
                raise RuntimeError(f"POST /v1/chat answered {source.response.status_code}: {problem}")
            for event in source.iter_sse():
                data = json.loads(event.data)
                if event.event == "error":
                    raise RuntimeError(f"the answer broke off: {data}")
                yield ChatEvent(event.event, data)
