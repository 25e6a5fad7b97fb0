"""Health and metrics over HTTP, from a thread of its own: it answers also when the event loop does not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from recall_operator.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

LIVENESS_PATH: Final = "/health/live"
READINESS_PATH: Final = "/health/ready"
METRICS_PATH: Final = "/metrics"

OLDEST_KEY_SECONDS: Final = 600.0
"""A key that waited this long for a worker means that the workers are stuck."""
SILENT_LOOP_SECONDS: Final = 60.0
"""An event loop that has not turned for this long is stuck."""
LONGEST_PASS_SECONDS: Final = 600.0
"""Passes are given up long before (`queue.PASS_SECONDS`): one that goes on has lost its worker for good."""


@dataclass
class Health:
    """How the operator is; the main thread tells, the HTTP thread asks."""

    oldest_seconds: Callable[[], float] = lambda: 0.0
    longest_pass_seconds: Callable[[], float] = lambda: 0.0
    ready: bool = False
    """Standing by, or working with the first list read."""
    dead_watch: str | None = None
    """What shows that no events come any more."""
    _turned_at: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """Say that the event loop turns."""
        self._turned_at = time.monotonic()

    def ailment(self) -> str | None:
        """Return what is wrong; None when nothing is."""
        silent = time.monotonic() - self._turned_at
        if silent > SILENT_LOOP_SECONDS:
            return f"the event loop has not turned for {silent:.0f} s"
        waited = self.oldest_seconds()
        if waited > OLDEST_KEY_SECONDS:
            return f"an instance has waited {waited:.0f} s for a worker"
        longest = self.longest_pass_seconds()
        if longest > LONGEST_PASS_SECONDS:
            return f"a pass has been under way for {longest:.0f} s"
        return self.dead_watch


def serve(health: Health, port: int, address: str = "") -> ThreadingHTTPServer:
    """Answer on `port` until the returned server is shut down; 0 takes a free port.

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == METRICS_PATH:
                self._answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
            elif self.path == LIVENESS_PATH:
                ailment = health.ailment()
                self._answer(503 if ailment else 200, (ailment or "ok").encode())
            elif self.path == READINESS_PATH:
                self._answer(200 if health.ready else 503, b"ok" if health.ready else b"the first list is not read yet")
            else:
                self._answer(404, b"not found")

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Probes every few seconds are not worth a line each."""

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
