"""HTTP to `*.localhost` names, which browsers resolve to this machine (RFC 6761) and many C libraries don't."""

from __future__ import annotations

import httpx


class LoopbackTransport(httpx.HTTPTransport):
    """Connects names below `.localhost` to 127.0.0.1; the Host header keeps the name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, to this machine if its host says so."""
        if request.url.host.endswith(".localhost"):
            request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def client(base_url: str = "", *, timeout: float = 30, headers: dict[str, str] | None = None) -> httpx.Client:
    """Return a client that reaches the stack's own names; `timeout` in seconds."""
    return httpx.Client(base_url=base_url, timeout=timeout, headers=headers, transport=LoopbackTransport())
