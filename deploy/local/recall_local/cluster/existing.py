"""A cluster that exists, named by its kubeconfig context: one on this very machine, such as k3s."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING, Final

from recall_local.cluster.base import ClusterError
from recall_local.cluster.network import POD_IDENTITY_ADDRESS
from recall_local.stack import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from recall_local.cluster.base import Report
    from recall_local.stack import Stack

IMPORT_VARIABLE: Final = "RECALL_IMAGE_IMPORT"
DEFAULT_IMPORT: Final = "k3s ctr images import {archive}"


class Existing:
    """Somebody's cluster: used, never stopped."""

    audit_log: Path | None = None
    """Whether it keeps one is not known."""
    enter_namespace = False
    """What pods must reach runs on the host itself."""
    tools: Path | None = None

    def __init__(self, stack: Stack, context: str) -> None:
        self._stack = stack
        self._context = context

    @property
    def name(self) -> str:
        """Words for the screen."""
        return f"the existing cluster of kubeconfig context {self._context}"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig with this one context, whatever the user's own points at later."""
        return self._stack.kubeconfig

    @cached_property
    def node_address(self) -> str:
        """Address of this machine as a node of the cluster.

        Raises:
            ClusterError: no node of the cluster has an address of this machine.
        """
        nodes = json.loads(self._kubectl("get", "nodes", "--output=json"))
        links = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
        own = {address["local"] for link in links for address in link.get("addr_info", [])}
        if found := sorted(internal_addresses(nodes) & own):
            return found[0]
        raise ClusterError(
            f"context {self._context} is a cluster of other machines, whose pods cannot reach the emulated AWS on "
            "this one: name the context of a cluster that runs here, or unset RECALL_KUBE_CONTEXT"
        )

    @property
    def host_address(self) -> str:
        """The same: this machine is the node."""
        return self.node_address

    def up(self, report: Report) -> None:
        """Look whether the cluster answers, and give this machine the address of the Pod Identity agent.

        Raises:
            ClusterError: it does not answer, or is no cluster of this machine.
        """
        shown = self._kubectl("config", "view", "--minify", "--flatten", "--raw")
        write_atomically(self._stack.kubeconfig, shown)
        report(f"its node here has address {self.node_address}")
        _run(["ip", "address", "replace", f"{POD_IDENTITY_ADDRESS}/32", "dev", "lo"])

    def down(self) -> None:
        """Take the address away; the cluster goes on."""
        shown = _run(["ip", "-json", "address", "show", "dev", "lo", "to", f"{POD_IDENTITY_ADDRESS}/32"])
        if any(link.get("addr_info") for link in json.loads(shown)):
            _run(["ip", "address", "delete", f"{POD_IDENTITY_ADDRESS}/32", "dev", "lo"])

    def erase(self) -> None:
        """Nothing: the cluster is somebody's, and they may look after what was installed in it."""

    def load_image(self, archive: Path, reference: str) -> None:  # noqa: ARG002 - the archive holds it
        """Import the image with the command in RECALL_IMAGE_IMPORT, by default that of k3s."""
        _run(import_command(os.environ.get(IMPORT_VARIABLE) or DEFAULT_IMPORT, archive))

    def configure_dns(self, zone_id: str, route53_endpoint: str) -> None:
        """Nothing: the cluster's DNS is not ours, and pods need no name of the zone. The host resolves *.localhost."""

    def _kubectl(self, *arguments: str) -> str:
        return _run(["kubectl", f"--context={self._context}", *arguments])


def internal_addresses(nodes: dict[str, list[dict[str, dict[str, list[dict[str, str]]]]]]) -> set[str]:
    """Return the internal addresses in what `kubectl get nodes --output=json` shows."""
    return {
        address["address"]
        for node in nodes["items"]
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    }


def import_command(template: str, archive: Path) -> list[str]:
    """Return the command that imports `archive`.

    Raises:
        ClusterError: the template does not say where the archive's name goes.
    """
    if "{archive}" not in template:
        raise ClusterError(f"{IMPORT_VARIABLE}={template!r} lacks {{archive}}, such as in {DEFAULT_IMPORT!r}")
    return [word.replace("{archive}", str(archive)) for word in shlex.split(template)]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]} is not on PATH, needed for `{shlex.join(command)}`") from error
    if done.returncode:
        raise ClusterError(f"`{shlex.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout
