"""A door before the emulated DynamoDB that refuses, loses the answers of, or half does chosen operations."""

from __future__ import annotations

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


class Door:
    """Forwards to `endpoint`; `arm` says how many of the next requests that fit go wrong, `storm` how many of all."""

    def __init__(self, endpoint: str) -> None:
        self._http = httpx.Client(base_url=endpoint, timeout=20)
        self._lock = threading.Lock()
        self._armed: list[dict[str, Any]] = []
        self._storm: dict[str, float] = {}
        self._dice = random.Random(0)
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                operation = self.headers["x-amz-target"].rpartition(".")[2]
                fault = door._take(operation, body)
                if fault == "refuse":
                    self._answer(400, json.dumps({"__type": "ThrottlingException", "message": "slow down"}).encode())
                    return
                if fault == "fail":
                    self._answer(500, json.dumps({"__type": "InternalServerError", "message": "oh"}).encode())
                    return
                left: dict[str, Any] = {}
                if fault == "half":
                    body, left = halved(json.loads(body))
                own = ("host", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
                answer = door._http.post("/", content=body, headers=headers)
                if fault == "lose":
                    self.close_connection = True
                    return
                self._answer(answer.status_code, json.dumps(answer.json() | left).encode() if left else answer.content)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.0")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def arm(self, kind: str, operation: str, containing: str, times: int = 1) -> None:
        self._armed.append({"kind": kind, "operation": operation, "containing": containing.encode(), "times": times})

    def storm(self, **shares: float) -> None:
        """From now on let this share of all requests go wrong, by kind; none of them when called without."""
        self._storm = shares

    @property
    def left(self) -> int:
        return sum(fault["times"] for fault in self._armed)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def _take(self, operation: str, body: bytes) -> str | None:
        with self._lock:
            for fault in self._armed:
                if fault["times"] and fault["operation"] == operation and fault["containing"] in body:
                    fault["times"] -= 1
                    return str(fault["kind"])
            chance = self._dice.random()
            for kind, share in self._storm.items():
                if chance < share:
                    return kind
                chance -= share
        return None


def halved(request: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the first half of a batch, to be done, and what the answer says of the second half."""
    ((table, asked),) = request["RequestItems"].items()
    items = asked["Keys"] if isinstance(asked, dict) else asked
    middle = (len(items) + 1) // 2

    def part(some: list[Any]) -> Any:
        return asked | {"Keys": some} if isinstance(asked, dict) else some

    name = "UnprocessedKeys" if isinstance(asked, dict) else "UnprocessedItems"
    left = {name: {table: part(items[middle:])}} if items[middle:] else {}
    return json.dumps(request | {"RequestItems": {table: part(items[:middle])}}).encode(), left
