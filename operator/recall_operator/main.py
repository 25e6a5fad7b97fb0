"""Starts the operator: health first, then the watches and the workers, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import kopf
import structlog
import uvloop
from kopf._core.engines.peering import Identity
from pydantic import ValidationError

from recall_operator import health, logs
from recall_operator.aws import Aws
from recall_operator.aws_inventory import Inventory
from recall_operator.aws_records import RecordBatches
from recall_operator.errors import ApiServerError
from recall_operator.events import Events
from recall_operator.kubernetes_api import KubernetesApi
from recall_operator.lease import Lease, LeaseLostError
from recall_operator.models.base import KIND
from recall_operator.platform import Platform
from recall_operator.queue import WorkQueue
from recall_operator.rate import RESYNC_SECONDS, any_chance, resync_delay
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients
from recall_operator.watch import Watcher, registry, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

LEASE: Final = "recall-operator"
DESCRIBE_EVERY: Final = 144.0
"""With a resync every ten minutes: once a day."""
LIST_SECONDS: Final = 120.0
MISSED_SECONDS: Final = 30.0
"""How soon to list again when the last list knew more than the watch."""

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
    parser.add_argument(
        "--describe-every",
        type=float,
        default=DESCRIBE_EVERY,
        help="ask AWS for settings that it tells only one resource at a time at every so manieth resync, on average; "
        "a change of the spec, a lost resource or a reconcile request asks at once (default: %(default)s)",
    )
    parser.add_argument(
        "--lease-namespace",
        default=os.environ.get("POD_NAMESPACE", "default"),
        help="where replicas agree on which one works (default: $POD_NAMESPACE, or default)",
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
    """Stand by until the Lease is this process', then work until a signal says stop.

    Raises:
        ExceptionGroup: the watches or the workers failed for good.
    """
    # A client of its own: the Lease is renewed however busy the other one is.
    lease = Lease(KubernetesApi(threads=1), options.lease_namespace, LEASE, os.environ.get("POD_NAME") or _identity())
    state = health.Health()
    server = health.serve(state, options.port)
    beat = asyncio.create_task(_beat(state), name="beat")
    standby = asyncio.create_task(lease.acquire(), name="standby")
    stop = asyncio.Event()

    def end() -> None:
        stop.set()
        standby.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        # The first process of a container has no default for signals. Kopf's own handlers come with its watches; a
        # signal between the two is kept in `stop`.
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        state.ready = True  # A standby is all that it should be.
        await standby
        state.ready = False
        await _lead(options, platform, state, lease, stop)
    except asyncio.CancelledError:
        _log.info("stopped while standing by")
    finally:
        await lease.release()
        beat.cancel()
        server.shutdown()
        _log.info("stopped")


async def _lead(
    options: argparse.Namespace, platform: Platform, state: health.Health, lease: Lease, stop: asyncio.Event
) -> None:
    aws = Inventory(
        RecordBatches(Aws(platform.aws.region)),
        platform.cluster.name,
        list_seconds=options.resync_seconds,
        describe_seconds=options.resync_seconds * options.describe_every,
    )
    clients = Clients(aws, KubernetesApi())
    events = Events(clients.kubernetes, os.environ.get("POD_NAME") or _identity())
    reconciler = Reconciler(platform, clients, events=events)

    async def work(key: str) -> Outcome:
        return await reconciler.reconcile(key, queue.set_rhythm)

    queue = WorkQueue(work, resync_seconds=options.resync_seconds)
    watcher = Watcher(queue)
    state.oldest_seconds, state.longest_pass_seconds = queue.oldest_seconds, queue.longest_pass_seconds
    watching = asyncio.create_task(
        kopf.operator(
            registry=registry(watcher),
            settings=settings(),
            standalone=True,
            stop_flag=stop,
            # Without it Kopf asks for the Unix user's name, and a container's numeric user has none.
            identity=Identity(socket.gethostname()),
            namespaces=options.namespace,
            clusterwide=not options.namespace,
        ),
        name="watches",
    )
    tasks = [
        watching,
        asyncio.create_task(lease.keep(), name="lease"),
        asyncio.create_task(queue.run(), name="queue"),
        asyncio.create_task(_list_now_and_then(clients, queue, watcher, state, options), name="list"),
    ]
    # Kopf ends at a signal; any other that ends has failed.
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if isinstance(lost := task.exception(), LeaseLostError):
            # Another replica may begin in a moment: no tidy end, which could still write.
            _log.error("lease lost", error=str(lost))
            os._exit(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _list_now_and_then(
    clients: Clients, queue: WorkQueue, watcher: Watcher, state: health.Health, options: argparse.Namespace
) -> None:
    """List all instances at the start and now and then: insurance against events that never came."""
    while True:
        try:
            scopes: list[str | None] = [*options.namespace] or [None]
            listed = [item for scope in scopes for item in await clients.kubernetes.list_all(KIND, scope)]
            for item in listed:
                queue.ensure(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
            missed, lost = watcher.compare(listed)
            if state.ready:  # The very first list comes before most of the first events.
                for key in missed:
                    queue.add(key)
                state.dead_watch = f"no event told of changes of {', '.join(lost[:3])}" if lost else None
            state.ready = True
            delay = MISSED_SECONDS if missed else min(LIST_SECONDS, options.resync_seconds)
        except ApiServerError as error:
            _log.warning("list failed", error=str(error))
            delay = 5.0
        await asyncio.sleep(resync_delay(any_chance(), delay))


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


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _fail(what: str, error: Any) -> None:
    sys.stderr.write(f"recall-operator: {what} can't be used: {error}\nSee `recall-operator --help`.\n")


if __name__ == "__main__":
    sys.exit(main())
