"""A collector is told what a request did and how long it took, and nothing of what it was about."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-9c1d"


class Collector(ThreadingHTTPServer):
    """Takes traces as an OpenTelemetry collector does (OTLP over HTTP)."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [s for request in requests for r in request.resource_spans for g in r.scope_spans for s in g.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_trace_shows_each_call_of_a_request_and_no_word_of_the_user(
    start_pod: Callable[..., Any],
    new_tokens: Callable[[], dict[str, str]],
    collector: Collector,
    eventually: Callable[..., Any],
) -> None:
    pod = start_pod(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_BSP_SCHEDULE_DELAY="100")
    token = new_tokens()["access_token"]
    foreign = "4bf92f3577b34da6a3ce929d0e0e4736"
    with pod.client(token) as user:
        user.headers["traceparent"] = f"00-{foreign}-00f067aa0ba902b7-01"
        memory = user.post("/v1/memories", json={"text": f"The {CANARY} sings.", "tags": [CANARY]}).json()
        user.get("/v1/memories", params={"tag": CANARY})
        user.get(f"/v1/memories/{CANARY}")
        user.post("/v1/recall", json={"query": f"what does the {CANARY} do"})
        answer = user.post("/v1/chat", json={"message": f"What does the {CANARY} do?"})
        assert "event: done" in answer.text
        assert user.delete(f"/v1/memories/{memory['id']}").status_code == 204
    wanted = {"POST /v1/memories", "GET /v1/memories", "POST /v1/recall", "POST /v1/chat", "search", "chat"}
    eventually(lambda: wanted | {"DELETE /v1/memories/{memoryId}"} <= {s.name for s in collector.spans()})
    spans = {s.span_id: s for s in collector.spans()}
    writes = [s for s in spans.values() if s.name == "aws transact_write_items"]
    # Work in the background belongs to no request.
    assert "POST /v1/memories" in {spans[s.parent_span_id].name for s in writes if s.parent_span_id}
    (chat,) = [s for s in spans.values() if s.name == "chat"]
    assert spans[chat.parent_span_id].name == "POST /v1/chat"
    assert foreign not in {s.trace_id.hex() for s in spans.values()}
    told = b"".join(collector.bodies)
    assert CANARY.encode() not in told
    assert token.encode() not in told
    assert token.split(".")[1].encode() not in told
