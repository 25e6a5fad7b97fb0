"""A real Kubernetes on this machine without Docker, in a network namespace of the stack's own.

etcd, the control plane, kube-proxy and CoreDNS are plain processes in that namespace. containerd and the kubelet run,
with all containers, in a process and a mount namespace besides (`node_init`), so that nothing of theirs is left over.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Final

from recall_local import images, processes
from recall_local.cluster import certificates, cgroups, configuration, network, node_binary
from recall_local.cluster.base import ClusterError
from recall_local.cluster.configuration import CONTAINERD_SOCKET, Layout
from recall_local.cluster.kubernetes_api import KubernetesApi
from recall_local.stack import locked, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from recall_local.cluster.base import Report
    from recall_local.stack import Stack

CONTROL: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns")
NODE: Final = "node"
"""Name of the process that holds containerd, the kubelet and the containers; those two have logs of their own."""


class Machine:
    """The cluster of one stack, on this machine itself."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._folder = stack.state / "cluster"

    @property
    def name(self) -> str:
        """Words for the screen."""
        return f"a Kubernetes node of its own, in network namespace {self._stack.namespace}"

    @property
    def kubeconfig(self) -> Path:
        """Administrator's kubeconfig."""
        return self._stack.kubeconfig

    @property
    def node_address(self) -> str:
        """Address of the node on the link between host and namespace."""
        return self._stack.node_address

    @property
    def host_address(self) -> str:
        """Address of the host on that link."""
        return self._stack.host_address

    @property
    def enter_namespace(self) -> bool:
        """What pods must reach runs inside the namespace."""
        return True

    @property
    def tools(self) -> Path:
        """Folder with `kubectl` and `helm`."""
        return self._stack.cache / "node" / node_binary.version(node_binary.SOURCE)

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        return self._layout.audit_log

    @property
    def _layout(self) -> Layout:
        stack = self._stack
        return Layout(stack.namespace, stack.node_address, self._folder, stack.logs, self.tools)

    def up(self, report: Report) -> None:
        """Start the cluster, or find it healthy; clean first what a killed run left.

        Raises:
            ClusterError, ProcessError, PackageError: it does not start; the message says why and where its log is.
        """
        if os.geteuid() != 0:
            raise ClusterError(
                "a Kubernetes without Docker needs root (network namespaces, mounts): run this as root, or start Docker"
            )
        with locked(self._stack.state / ".cluster.lock"):
            if self._healthy():
                report("runs already")
                return
            self._stop()
            self._start(report)

    def down(self) -> None:
        """Stop the pods, then every process of the stack, and take the network and the control groups away."""
        with locked(self._stack.state / ".cluster.lock"):
            self._stop()
            processes.stop_all(self._stack)
            network.remove(self._stack)

    def erase(self) -> None:
        """Nothing: all of it is in the stack's folder."""

    def load_image(self, archive: Path, reference: str) -> None:
        """Import the image into the node's containerd, unless it has it.

        Raises:
            ClusterError: containerd does not take the archive.
        """
        if reference in self._ctr("images", "list", "--quiet").split():
            return
        self._ctr("images", "import", "--digests=false", str(archive))

    def configure_dns(self, zone_id: str, route53_endpoint: str) -> None:
        """Let CoreDNS answer from the hosted zone; it starts anew when that is news to it.

        Raises:
            ProcessError: CoreDNS does not start; most often because Route 53 does not answer or lacks the zone.
        """
        corefile = configuration.corefile(self._layout, zone_id)
        path = self._layout.configuration / "Corefile"
        if path.read_text() == corefile and processes.running(self._stack, "coredns"):
            return
        write_atomically(path, corefile)
        processes.stop(self._stack, "coredns")
        # By the environment, since the plugin's own option `aws_endpoint` is read too late to work (1.15).
        self._start_coredns({"AWS_ENDPOINT_URL_ROUTE_53": route53_endpoint})
        ready = f"http://{self.node_address}:8181/ready"
        processes.wait_until(lambda: _answers(ready), 30, "DNS for the hosted zone", process=(self._stack, "coredns"))

    def _healthy(self) -> bool:
        if not all(processes.running(self._stack, name) for name in (*CONTROL, NODE)):
            return False
        try:
            api = KubernetesApi(self._layout)
            return api.ready() and api.node_ready(self._stack.namespace)
        except OSError:
            return False

    def _start(self, report: Report) -> None:
        stack = self._stack
        report("looking for the programs of the node")
        node_binary.ensure(stack.cache, report)
        pause = images.build_pause(stack.cache)
        layout = self._layout
        network.ensure(stack)
        cgroups.create(stack.namespace)
        self._write_files(layout, pause.reference)

        report("starting the control plane")
        self._run("etcd", configuration.etcd(layout))
        self._run("kube-apiserver", configuration.api_server(layout))
        api = KubernetesApi(layout)
        server = (stack, "kube-apiserver")
        processes.wait_until(api.ready, 90, "readiness of the API server", process=server)
        for path, value in configuration.objects():
            api.create(path, value)
        api.forget_node(layout.node)

        report("starting the node")
        init = [sys.executable, "-m", "recall_local.cluster.node_init", str(layout.configuration / "node.json")]
        apart = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--"]
        self._run(NODE, [*apart, *init])
        self._run("kube-controller-manager", configuration.controller_manager(layout))
        self._run("kube-scheduler", configuration.scheduler(layout))
        self._run("kube-proxy", configuration.kube_proxy(layout))
        self._start_coredns({})
        node = (stack, NODE)
        processes.wait_until(self._containerd_answers, 60, "containerd's answer", process=node)
        self.load_image(pause.archive, pause.reference)
        processes.wait_until(lambda: api.node_ready(layout.node), 120, "readiness of the node", process=node)
        report(f"node {layout.node} is Ready; kubeconfig: {stack.kubeconfig}")

    def _write_files(self, layout: Layout, pause_image: str) -> None:
        for folder in (layout.configuration, layout.kubelet, layout.folder / "etcd"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificates.ensure(
            layout.certificates, certificates.subjects(layout.node, layout.address, configuration.SERVICE_ADDRESS)
        )
        for name, text in configuration.files(layout, pause_image).items():
            write_atomically(layout.configuration / name, text)
        commands = [
            ("containerd", configuration.containerd(layout), CONTAINERD_SOCKET),
            ("kubelet", configuration.kubelet(layout), None),
        ]
        write_atomically(
            layout.configuration / "node.json",
            configuration.as_json({"commands": commands, "logs": str(layout.logs)}),
        )
        write_atomically(self._stack.kubeconfig, configuration.kubeconfig(layout, "admin"))

    def _start_coredns(self, env: dict[str, str]) -> None:
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
        self._run("coredns", configuration.coredns(self._layout), credentials | env)

    def _run(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        processes.start(self._stack, name, command, env=env, enter_namespace=True)

    def _stop(self) -> None:
        """Stop the cluster only: what else runs in the namespace, such as the emulated AWS, goes on."""
        processes.stop(self._stack, NODE, 15)  # first, while all else still answers the pods
        clients = [name for name in CONTROL if name not in {"etcd", "kube-apiserver"}]
        for names in (clients, ["kube-apiserver"], ["etcd"]):
            processes.stop_many(self._stack, names, 10)
        self._clean()

    def _clean(self) -> None:
        cgroups.remove(self._stack.namespace)
        # The mounts below went with the node's mount namespace; folders of pods that are no more remain.
        shutil.rmtree(self._layout.kubelet, ignore_errors=True)
        shutil.rmtree(self._folder / "pod-logs", ignore_errors=True)

    def _containerd_answers(self) -> bool:
        try:
            self._ctr("version")
        except ClusterError:
            return False
        return True

    def _ctr(self, *arguments: str) -> str:
        """Run containerd's client in the node's mount namespace, where its socket is."""
        pid = processes.pid_of(self._stack, NODE)
        enter = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "--"]
        command = [*enter, "ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"`ctr {' '.join(arguments)}` failed: {done.stderr.strip()[-500:]}")
        return done.stdout


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
