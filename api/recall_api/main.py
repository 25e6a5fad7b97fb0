"""Start the API: `python -m recall_api.main`.

Two listeners: the public one, and `/metrics` on a port that nothing outside the cluster is routed to.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Final

import uvicorn
from prometheus_client import start_http_server
from pydantic import ValidationError

from recall_api import tracing
from recall_api.application import create_app
from recall_api.contract import DRAIN_SECONDS
from recall_api.http_head import BoundedHeadProtocol
from recall_api.settings import Settings
from recall_api.telemetry import Metrics, configure_logging, log

if TYPE_CHECKING:
    import socket

    from recall_api.health import Readiness

__all__ = ["create_app", "main"]

NOTICE_SECONDS: Final = 5.0
"""How long a stopping pod still accepts requests while it says that it is not ready: the time that Kubernetes and a
load balancer need to stop sending them. Part of `DRAIN_SECONDS`."""

GARBAGE_OBJECTS: Final = 10_000
"""Objects made, less those freed, until the garbage collector looks at them; Python's own number is 700."""


class DrainingServer(uvicorn.Server):
    """A server that first becomes unready, then stops listening, then lets running answers finish."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness) -> None:
        super().__init__(config)
        self._readiness = readiness

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as Kubernetes expects it; a second SIGINT skips the waiting."""
        self._readiness.draining = True
        log.info("draining", notice_seconds=NOTICE_SECONDS, drain_seconds=DRAIN_SECONDS)
        deadline = asyncio.get_running_loop().time() + NOTICE_SECONDS
        while asyncio.get_running_loop().time() < deadline and not self.force_exit:
            await self.on_tick(0)
            await asyncio.sleep(0.1)
        await super().shutdown(sockets)


def main() -> None:
    """Read the settings, serve until SIGTERM, drain, and end."""
    try:
        settings = Settings()
    except ValidationError as error:
        # The values stay out of it: a misplaced secret must not reach the log.
        for item in error.errors(include_input=False, include_url=False):
            sys.stderr.write(f"setting {'.'.join(map(str, item['loc']))}: {item['msg']}\n")
        sys.exit(2)
    configure_logging(settings.log_level)
    metrics = Metrics()
    traces = tracing.start(settings)
    app = create_app(settings, metrics)
    start_http_server(settings.metrics_port, settings.bind_address, registry=metrics.registry)
    config = uvicorn.Config(
        app,
        host=settings.bind_address,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than a load balancer's idle time (60 s), so that it never reuses a closed one
        timeout_graceful_shutdown=int(DRAIN_SECONDS - NOTICE_SECONDS),
        http=BoundedHeadProtocol,
    )
    # What there is now stays: the collector need not look at it again and again (decision 0193).
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])
    log.info("started", instance=settings.instance, port=settings.port, metrics_port=settings.metrics_port)
    DrainingServer(config, app.state.readiness).run()
    if traces:
        traces.shutdown()  # sends what is left


if __name__ == "__main__":
    main()
