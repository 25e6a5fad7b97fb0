"""The operator at 10, 100 and 1,000 instances beside a naive one: build/bench/operator.json.

`python -m tests.bench.operator [--sizes 10,100,1000]`. Real API server and etcd, emulated AWS with 20 ms more for each
request; a tiny controller stands in for pods and load balancers. Everything shares this machine's processors, so times
at the larger sizes are also those of the API server and of the emulator; the load of the machine is in the JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from recall_local.aws import emulator as aws_emulator
from recall_operator.models.base import API_VERSION, PLURAL
from recall_operator.requests.late_writes import LONGEST_SECONDS
from tests.bench import environments
from tests.bench.operator.control_plane import ControlPlane, free_port
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "eu-west-1"
LATENCY_SECONDS = 0.02
POISONED = "poisoned"
COLLECTION = f"/apis/{API_VERSION}/namespaces/default/{PLURAL}"
OUTPUT = Path("build/bench/operator.json")
CHANGES = 20
POISON_CHANGES = 10
MINUTES = itertools.cycle(range(10, 55))
"""What specs are changed to: never twice the same within one measurement."""
RESYNC_SECONDS = {10: 10, 100: 20, 1000: 60}
"""Shorter than in production so that several resyncs fit; figures are per resync."""
RESYNCS = 10
"""Over how many resyncs the steady state is counted: lists are shared by several where there are few instances."""


def wait(done: Callable[[], bool], seconds: float, what: str, every: float = 0.2) -> None:
    """Wait until something is so; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


@dataclass
class Stand:
    """A cluster and an AWS of one measurement."""

    folder: Path
    control: ControlPlane
    endpoint: str
    platform: Path
    environment: dict[str, str]
    deadline: float
    """When the measurement has taken too long, on the monotonic clock."""

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the requests that AWS got, from the `since`-th on."""
        with urllib.request.urlopen(f"{self.endpoint}/_requests?since={since}", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def left(self) -> float:
        """Return how many seconds the measurement may still take."""
        return max(1.0, self.deadline - time.monotonic())

    def listed(self) -> list[dict[str, Any]]:
        """Return all instances."""
        items: list[dict[str, Any]] = self.control.request("GET", COLLECTION)[1]["items"]
        return items

    def apply(self, names: list[str]) -> None:
        """Make instances, some at a time."""

        def make(name: str) -> None:
            body = {
                "apiVersion": API_VERSION,
                "kind": "RecallInstance",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"hostname": f"{name}.example.org"},
            }
            status, answer = self.control.request("POST", COLLECTION, body)
            assert status == 201, answer

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(make, names))

    def change(self, name: str, minutes: int) -> float:
        """Change one instance's spec; return when, in Unix time."""
        began = time.time()
        body = {"spec": {"signIn": {"accessTokenMinutes": minutes}}}
        status, answer = self.control.request("PATCH", f"{COLLECTION}/{name}", body)
        assert status == 200, answer
        return began

    def ready(self, name: str) -> bool:
        """Whether one instance is Ready as its spec is now."""
        return is_ready(self.control.request("GET", f"{COLLECTION}/{name}")[1])

    def all_ready(self, count: int) -> bool:
        """Whether so many instances are Ready."""
        return sum(map(is_ready, self.listed())) >= count


def is_ready(item: dict[str, Any]) -> bool:
    """Whether an instance is Ready as its spec is now."""
    conditions = {entry["type"]: entry for entry in item.get("status", {}).get("conditions", [])}
    found = conditions.get("Ready", {})
    return found.get("status") == "True" and found.get("observedGeneration") == item["metadata"]["generation"]


