"""What one writes first: Kopf handlers that call boto3 directly. The same parts, the same requests to make them.

It uses Recall's own part modules for what to ask and what to send, so that only the shape differs: handlers for
creation, change and deletion, a timer for each object as resync, one boto3 client per service on asyncio's default
threads, no queue, no shared reads, no batches, no rate limits, status by Kopf's patches.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

import boto3
import kopf
from prometheus_client import Counter, start_http_server

from recall_operator.kubernetes.client import KubernetesApi
from recall_operator.models.base import GROUP, PLURAL, VERSION
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.platform import Platform
from recall_operator.resources.catalogue import PARTS
from recall_operator.resources.part import Clients, Subject, apply
from recall_operator.resources.plan import PartState

PASSES = Counter("naive_passes", "Passes over one instance.")


class DirectAws:
    """boto3 on asyncio's default threads."""

    def __init__(self, region: str) -> None:
        self._session = boto3.session.Session(region_name=region)
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service)  # type: ignore[call-overload]
        return self._clients[service]

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation."""
        method = getattr(self._client(service), operation)
        answer: dict[str, Any] = await asyncio.to_thread(method, **parameters)
        return answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read a list with boto3's paginator where there is one."""

        def read() -> list[dict[str, Any]]:
            if not self._client(service).can_paginate(operation):
                return list(getattr(self._client(service), operation)(**parameters)[key])
            pages = self._client(service).get_paginator(operation).paginate(**parameters)
            return [item for page in pages for item in page[key]]

        return await asyncio.to_thread(read)


def register(platform: Platform, resync_seconds: float) -> None:
    """Register the handlers."""
    clients = Clients(DirectAws(platform.aws.region), KubernetesApi())

    async def make(body: kopf.Body, patch: kopf.Patch) -> None:
        try:
            await one_pass(body, patch)
        finally:
            PASSES.inc()

    async def one_pass(body: kopf.Body, patch: kopf.Patch) -> None:
        instance = RecallInstance.model_validate({"metadata": dict(body["metadata"]), "spec": dict(body["spec"])})
        metadata = instance.metadata
        owner = Owner(platform.cluster.name, metadata.namespace, metadata.name, metadata.uid)
        subject = Subject(instance, platform, owner)
        observed = {part.name: await part.observe(subject, clients) for part in PARTS}
        outputs: dict[str, str] = {}
        for part in PARTS:
            outputs |= part.outputs(subject, observed[part.name])
        assessments = [part.plan(subject, observed[part.name], outputs) for part in PARTS]
        for assessment in assessments:
            for change in assessment.changes:
                if change.waits_for is None:
                    await apply(change, clients)
        if any(item.changes or item.state is not PartState.READY for item in assessments):
            raise kopf.TemporaryError("not there yet", delay=1)
        generation = metadata.generation
        if body.get("status", {}).get("observedGeneration") != generation:
            ready = {
                "type": "Ready",
                "status": "True",
                "reason": "AllPartsReady",
                "message": "",
                "observedGeneration": generation,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            patch.status["observedGeneration"] = generation
            patch.status["conditions"] = [ready]

    @kopf.on.create(GROUP, VERSION, PLURAL)
    @kopf.on.update(GROUP, VERSION, PLURAL, field="spec")
    async def changed(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        await make(body, patch)

    @kopf.on.resume(GROUP, VERSION, PLURAL)
    async def resumed(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        await make(body, patch)

    @kopf.timer(GROUP, VERSION, PLURAL, interval=resync_seconds, initial_delay=resync_seconds)
    async def again(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        await make(body, patch)


def main() -> None:
    """Run it until a signal says stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--platform", type=Path, required=True)
    parser.add_argument("--resync-seconds", type=float, default=600)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    platform = Platform.load(options.platform)
    os.environ.update(platform.aws.endpoint_urls)
    start_http_server(options.port, "127.0.0.1")
    register(platform, options.resync_seconds)
    kopf.configure(verbose=False)
    asyncio.run(kopf.operator(standalone=True, clusterwide=True))


if __name__ == "__main__":
    main()
