"""Traces: which request called what of AWS, and how long each took; nothing of what it was about.

Spans are made by hand and not by OpenTelemetry's instrumentations of web frameworks and boto3: those record whole
addresses, and with them the queries and tags that users write. Names and attributes here are route templates,
operations, models and numbers. Without `OTEL_EXPORTER_OTLP_ENDPOINT` there is no exporter, and spans cost next to
nothing; the other variables of the OpenTelemetry SDK (sampler, headers, timeouts) work as its documents say.

A `traceparent` of the outside world is not believed: anybody could decide what is recorded, or join foreign traces.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from recall_api import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, SpanKind

    from recall_api.settings import Settings

tracer: Final = trace.get_tracer("recall_api", __version__)
"""Makes spans; they go nowhere until `start` was called."""

_is_exporting = False
"""Whether `start` was called: one a process, as OpenTelemetry's provider is."""

SERVER: Final = trace.SpanKind.SERVER
CLIENT: Final = trace.SpanKind.CLIENT
INTERNAL: Final = trace.SpanKind.INTERNAL


@contextmanager
def span(name: str, kind: SpanKind = INTERNAL) -> Iterator[Span]:
    """Make a span of what happens inside; of an error it holds the type, never the message, which may quote a user."""
    if not _is_exporting:  # else what goes nowhere would cost as much as a log line
        yield trace.INVALID_SPAN
        return
    with tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False) as made:
        try:
            yield made
        except Exception as error:
            made.set_attribute("error.type", type(error).__name__)
            raise


def start(settings: Settings) -> TracerProvider | None:
    """Send spans to the settings' collector; return the provider to shut down, none without a collector."""
    global _is_exporting
    if not settings.traces_endpoint:
        return None
    namespace, _, name = settings.instance.partition("/")
    resource = Resource.create(
        {
            "service.name": "recall-api",
            "service.version": __version__,
            "service.namespace": "recall",
            "k8s.namespace.name": namespace,
            "recall.instance": name,
        }
    )
    provider = TracerProvider(resource=resource, span_limits=SpanLimits(max_attribute_length=256))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _is_exporting = True
    return provider
