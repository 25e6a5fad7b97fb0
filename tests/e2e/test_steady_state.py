"""An operator that has nothing to do writes nothing: read from the servers' own logs."""

from __future__ import annotations

import datetime
import json
import time
from typing import TYPE_CHECKING, Any

from tests.e2e.running_stack import RESYNC_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.running_stack import RunningStack

WATCHED_SECONDS = 120
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def audited(recall: RunningStack, since: datetime.datetime) -> list[dict[str, Any]]:
    """Return the operator's completed requests to the API server after `since`."""
    assert recall.audit_log is not None, "this cluster keeps no audit log here"
    events = (json.loads(line) for line in recall.audit_log.read_text().splitlines() if line.startswith("{"))
    return [
        event
        for event in events
        if event["user"]["username"] == "system:serviceaccount:recall-system:recall-operator"
        and event["stage"] == "ResponseComplete"
        and datetime.datetime.fromisoformat(event["requestReceivedTimestamp"]) > since
    ]


def test_two_ready_instances_cause_no_writes(recall: RunningStack, instance: Callable[..., dict[str, Any]]) -> None:
    instance("steady")
    recall.kubectl.wait("recallinstance/beta", "recallinstance/steady", until="condition=Ready")
    began = datetime.datetime.now(datetime.UTC)
    time.sleep(WATCHED_SECONDS)  # what is watched for is that nothing happens: there is no event to wait for
    kubernetes = [event for event in audited(recall, began) if event["verb"] in WRITES]
    assert [(event["verb"], event["requestURI"]) for event in kubernetes if "/leases/" not in event["requestURI"]] == []
    aws = [
        request
        for request in recall.aws_requests()
        if datetime.datetime.fromisoformat(request["time"]) > began and "recall-operator" in request["caller"]
    ]
    assert [(request["service"], request["operation"]) for request in aws if request["write"]] == []
    reads = [request for request in aws if not request["write"]]
    assert reads, f"with a resync every {RESYNC_SECONDS} s the operator must have looked at AWS in {WATCHED_SECONDS} s"
