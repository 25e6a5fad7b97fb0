"""A build of the web app on loopback, under the headers that the stack sends, compressed as CloudFront compresses."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from recall_delivery import web
from recall_local import loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_COMPRESSED = ("text/", "application/javascript", "application/json", "application/manifest+json", "image/svg+xml")
"""What CloudFront compresses. Source: CloudFront developer guide, Serve compressed files, file types."""
_OF_THE_FILE = {"content-length", "content-type", "content-encoding", "cache-control", "connection", "date", "etag"}


def headers_of(origin: str) -> dict[str, str]:
    """Return the headers with which a running stack sends every file of its web app."""
    with loopback.client(origin) as client:
        answer = client.get("/")
    return {name: value for name, value in answer.headers.items() if name not in _OF_THE_FILE | {"server"}}


@contextmanager
def built_web_app(built: Path, headers: Mapping[str, str]) -> Iterator[int]:
    """Serve a folder that Vite wrote, as it is at each request, and yield the port; what is no file is the page."""

    def content(path: str) -> tuple[str, str, bytes, bytes]:
        key = path.lstrip("/")
        key = key if (built / key).is_file() else "index.html"
        told = web.headers(key)
        body = (built / key).read_bytes()
        compressed = gzip.compress(body) if told["ContentType"].startswith(_COMPRESSED) else b""
        return told["ContentType"], told["CacheControl"], body, compressed

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, caching, body, compressed = content(urlsplit(self.path).path)
            smaller = compressed and "gzip" in self.headers.get("accept-encoding", "")
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", kind)
            self.send_header("cache-control", caching)
            if smaller:
                self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(compressed if smaller else body)))
            self.end_headers()
            self.wfile.write(compressed if smaller else body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the test says what is wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