class Operator:
    """One process under measurement."""

    def __init__(self, stand: Stand, module: str, resync_seconds: float) -> None:
        self.port = free_port()
        # As its image has them: the packages of development would be in the figure of its memory.
        python = environments.python("operator", "--require-hashes", "-r", "requirements/operator.txt")
        command = [str(python), "-m", module, f"--platform={stand.platform}", f"--port={self.port}"]
        command.append(f"--resync-seconds={resync_seconds}")
        self.log = (stand.folder / f"{module}.log").open("ab")
        self.process = subprocess.Popen(command, env=stand.environment, stdout=self.log, stderr=self.log)
        wait(lambda: open_port(self.port) or self.process.poll() is not None, 60, f"{module}'s start")
        if self.process.poll() is not None:
            raise RuntimeError(f"{module} did not start:\n{Path(self.log.name).read_text()[-2000:]}")

    def metric(self, name: str, **without: str) -> float:
        """Return the sum of a metric's samples; `without` leaves out those with a label's value."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        total = 0.0
        for line in text.splitlines():
            found = re.match(rf"{name}(\{{.*\}})? (\S+)$", line)
            if found and not any(f'{label}="{value}"' in (found[1] or "") for label, value in without.items()):
                total += float(found[2])
        return total

    def megabytes(self) -> float:
        """Return the resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, 1)  # type: ignore[index]

    def stop(self) -> None:
        """Stop it in order."""
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def stand(limit: float) -> Any:
    """Start everything that an operator needs, and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="recall-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "aws").mkdir()
        control = ControlPlane(folder)
        stack.callback(control.stop)
        control.start()

        def start(*command: str) -> None:
            log = stack.enter_context((folder / "others.log").open("ab"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(lambda: (process.kill(), process.wait()))

        port, slow = free_port(), free_port()
        endpoint = f"http://127.0.0.1:{port}"
        start(*aws_emulator.command(folder / "aws", "127.0.0.1", port, region=REGION))
        wait(lambda: aws_emulator.is_ready(endpoint), 30, "the emulated AWS")
        start(
            sys.executable, "-m", "tests.bench.operator.slow_aws", str(slow), endpoint, str(LATENCY_SECONDS), POISONED
        )
        start(sys.executable, "-m", "tests.bench.operator.availability", str(control.kubeconfig))
        facts = account(endpoint)
        document = facts | {"aws": facts["aws"] | {"endpointUrls": {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{slow}"}}}
        (folder / "platform.yaml").write_text(yaml.safe_dump(document))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | {
            "PYTHONPATH": os.pathsep.join(("operator", "api", ".")),
            "KUBECONFIG": str(control.kubeconfig),
            "AWS_ACCESS_KEY_ID": aws_emulator.ROOT_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": aws_emulator.ROOT_SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            # As the chart sets them.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_TRIM_THRESHOLD_": "65536",
        }
        wait(lambda: open_port(slow), 30, "the proxy before it")
        yield Stand(
            folder, control, f"http://127.0.0.1:{slow}", folder / "platform.yaml", environment, time.monotonic() + limit
        )


def open_port(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def account(endpoint: str) -> dict[str, Any]:
    """Make what is made once per account; return the Platform document."""

    def client(service: str) -> Any:
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=aws_emulator.ROOT_ACCESS_KEY,
            aws_secret_access_key=aws_emulator.ROOT_SECRET_KEY,
        )

    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = client("iam").create_role(RoleName="eks", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    client("eks").create_cluster(name="bench", roleArn=role, resourcesVpcConfig={})
    pool = client("cognito-idp").create_user_pool(PoolName="bench")["UserPool"]["Id"]
    zone = client("route53").create_hosted_zone(Name="example.org", CallerReference="bench")["HostedZone"]["Id"]
    facts = platform().model_dump(mode="json", by_alias=True)
    facts["cluster"]["name"] = "bench"
    facts["dns"]["hostedZoneId"] = zone.rsplit("/", 1)[1]
    facts["identity"]["userPoolId"] = pool
    return facts


def measure(module: str, size: int, limit: float) -> tuple[dict[str, Any], float | None]:
    """Return the figures of one operator at one size, and the slowdown by a poisoned instance.

    What was not reached within `limit` seconds is None, and `stopped` says at what it was.
    """
    passes = "naive_passes_total" if module.endswith("naive") else "recall_reconcile_seconds_count"
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    ratio: float | None = None
    names = [f"i{number:04}" for number in range(size)]
    with stand(limit) as here:
        operator = Operator(here, module, RESYNC_SECONDS.get(size, 60))
        try:
            began = time.monotonic()
            here.apply(names)
            wait(lambda: here.all_ready(size), here.left(), f"{size} instances Ready", max(0.2, size / 250))
            figures["all_ready_s"] = round(time.monotonic() - began, 1)
            figures["rss_mb"] = operator.megabytes()
            settle(here, operator, size, passes)
            figures |= steady(here, operator, size, passes)
            first, whole = change_times(here, names, CHANGES)
            figures["change_to_first_call_p99_ms"] = round(max(first) * 1000)
            figures["change_to_first_call_median_ms"] = round(statistics.median(first) * 1000)
            here.apply([POISONED])
            wait(lambda: any(item["metadata"]["name"] == POISONED for item in here.listed()), 10, "the poisoned one")
            _, beside = change_times(here, names, POISON_CHANGES)
            ratio = round(statistics.median(beside) / statistics.median(whole), 2)
            figures["rss_mb"] = max(figures["rss_mb"], operator.megabytes())
            operator.stop()
            here.control.request("PATCH", f"{COLLECTION}/{POISONED}", {"metadata": {"finalizers": None}})
            here.control.request("DELETE", f"{COLLECTION}/{POISONED}")
            operator = Operator(here, module, 600)
            began = time.monotonic()
            wait(lambda: operator.metric(passes) >= size, here.left(), "all reconciled after a restart")
            figures["restart_to_reconciled_s"] = round(time.monotonic() - began, 1)
            figures["rss_mb"] = max(figures["rss_mb"], operator.megabytes())
        except TimeoutError as error:
            figures["stopped"] = str(error)
        finally:
            operator.stop()
            keep_logs(here, module, size)
            figures["load_average"] = round(os.getloadavg()[1], 1)
    return figures, ratio


FIGURES = (
    "all_ready_s", "restart_to_reconciled_s", "rss_mb", "aws_calls_per_instance_resync", "k8s_writes_steady",
    "aws_writes_steady", "change_to_first_call_p99_ms",
)  # fmt: skip


def change_times(here: Stand, names: list[str], count: int) -> tuple[list[float], list[float]]:
    """Return the seconds from changes of specs to the first AWS call for the change, and to Ready.

    The first call is the first that is not a page of an account-wide list that a resync of others may read at any time.
    """
    calls, whole = [], []
    for number in range(count):
        name = names[number * 7 % len(names)]
        minutes = next(MINUTES)
        seen = len(here.requests())
        began = here.change(name, minutes)
        found: list[dict[str, Any]] = []

        def called(since: int = seen, found: list[dict[str, Any]] = found) -> bool:
            found[:] = here.requests(since)
            return bool(found)

        wait(called, 30, "the first AWS call", 0.02)
        calls.append(max(0.0, found[0]["time"] - began))
        wait(lambda: here.ready(name), 60, f"{name} Ready after a change", 0.02)  # noqa: B023 - asked at once
        whole.append(time.time() - began)
    return calls, whole


def settle(here: Stand, operator: Operator, size: int, passes: str) -> None:
    """Wait until all was looked at once more after the last write: until then nothing that was read is remembered."""
    certain = time.monotonic() + LONGEST_SECONDS
    wait(lambda: time.monotonic() > certain, LONGEST_SECONDS + 1, "the last write's effect")
    before = operator.metric(passes)
    wait(lambda: operator.metric(passes) - before >= size, here.left(), "a resync", 0.5)


def steady(here: Stand, operator: Operator, size: int, passes: str) -> dict[str, Any]:
    """Return what one resync of one instance costs when nothing changes."""
    requests, before = len(here.requests()), operator.metric(passes)
    version = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in here.listed()}
    asked = operator.metric("recall_kubernetes_requests_total", kind="Lease")
    writes = operator.metric("recall_kubernetes_requests_total", verb="GET", kind="Lease")
    resyncs = 3 if size >= 1000 else RESYNCS
    wait(lambda: operator.metric(passes) - before >= resyncs * size, here.left(), f"{resyncs} resyncs", 0.5)
    done = operator.metric(passes) - before
    made = here.requests(requests)
    touched = [
        item for item in here.listed() if version.get(item["metadata"]["name"]) != item["metadata"]["resourceVersion"]
    ]
    counted = operator.metric("recall_kubernetes_requests_total", verb="GET", kind="Lease") - writes
    return {
        "aws_calls_per_instance_resync": round(sum(request["calls"] for request in made) / done, 3),
        "aws_writes_steady": sum(1 for request in made if request["write"]),
        "k8s_writes_steady": max(int(counted), len(touched)),
        "k8s_calls_per_instance_resync": round(
            (operator.metric("recall_kubernetes_requests_total", kind="Lease") - asked) / done, 3
        ),
    }


def keep_logs(here: Stand, module: str, size: int) -> None:
    """Keep the end of the operator's log for whoever wonders about a figure."""
    log = here.folder / f"{module}.log"
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        (OUTPUT.parent / f"{module}-{size}.log").write_bytes(log.read_bytes()[-200_000:])


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[10, 100, 1000],
        help="numbers of instances, such as 10,100",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=900, help="seconds that one operator may take at one size")
    parser.add_argument("--only", choices=["recall", "naive"], help="measure one of the two")
    options = parser.parse_args()
    result: dict[str, Any] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for size in options.sizes:
        for name, module in (("recall", "recall_operator.main"), ("naive", "tests.bench.operator.naive")):
            if options.only not in (None, name):
                continue
            place = result if name == "recall" else result.setdefault("naive", {})
            figures, ratio = measure(module, size, options.limit)
            place.setdefault("sizes", {})[str(size)] = figures
            place.setdefault("slowdown_by_size", {})[str(size)] = ratio
            place["slowdown_by_poisoned_ratio"] = (
                ratio if ratio is not None else place.get("slowdown_by_poisoned_ratio")
            )
            sys.stdout.write(f"{name} {size}: {json.dumps(figures)} slowdown {ratio}\n")
            sys.stdout.flush()
            OUTPUT.parent.mkdir(parents=True, exist_ok=True)
            OUTPUT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
