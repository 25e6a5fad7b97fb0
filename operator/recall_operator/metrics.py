"""What the operator measures of itself; names follow Prometheus' conventions (base units, `_total`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

QUEUE_DEPTH = Gauge("recall_queue_depth", "Instances that wait for a worker.", registry=REGISTRY)
QUEUE_OLDEST_SECONDS = Gauge(
    "recall_queue_oldest_seconds", "Age of the instance that has waited longest for a worker.", registry=REGISTRY
)
RECONCILE_SECONDS = Histogram(
    "recall_reconcile_seconds",
    "Duration of one pass over one instance.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
CHANGES = Counter("recall_changes_total", "Changes applied, by part and action.", ["part", "action"], registry=REGISTRY)
AWS_REQUESTS = Counter(
    "recall_aws_requests_total",
    "Requests to AWS; outcome is `ok` or AWS's error code.",
    ["service", "operation", "outcome"],
    registry=REGISTRY,
)
KUBERNETES_REQUESTS = Counter(
    "recall_kubernetes_requests_total",
    "Requests to the API server; outcome is the HTTP status.",
    ["verb", "kind", "outcome"],
    registry=REGISTRY,
)
