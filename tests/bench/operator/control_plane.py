"""A real API server on etcd, on loopback, without any node: what an operator talks to and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recall_local.cluster import certificates

START_SECONDS = 60.0
CRDS = Path("crds")


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs() -> Path | None:
    """Return the folder of the node's programs that `make up` has built last; None when there is none, or no etcd."""
    built = sorted(Path.home().glob(".cache/recall/node/*/kube-apiserver"), key=lambda path: path.stat().st_mtime)
    return built[-1].parent if built and shutil.which("etcd") else None


@dataclass
class ControlPlane:
    """One API server with its etcd."""

    folder: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    """Further ones for the API server."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        """Path of the administrator's kubeconfig."""
        return self.folder / "admin.kubeconfig"

    def start(self) -> None:
        """Start both and return when the API server is ready and knows Recall's kinds.

        Raises:
            RuntimeError: it did not become ready in time.
        """
        found = programs()
        if found is None:
            raise RuntimeError("there is no kube-apiserver or no etcd; run `make up` once, and install etcd")
        pki = self.folder / "pki"
        certificates.ensure(pki, certificates.subjects("node", "127.0.0.1", "10.96.0.1"))
        client, peer = free_port(), free_port()
        self._spawn("etcd", f"--data-dir={self.folder / 'etcd'}", f"--listen-client-urls=http://127.0.0.1:{client}",
                    f"--advertise-client-urls=http://127.0.0.1:{client}", "--unsafe-no-fsync", "--log-level=warn",
                    f"--listen-peer-urls=http://127.0.0.1:{peer}",
                    f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                    f"--initial-cluster=default=http://127.0.0.1:{peer}")  # fmt: skip
        self._spawn(str(found / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{client}",
                    "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}",
                    "--service-cluster-ip-range=10.96.0.0/12", "--authorization-mode=RBAC", "--profiling=false",
                    "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
                    "--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
                    f"--client-ca-file={pki / 'ca.crt'}", f"--tls-cert-file={pki / 'apiserver.crt'}",
                    f"--tls-private-key-file={pki / 'apiserver.key'}",
                    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                    f"--service-account-key-file={pki / 'service-account.pub'}",
                    f"--service-account-signing-key-file={pki / 'service-account.key'}",
                    *self.arguments)  # fmt: skip
        self.kubeconfig.write_text(json.dumps(self._kubeconfig(pki)))
        self._wait(lambda: self.request("GET", "/readyz")[0] == 200)
        for path in sorted(CRDS.glob("*.yaml")):
            self.apply_definition(path)

    def apply_definition(self, path: Path) -> None:
        """Make the kind that a file defines, and wait until it is served."""
        import yaml

        definition = yaml.safe_load(path.read_text())
        self.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        group, names = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        version = definition["spec"]["versions"][0]["name"]
        self._wait(lambda: self.request("GET", f"/apis/{group}/{version}/{names}")[0] == 200)

    def _spawn(self, *command: str) -> None:
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _wait(self, ready: Any) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if ready():
                    return
            time.sleep(0.1)
        raise RuntimeError(f"the API server is not ready; see the logs in {self.folder}")

    def _kubeconfig(self, pki: Path) -> dict[str, Any]:
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(pki / "ca.crt")}
        user = {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection as administrator; one thread at a time may use it."""
        tls = ssl.create_default_context(cafile=str(self.folder / "pki/ca.crt"))
        tls.load_cert_chain(self.folder / "pki/admin.crt", self.folder / "pki/admin.key")
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=tls, timeout=30)

    def request(
        self, method: str, path: str, body: Any = None, *, over: http.client.HTTPSConnection | None = None
    ) -> tuple[int, Any]:
        """Send one request; return the status and the parsed body."""
        connection = over or self.connect()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            if over is None:
                connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text

    def stop(self) -> None:
        """Stop both."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()
