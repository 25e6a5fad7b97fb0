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

from recall_operator.aws.client import Aws
from recall_operator.aws.inventory import Inventory
from recall_operator.aws.record_batches import RecordBatches
from recall_operator.backups.service import Backups
from recall_operator.errors import ApiServerError, LeaseLostError
from recall_operator.kubernetes.cache import KubernetesCache
from recall_operator.kubernetes.client import KubernetesApi
from recall_operator.kubernetes.events import Events
from recall_operator.kubernetes.lease import Lease
from recall_operator.models.base import KIND
from recall_operator.platform import Platform
from recall_operator.reconcile.queue import WorkQueue
from recall_operator.reconcile.reconciler import Reconciler
from recall_operator.reconcile.rhythm import Outcome
from recall_operator.reconcile.watches import Watcher, fingerprint, registry, settings
from recall_operator.requests.late_writes import LONGEST_SECONDS, LateWrites
from recall_operator.requests.rate import RESYNC_SECONDS, any_chance, resync_delay
from recall_operator.requests.write_gate import WriteGate
from recall_operator.resources.part import Clients
from recall_operator.telemetry import health, logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEASE: Final = "recall-operator"
DESCRIBE_EVERY: Final = 288.0
"""With a resync every ten minutes: once in two days. Eight reads of an instance then cost it 0.03 calls per resync."""
LIST_CALLS: Final = 0.07
"""With the descriptions, an instance costs at most a tenth of a call to AWS per resync."""
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
        description="Keeps every RecallInstance and its parts on AWS true to its manifest, and makes RecallBackups.",
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
        "--list-calls",
        type=float,
        default=LIST_CALLS,
        help="how many requests for account-wide lists each instance may cost per resync; where few instances share "
        "them, the lists are read less often, down to every eighth resync; 1 reads them at every one "
        "(default: %(default)s)",
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

    def hear_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            # The first process of a container has no default for signals.
            asyncio.get_running_loop().add_signal_handler(number, end)

    hear_signals()
    try:
        state.ready = True  # A standby is all that it should be.
        await standby
        state.ready = False
        await _lead(options, platform, state, lease, stop, hear_signals)
    except asyncio.CancelledError:
        _log.info("stopped while standing by")
    finally:
        await lease.release()
        beat.cancel()
        server.shutdown()
        _log.info("stopped")


async def _lead(
    options: argparse.Namespace,
    platform: Platform,
    state: health.Health,
    lease: Lease,
    stop: asyncio.Event,
    hear_signals: Callable[[], None],
) -> None:
    gate = WriteGate(lease.check)
    door = Aws(platform.aws.region, elsewhere=platform.aws.elsewhere, gate=gate)
    aws = Inventory(
        RecordBatches(door),
        platform.cluster.name,
        list_seconds=options.resync_seconds,
        describe_seconds=options.resync_seconds * options.describe_every,
        calls=options.list_calls,
    )
    cache = KubernetesCache(KubernetesApi(gate=gate), options.namespace)
    clients = Clients(aws, cache)
    events = Events(clients.kubernetes, os.environ.get("POD_NAME") or _identity())
    reconciler = Reconciler(platform, clients, events=events, late_writes=LateWrites())

    async def work(key: str) -> Outcome:
        outcome = await reconciler.reconcile(key, queue.set_rhythm)
        if outcome is Outcome.GONE:
            aws.forget(key)
        return outcome

    queue = WorkQueue(work, resync_seconds=options.resync_seconds)
    watcher = Watcher(queue, cache)
    backups = Backups(platform, Clients(door, clients.kubernetes), events, options.namespace)
    state.oldest_seconds = queue.oldest_seconds
    state.longest_pass_seconds = lambda: max(queue.longest_pass_seconds(), backups.longest_pass_seconds())

    async def watch() -> None:
        others = asyncio.all_tasks()
        watches = await kopf.spawn_tasks(
            registry=backups.watched(registry(watcher)),
            settings=settings(),
            standalone=True,
            stop_flag=stop,
            # Without it Kopf asks for the Unix user's name, and a container's numeric user has none.
            identity=Identity(socket.gethostname()),
            namespaces=options.namespace,
            clusterwide=not options.namespace,
        )
        hear_signals()  # Kopf has just put its own handlers there, which only end its watches.
        await kopf.run_tasks(watches, ignored=others)

    working = [
        asyncio.create_task(lease.keep(), name="lease"),
        asyncio.create_task(_work(cache, queue), name="queue"),
        asyncio.create_task(backups.run(), name="backups"),
        asyncio.create_task(_list_now_and_then(cache, queue, watcher, state, options), name="list"),
    ]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    watching = asyncio.create_task(watch(), name="watches")
    # None of them ends by itself but at a signal: any other that ends has failed.
    done, _ = await asyncio.wait([*working, stopping, watching], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if isinstance(lost := task.exception(), LeaseLostError):
            # Another replica may begin in a moment: no tidy end, which could still write.
            _log.error("lease lost", error=str(lost))
            os._exit(1)
    await _hand_over(working, gate, lease)
    # Kopf's watches take seconds to end under load, and only tell what nobody here works on any more.
    for ending in (stopping, watching):
        ending.cancel()
    await asyncio.gather(stopping, watching, return_exceptions=True)
    for task in done:
        task.result()


async def _hand_over(working: Sequence[asyncio.Task[None]], gate: WriteGate, lease: Lease) -> None:
    """End all work and give the Lease up as soon as the last write has been answered, or leave it to run out."""
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    # As long as the successor waits for the writes of one who was killed.
    if await asyncio.to_thread(gate.close, LONGEST_SECONDS):
        await lease.release()
        _log.info("lease released")
    else:
        _log.warning("a write got no answer: the lease is left to run out")


async def _work(cache: KubernetesCache, queue: WorkQueue) -> None:
    """Work on the queue once it is known what there is: a thousand instances would ask for nine objects each."""
    await cache.fill()
    await queue.run()


async def _list_now_and_then(
    cache: KubernetesCache, queue: WorkQueue, watcher: Watcher, state: health.Health, options: argparse.Namespace
) -> None:
    """List all instances at the start and now and then: insurance against events that never came."""
    while True:
        try:
            scopes: list[str | None] = [*options.namespace] or [None]
            listed = {}
            for scope in scopes:
                async for item in cache.listed(KIND, scope):
                    key = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
                    listed[key] = fingerprint(item["metadata"])
                    queue.ensure(key)
            missed, lost = watcher.compare(listed)
            if state.ready:  # The very first list comes before most of the first events.
                for key in missed:
                    queue.add(key)
                state.dead_watch = f"no event told of changes of {', '.join(lost[:3])}" if lost else None
                await cache.fill()
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
