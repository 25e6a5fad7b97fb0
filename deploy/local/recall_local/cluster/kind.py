"""The cluster as kind makes it: one node in a Docker container. For Linux, as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recall_local.cluster import network
from recall_local.cluster.base import ClusterError
from recall_local.packages import require_go

if TYPE_CHECKING:
    from recall_local.cluster.base import Report
    from recall_local.stack import Stack

KIND: Final = "sigs.k8s.io/kind@v0.31.0"


class Kind:
    """The cluster of one stack, in Docker."""

    audit_log: Path | None = None
    """kind's API server keeps no audit log."""
    enter_namespace = True
    """The stack's network namespace is that of the node's container."""
    tools: Path | None = None

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._container = f"{stack.namespace}-control-plane"

    @property
    def name(self) -> str:
        """Words for the screen."""
        return f"a kind cluster called {self._stack.namespace}, in Docker"

    @property
    def kubeconfig(self) -> Path:
        """Administrator's kubeconfig."""
        return self._stack.kubeconfig

    @cached_property
    def node_address(self) -> str:
        """Address of the node's container in the network `kind`."""
        return str(self._inspect()["NetworkSettings"]["Networks"]["kind"]["IPAddress"])

    @cached_property
    def host_address(self) -> str:
        """Address of the host in the network `kind`."""
        return str(self._inspect()["NetworkSettings"]["Networks"]["kind"]["Gateway"])

    def up(self, report: Report) -> None:
        """Create the cluster, or start the one of before, and enter its node's network.

        Raises:
            ClusterError: Docker or kind refuses, or this is not root on Linux.
        """
        if not Path("/proc/self/ns/net").exists() or os.geteuid() != 0:
            raise ClusterError(
                "kind's node shares its network with the emulated AWS, which takes root on Linux: use sudo"
            )
        for program in ("kubectl", "helm"):
            if shutil.which(program) is None:
                raise ClusterError(f"{program} is not on PATH: install it beside Docker")
        kind, stack = _kind(self._stack.cache, report), self._stack
        if stack.namespace in _run(kind, "get", "clusters").split():
            report("starting the cluster of before")
            _run("docker", "start", self._container)
            _run(kind, "export", "kubeconfig", "--name", stack.namespace, "--kubeconfig", str(stack.kubeconfig))
        else:
            report("creating the cluster; its image is downloaded the first time")
            _run(kind, *create_arguments(stack))
        ready = ("wait", "--for=condition=Ready", "node", "--all", "--timeout=120s")
        _run("kubectl", f"--kubeconfig={stack.kubeconfig}", *ready)
        network.attach(stack, int(self._inspect()["State"]["Pid"]))

    def down(self) -> None:
        """Stop the node's container; the cluster's objects stay in it for the next `up`."""
        network.remove(self._stack)
        if _run("docker", "ps", "--quiet", "--filter", f"name=^{self._container}$"):
            _run("docker", "stop", self._container)

    def erase(self) -> None:
        """Delete the node's container with its volumes, which is all that kind knows of a cluster."""
        if _run("docker", "ps", "--all", "--quiet", "--filter", f"name=^{self._container}$"):
            _run("docker", "rm", "--force", "--volumes", self._container)

    def load_image(self, archive: Path, reference: str) -> None:  # noqa: ARG002 - kind reads it from the archive
        """Import the image into the node."""
        _run(
            _kind(self._stack.cache, lambda _: None),
            "load",
            "image-archive",
            str(archive),
            "--name",
            self._stack.namespace,
        )

    def configure_dns(self, zone_id: str, route53_endpoint: str) -> None:
        """Nothing: kind's CoreDNS stays as it is, and pods need no name of the zone. The host resolves *.localhost."""

    def _inspect(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(_run("docker", "inspect", self._container))
        return found[0]


def create_arguments(stack: Stack) -> list[str]:
    """Return what kind is told to create the stack's cluster."""
    return ["create", "cluster", "--name", stack.namespace, "--kubeconfig", str(stack.kubeconfig), "--wait", "120s"]


def _kind(cache: Path, report: Report) -> str:
    """Return kind: the one on PATH, else one that Go builds into the cache."""
    found = shutil.which("kind")
    if found:
        return found
    built = cache / "kind" / "kind"
    if not built.exists():
        require_go()
        report(f"building {KIND}")
        _run("go", "install", KIND, env={**os.environ, "GOBIN": str(built.parent)})
    return str(built)


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()
