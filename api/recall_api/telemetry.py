"""Logs and metrics: what happened and how long it took, never what it was about.

No log line and no label holds a memory, a prompt, an answer, a token or a query: lines are built from the route's
template, numbers and names of ours. A test plants canaries in all of those and looks for them in the output.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from ulid import ULID

from recall_api.tracing import SERVER, span

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds."""

log = structlog.stdlib.get_logger("recall_api")


class Metrics:
    """The API's Prometheus metrics, in a registry of their own so that each application starts at zero."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "recall_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "recall_http_request_seconds",
            "Seconds from the first byte of a request to the last byte of its answer.",
            ["method", "route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.limited = Counter(
            "recall_limited_total",
            "Requests refused by a limit: `address`, `user`, `streams` or `requests`.",
            ["limit"],
            registry=self.registry,
        )
        self.aws_calls = Counter(
            "recall_aws_calls_total",
            "Calls to AWS by outcome (`ok` or AWS's error code).",
            ["operation", "outcome"],
            registry=self.registry,
        )
        self.aws_seconds = Histogram(
            "recall_aws_call_seconds",
            "Seconds of a call to AWS.",
            ["operation"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("recall_chat_streams", "Answers being streamed now.", registry=self.registry)
        self.answers = Counter(
            "recall_chat_answers_total",
            "Streamed answers by how they ended (a stop reason, `error` or `disconnected`).",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.first_token_seconds = Histogram(
            "recall_chat_first_token_seconds",
            "Seconds from a chat request to its first words.",
            ["model"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.recall_seconds = Histogram(
            "recall_search_seconds",
            "Seconds of one search in a user's memories, with the query's embedding.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.indexes = Gauge("recall_search_indexes", "Users whose index is in memory.", registry=self.registry)
        self.index_bytes = Gauge(
            "recall_search_index_bytes", "Bytes that the indexes in memory take, about.", registry=self.registry
        )
        self.embeddings_waiting = Gauge(
            "recall_embeddings_waiting", "Memories that wait for their vector in this pod.", registry=self.registry
        )
        self.user_keys = Gauge(
            "recall_user_keys", "Users whose data key this pod keeps unwrapped.", registry=self.registry
        )
        self.user_keys_refused = Counter(
            "recall_user_keys_refused_total",
            "Data keys that KMS did not give out, by its error code (`unreachable` when it did not answer).",
            ["reason"],
            registry=self.registry,
        )


def configure_logging(level: str) -> None:
    """Write log lines as JSON to standard output, those of libraries too (they log at WARNING and above)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_values,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("recall_api").setLevel(level)


def _without_values(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace a traceback by its places: exception messages of libraries may quote what a user wrote."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        trace, places = error.__traceback__, []
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}.{code.co_name}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["trace"] = places[-20:]
    return event


class RequestTelemetry:
    """ASGI middleware: gives each request an id, logs one line for it and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; lifespan and the like pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = str(ULID())
        scope["recall.request_id"] = request_id
        status = 499  # as nginx has it: the client left before there was an answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            with span("request", SERVER) as traced:
                try:
                    await self.app(scope, receive, send_with_id)
                finally:
                    route = getattr(scope.get("route"), "path", "unknown")
                    method = scope["method"] if route != "unknown" else "other"
                    traced.update_name(f"{method} {route}")
                    traced.set_attributes(
                        {
                            "http.request.method": method,
                            "http.route": route,
                            "http.response.status_code": status,
                            "recall.request_id": request_id,
                        }
                    )
        finally:
            seconds = time.perf_counter() - began
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.request_seconds.labels(method, route).observe(seconds)
            if not route.startswith("/health/"):
                log.info(
                    "request",
                    request_id=request_id,
                    method=method,
                    route=route,
                    status=status,
                    seconds=round(seconds, 4),
                )
