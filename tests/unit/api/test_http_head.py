"""A request's head comes in time, or its connection is closed; an answer is never cut off by it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from recall_api.http_head import BoundedHeadProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SOON, LATE = 0.05, 3600


@asynccontextmanager
async def connection(
    *, head: float, idle: float, told: asyncio.Event | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection to a server that answers "done", as soon as it is `told` to."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if told is not None:
            await told.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    class Protocol(BoundedHeadProtocol):
        head_seconds = head

    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.timeout_keep_alive = idle  # type: ignore[assignment]  # parts of a second do too
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(20):
            yield reader, writer
        writer.close()
    finally:
        server.close()


@pytest.mark.parametrize("before", [b"", REQUEST])
async def test_a_head_that_does_not_end_closes_its_connection(before: bytes) -> None:
    async with connection(head=SOON, idle=LATE) as (reader, writer):
        writer.write(before + b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert (await reader.read()).count(b"done") == (before != b"")


@pytest.mark.parametrize("data", [b"", b"\r\n", REQUEST, REQUEST + b"\r\n"])
async def test_a_connection_without_a_head_is_closed_when_it_is_idle_for_long(data: bytes) -> None:
    async with connection(head=LATE, idle=0.2) as (reader, writer):
        writer.write(data)
        with suppress(ConnectionError):  # it was closed before all was read
            await reader.read()
        assert reader.at_eof() or reader.exception()


async def test_an_answer_takes_its_time_whatever_is_sent_meanwhile() -> None:
    told = asyncio.Event()
    async with (
        connection(head=SOON, idle=LATE, told=told) as (reader, writer),
        connection(head=SOON, idle=LATE) as (
            other,
            its_writer,
        ),
    ):
        writer.write(REQUEST + b"GET / HT")
        its_writer.write(b"GET / HT")
        await other.read()  # the time for a head is over
        told.set()
        assert b"done" in await reader.read()
