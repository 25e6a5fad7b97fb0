"""The application: its parts put together, in one place that can be read from top to bottom."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from recall_api import errors, health
from recall_api.aws import Aws
from recall_api.middleware import SecurityHeaders
from recall_api.telemetry import Metrics, RequestTelemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recall_api.settings import Settings


def create_app(settings: Settings, metrics: Metrics | None = None) -> FastAPI:
    """Return the application for `settings`; `metrics` are those to count in (its own when none)."""
    metrics = metrics or Metrics()
    aws = Aws(settings, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        aws.close()

    app = FastAPI(
        title="Recall",
        summary="Private memories, and language models that remember them.",
        version=version("recall"),
        lifespan=lifespan,
        redoc_url=None,
        max_body_size=settings.max_body_bytes,
        separate_input_output_schemas=False,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.readiness = health.Readiness(aws, settings)
    errors.install(app)
    app.include_router(health.router)

    # The last one added is the outermost.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.web_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Last-Event-ID"],
        expose_headers=["ETag", "Location", "Retry-After", "X-Request-Id"],
        max_age=3600,
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestTelemetry, metrics=metrics)
    return app
