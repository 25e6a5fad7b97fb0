"""HTTP/1.1 as uvicorn speaks it, with bounds on a request's head: uvicorn has none where httptools parses.

Whoever may send endless headers fills a pod's memory before any token is asked for; whoever may take for ever to send
them holds as many connections as a pod can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES: Final = 32_768
"""Of address and headers together; what is larger is refused with 400 and the connection closed."""


HEAD_SECONDS: Final = 20.0
"""From a head's first byte to its last; then the connection is closed (as Apache's mod_reqtimeout does)."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Refuses a head that is too large: as soon as its fields say so, or when no end of it is seen.

    Closes a connection whose head takes too long, or does not begin within uvicorn's time for idle ones, which uvicorn
    itself counts only after an answer.
    """

    head_seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None

    _in_head = False
    _field_bytes = 0
    _unended_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request."""
        super().connection_made(transport)
        self._wait(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; all of it was head if one began before it and has not ended in it."""
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head:
            self._unended_bytes += len(data)
            if self._unended_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's head is too large.")
        if self._timer is None and self.timeout_keep_alive_task is None and self._is_idle():
            self._wait(self.timeout_keep_alive)  # empty lines only, which begin no request

    def on_message_begin(self) -> None:
        """Count from here."""
        self._in_head, self._field_bytes, self._unended_bytes = True, 0, 0
        self._wait(self.head_seconds)
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
        self._stop_waiting()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._is_idle():
            self.transport.close()
        elif not self.transport.is_closing():
            self._wait(self.head_seconds)  # a head that came before the answer to the last request was told

    def _count(self, length: int) -> None:
        self._field_bytes += length
        if self._field_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("the request's head is too large")
