"""How the stack's own aiohttp servers run: until a signal, closing at once when their clients leave."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import socket
    import ssl

STOP_SECONDS = 2.0
"""Time that running requests get at the end."""


async def stop_signal() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def start(
    application: web.Application,
    host: str,
    port: int,
    *,
    listener: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Start to serve on `host` and `port`, or on a socket that listens already.

    A handler is cancelled as soon as its client disconnects: what it was producing then stops too.
    """
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    site: web.BaseSite
    if listener is not None:
        site = web.SockSite(runner, listener, ssl_context=tls)
    else:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    return runner


async def run_until_stopped(application: web.Application, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    runner = await start(application, host, port)
    print(f"listening on {host}:{port}", flush=True)
    await stop_signal()
    await runner.cleanup()
