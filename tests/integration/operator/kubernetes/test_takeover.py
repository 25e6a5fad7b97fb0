"""Two operators on a real API server: one works, and the other takes over when it is killed or stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recall_operator.kubernetes.lease import DURATION_SECONDS, RENEW_SECONDS
from recall_operator.telemetry.health import LIVENESS_PATH
from tests.bench.operator.control_plane import ControlPlane, free_port, programs
from tests.unit.operator.fakes import platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(programs() is None, reason="no kube-apiserver (make up builds it) or no etcd")

LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/recall-operator"


def answers(port: int) -> bool:
    """Whether an operator's health server is there: it starts before the operator asks for the Lease."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{LIVENESS_PATH}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Pair:
    """Operators by the name of their pod."""

    def __init__(self, control: ControlPlane, folder: Path, endpoint: str) -> None:
        self._control = control
        self._folder = folder
        facts = platform().model_dump(mode="json", by_alias=True)
        facts["aws"]["endpointUrls"] = {"AWS_ENDPOINT_URL": endpoint}
        (folder / "platform.yaml").write_text(yaml.safe_dump(facts))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        environment = os.environ | {
            "KUBECONFIG": str(self._control.kubeconfig),
            "POD_NAME": name,
            "POD_NAMESPACE": "default",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [sys.executable, "-m", "recall_operator.main", f"--platform={self._folder / 'platform.yaml'}"]
        port = free_port()
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command, f"--port={port}"], env=environment, stdout=log, stderr=log
            )

        deadline = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < deadline, (self._folder / f"{name}.log").read_text()[-2000:]
            time.sleep(0.05)

    def holder(self) -> str:
        status, lease = self._control.request("GET", LEASE)
        return str(lease["spec"].get("holderIdentity", "")) if status == 200 else ""

    def wait_for(self, name: str, seconds: float) -> float:
        """Return the seconds until `name` holds the Lease."""
        began = time.monotonic()
        while self.holder() != name:
            assert time.monotonic() - began < seconds, [
                (self._folder / f"{each}.log").read_text()[-2000:] for each in self.processes
            ]
            time.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    control = ControlPlane(tmp_path)
    made: Any = None
    try:
        control.start()
        made = Pair(control, tmp_path, "http://127.0.0.1:9")
        yield made
    finally:
        for process in made.processes.values() if made else ():
            process.kill()
            process.wait()
        control.stop()


def test_a_standby_takes_over_from_a_killed_and_from_a_stopped_leader(
    pair: Pair, record_property: pytest.RecordProperty
) -> None:
    pair.start("a")
    pair.wait_for("a", 30)
    pair.start("b")
    pair.start("c")
    pair.processes["a"].kill()
    pair.processes["a"].wait()
    began = time.monotonic()
    while pair.holder() == "a":
        assert time.monotonic() - began < DURATION_SECONDS + 3 * RENEW_SECONDS
        time.sleep(0.05)
    killed = time.monotonic() - began
    second = pair.holder()
    third = "c" if second == "b" else "b"
    assert second in ("b", "c")

    pair.processes[second].send_signal(signal.SIGTERM)
    stopped = pair.wait_for(third, 3 * RENEW_SECONDS + 5)
    assert pair.processes[second].wait(20) == 0
    record_property("takeover_after_kill_seconds", killed)
    record_property("takeover_after_stop_seconds", stopped)
    sys.stdout.write(f"takeover: {killed:.1f} s after a kill, {stopped:.1f} s after a stop\n")
    # Sooner than the Lease runs out: who stops gives it back.
    assert stopped < DURATION_SECONDS

    pair.processes[third].send_signal(signal.SIGTERM)
    assert pair.processes[third].wait(20) == 0
    assert pair.holder() == ""
