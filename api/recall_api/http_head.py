"""HTTP/1.1 as uvicorn speaks it, with a bound on a request's head: uvicorn has none where httptools parses.

Whoever may send endless headers fills a pod's memory before any token is asked for.
"""

from __future__ import annotations

from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32_768
"""Of address and headers together; what is larger is refused with 400 and the connection closed."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Refuses a head that is too large: as soon as its fields say so, or when no end of it is seen."""

    _in_head = False
    _field_bytes = 0
    _unended_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Parse what has come; all of it was head if one began before it and has not ended in it."""
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head:
            self._unended_bytes += len(data)
            if self._unended_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """Count from here."""
        self._in_head, self._field_bytes, self._unended_bytes = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request begin."""
        self._in_head = False
        super().on_headers_complete()

    def _count(self, length: int) -> None:
        self._field_bytes += length
        if self._field_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("the request's head is too large")
