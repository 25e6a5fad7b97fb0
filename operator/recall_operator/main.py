"""Starts the operator: health first, then the watches and the workers, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kopf
import structlog
import uvloop
from kopf._core.engines.peering import Identity
from pydantic import ValidationError

from recall_operator import health, logs
from recall_operator.aws import Aws
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes_api import KubernetesApi
from recall_operator.models.base import KIND
from recall_operator.platform import Platform
from recall_operator.queue import WorkQueue
from recall_operator.rate import RESYNC_SECONDS, any_chance, resync_delay
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients
from recall_operator.watch import Watcher, registry, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = structlog.get_logger(__name__)

_EPILOG = """
The operator connects to Kubernetes as its pod's service account, or as KUBECONFIG says, and to AWS with boto3's own
credentials (EKS Pod Identity in a cluster). Addresses of AWS services come from the platform document.

example, outside of a cluster, for two namespaces:
  recall-operator --platform platform.yaml --namespace default --namespace staging --log-level DEBUG
"""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="recall-operator",
        description="Keeps every RecallInstance and its parts on AWS true to its manifest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--platform",
        type=Path,
        default=Path("/etc/recall/platform.yaml"),
        help="what was made once per account: cluster, zone, user pool, distribution (default: %(default)s)",
    )
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        help="look after the instances of this namespace only; may be given several times (default: all namespaces)",
    )
    parser.add_argument(
        "--resync-seconds",
        type=float,
        default=RESYNC_SECONDS,
        help="look at every instance this often, ±20 %%, to mend what changed behind it (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=8080, help="port of health and metrics (default: %(default)s)")
    parser.add_argument(
        "--log-level",
        default="INFO",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="the least important logs to write (default: %(default)s)",
    )
    return parser.parse_args(words)


async def run(options: argparse.Namespace, platform: Platform) -> None:
    """Run until a signal says stop.

    Raises:
        ExceptionGroup: the watches or the workers failed for good.
    """
    clients = Clients(Aws(platform.aws.region), KubernetesApi())
    reconciler = Reconciler(platform, clients)

    async def work(key: str) -> Outcome:
        return await reconciler.reconcile(key, queue.set_rhythm)

    queue = WorkQueue(work, resync_seconds=options.resync_seconds)
    state = health.Health(queue.oldest_seconds)
    server = health.serve(state, options.port)
    helpers = [
        asyncio.create_task(queue.run(), name="queue"),
        asyncio.create_task(_list_now_and_then(clients, queue, state, options), name="list"),
        asyncio.create_task(_beat(state), name="beat"),
    ]
    try:
        await kopf.operator(
            registry=registry(Watcher(queue)),
            settings=settings(),
            standalone=True,
            # Without it Kopf asks for the Unix user's name, and a container's numeric user has none.
            identity=Identity(socket.gethostname()),
            namespaces=options.namespace,
            clusterwide=not options.namespace,
        )
    finally:
        for task in helpers:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*helpers)
        server.shutdown()
        _log.info("stopped")


async def _list_now_and_then(
    clients: Clients, queue: WorkQueue, state: health.Health, options: argparse.Namespace
) -> None:
    """List all instances at the start and at every resync: insurance against events that never came."""
    while True:
        try:
            scopes: list[str | None] = [*options.namespace] or [None]
            for namespace in scopes:
                for item in await clients.kubernetes.list_all(KIND, namespace):
                    queue.ensure(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
            state.ready = True
            delay = resync_delay(any_chance(), options.resync_seconds)
        except ApiServerError as error:
            _log.warning("list failed", error=str(error))
            delay = 5.0
        await asyncio.sleep(delay)


async def _beat(state: health.Health) -> None:
    while True:
        state.beat()
        await asyncio.sleep(1)


def main(words: Sequence[str] | None = None) -> int:
    """Run the operator; return the process' exit status."""
    options = arguments(words)
    logs.configure(options.log_level)
    try:
        platform = Platform.load(options.platform)
    except (OSError, ValidationError) as error:
        _fail(f"--platform {options.platform}", error)
        return 2
    # boto3 looks for these by itself; the API's pods get the very same variables.
    os.environ.update(platform.aws.endpoint_urls)
    uvloop.run(run(options, platform))
    return 0


def _fail(what: str, error: Any) -> None:
    sys.stderr.write(f"recall-operator: {what} can't be used: {error}\nSee `recall-operator --help`.\n")


if __name__ == "__main__":
    sys.exit(main())
