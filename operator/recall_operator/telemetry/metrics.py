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
AWS_SECONDS = Histogram(
    "recall_aws_request_seconds",
    "Time that AWS took to answer, without the wait for the operator's own rate limit.",
    ["service"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
AWS_RATE = Gauge(
    "recall_aws_rate",
    "Reads a second that the operator allows itself now; below its usual value while AWS throttles.",
    ["service"],
    registry=REGISTRY,
)
AWS_LIST_AGE = Gauge(
    "recall_aws_list_age_seconds",
    "How old account-wide lists of AWS may be now; more than one resync where few instances share what they cost.",
    registry=REGISTRY,
)
READY_SECONDS = Histogram(
    "recall_time_to_ready_seconds",
    "Time from the creation of an instance to its first Ready.",
    buckets=(5, 10, 20, 30, 60, 120, 300, 600, 1800),
    registry=REGISTRY,
)
DRIFT_FOUND = Counter(
    "recall_drift_found_total",
    "Parts of settled instances that were not as wanted any more, by part.",
    ["part"],
    registry=REGISTRY,
)
DRIFT_MENDED = Counter(
    "recall_drift_mended_total",
    "Parts of settled instances that were changed back, by part.",
    ["part"],
    registry=REGISTRY,
)
LEADER = Gauge("recall_leader", "1 while this replica works, 0 while it stands by.", registry=REGISTRY)
WATCH_SILENT_SECONDS = Gauge(
    "recall_watch_silent_seconds",
    "Time since the watch of instances last told anything; long when nothing happens.",
    registry=REGISTRY,
)
