"""One JSON object a line, from Recall's own code and from libraries alike; `instance` tells whom a line is about."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Send all logs of `level` (such as `INFO`) and above to the standard output as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # At DEBUG these print whole bodies of objects and requests; botocore's INFO tells where each setting came from.
    for library, least in (
        ("kopf", "INFO"),
        ("kopf.objects", "WARNING"),
        ("botocore", "WARNING"),
        ("urllib3", "INFO"),
        ("kubernetes", "INFO"),
    ):
        names = logging.getLevelNamesMapping()
        logging.getLogger(library).setLevel(max(names[least], names[level]))
