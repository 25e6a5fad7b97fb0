"""What the programs of the cluster are told: their command lines and configuration files, as text."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_RANGE: Final = "10.96.0.0/16"
SERVICE_ADDRESS: Final = "10.96.0.1"
"""First address of the service range: the API server's own service."""
POD_RANGE: Final = "10.244.0.0/24"
"""Both ranges are used inside the stack's network namespace only."""
POD_BRIDGE: Final = "pods"
"""Interface of the node that joins the pods."""
API_PORT: Final = 6443
CLUSTER_DOMAIN: Final = "cluster.local"
ZONE: Final = "recall.localhost"
"""Hosted zone that the emulated Route 53 holds."""
OPERATOR_USER: Final = "system:serviceaccount:recall-system:recall-operator"
CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
"""In the node's own /run."""
CNI_PLUGINS: Final = "/usr/lib/cni"
"""Where Debian's containernetworking-plugins puts them."""


@dataclass(frozen=True)
class Layout:
    """Names, addresses and folders that the configuration speaks of."""

    node: str
    """Name of the node, of its control group and of the network namespace."""
    address: str
    """Address of the node."""
    folder: Path
    """Folder of the cluster in the stack's state."""
    logs: Path
    programs: Path
    """Folder with the node's programs."""

    @property
    def certificates(self) -> Path:
        """Folder of certificates and keys."""
        return self.folder / "pki"

    @property
    def configuration(self) -> Path:
        """Folder of the files that this module words."""
        return self.folder / "configuration"

    @property
    def kubelet(self) -> Path:
        """The kubelet's folder: of no use once the node has stopped."""
        return self.folder / "kubelet"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        return self.logs / "audit.log"

    @property
    def server(self) -> str:
        """Base address of the API server."""
        return f"https://{self.address}:{API_PORT}"

    def certificate(self, name: str) -> str:
        """Return the certificate file of `name`."""
        return str(self.certificates / f"{name}.crt")

    def key(self, name: str) -> str:
        """Return the key file of `name`."""
        return str(self.certificates / f"{name}.key")


def etcd(layout: Layout) -> list[str]:
    """Return the command line of etcd: one member, heard inside the namespace only."""
    return [
        "etcd",
        f"--name={layout.node}",
        f"--data-dir={layout.folder / 'etcd'}",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={layout.node}=http://127.0.0.1:2380",
        "--auto-compaction-retention=1h",
        "--logger=zap",
        "--log-level=warn",
    ]


def api_server(layout: Layout) -> list[str]:
    """Return the command line of the API server."""
    return [
        str(layout.programs / "kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={layout.address}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        # By the node's address: nothing resolves its name, and exec, logs and port-forward would fail.
        "--kubelet-preferred-address-types=InternalIP",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--tls-cert-file={layout.certificate('apiserver')}",
        f"--tls-private-key-file={layout.key('apiserver')}",
        f"--kubelet-certificate-authority={layout.certificate('ca')}",
        f"--kubelet-client-certificate={layout.certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={layout.key('apiserver-kubelet-client')}",
        f"--requestheader-client-ca-file={layout.certificate('ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={layout.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={layout.key('front-proxy-client')}",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-account-key-file={layout.certificates / 'service-account.pub'}",
        f"--service-account-signing-key-file={layout.key('service-account')}",
        f"--audit-policy-file={layout.configuration / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=1",
        "--profiling=false",
    ]


def controller_manager(layout: Layout) -> list[str]:
    """Return the command line of the controller manager."""
    kubeconfig = layout.configuration / "controller-manager.kubeconfig"
    return [
        str(layout.programs / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={layout.certificate('ca')}",
        f"--service-account-private-key-file={layout.key('service-account')}",
        f"--cluster-signing-cert-file={layout.certificate('ca')}",
        f"--cluster-signing-key-file={layout.key('ca')}",
        f"--cluster-cidr={POD_RANGE}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--profiling=false",
    ]


def scheduler(layout: Layout) -> list[str]:
    """Return the command line of the scheduler."""
    kubeconfig = layout.configuration / "scheduler.kubeconfig"
    return [
        str(layout.programs / "kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def kube_proxy(layout: Layout) -> list[str]:
    """Return the command line of kube-proxy."""
    return [str(layout.programs / "kube-proxy"), f"--config={layout.configuration / 'kube-proxy.yaml'}"]


def coredns(layout: Layout) -> list[str]:
    """Return the command line of CoreDNS."""
    return [str(layout.programs / "coredns"), "-conf", str(layout.configuration / "Corefile")]


def containerd(layout: Layout) -> list[str]:
    """Return the command line of containerd."""
    return ["containerd", f"--config={layout.configuration / 'containerd.toml'}"]


def kubelet(layout: Layout) -> list[str]:
    """Return the command line of the kubelet."""
    return [
        str(layout.programs / "kubelet"),
        f"--config={layout.configuration / 'kubelet.yaml'}",
        f"--kubeconfig={layout.configuration / 'kubelet.kubeconfig'}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet / 'pki'}",
        f"--hostname-override={layout.node}",
        f"--node-ip={layout.address}",
    ]


def files(layout: Layout, pause_image: str) -> dict[str, str]:
    """Return the text of every configuration file by its name; JSON where YAML is read, since that is YAML too."""
    written = {
        f"{name}.kubeconfig": kubeconfig(layout, name)
        for name in ("controller-manager", "scheduler", "kube-proxy", "coredns", "kubelet")
    }
    return written | {
        "audit-policy.yaml": as_json(_audit_policy()),
        "kubelet.yaml": as_json(_kubelet(layout)),
        "kube-proxy.yaml": as_json(_kube_proxy(layout)),
        "containerd.toml": _containerd(layout, pause_image),
        "10-recall.conflist": as_json(_pod_network()),
        "resolv.conf": f"nameserver {layout.address}\n",
        "Corefile": corefile(layout, None),
    }


def kubeconfig(layout: Layout, name: str) -> str:
    """Return a kubeconfig that holds the certificate and key of `name`."""

    def data(path: str) -> str:
        with open(path, "rb") as file:  # noqa: PTH123 - paths are text here
            return base64.b64encode(file.read()).decode()

    return as_json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": layout.node,
                    "cluster": {
                        "server": layout.server,
                        "certificate-authority-data": data(layout.certificate("ca")),
                    },
                }
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": data(layout.certificate(name)),
                        "client-key-data": data(layout.key(name)),
                    },
                }
            ],
            "contexts": [{"name": layout.node, "context": {"cluster": layout.node, "user": name}}],
            "current-context": layout.node,
        }
    )


def corefile(layout: Layout, zone_id: str | None) -> str:
    """Return CoreDNS's configuration: the cluster's names and those of the hosted zone, no others.

    Nothing is forwarded: the namespace has no way out, and a quick "no" is better than a wait for an answer.

    Args:
        layout: Names and folders.
        zone_id: Hosted zone that holds `recall.localhost`; None while there is none.
    """
    zone = [f"    route53 {ZONE}.:{zone_id} {{", "        refresh 1s", "    }"] if zone_id else []
    return "\n".join(
        [
            ".:53 {",
            "    errors",
            f"    ready {layout.address}:8181",
            "    cache 1",
            *zone,
            f"    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{",
            f"        kubeconfig {layout.configuration / 'coredns.kubeconfig'}",
            "    }",
            "}",
            "",
        ]
    )


def objects() -> list[tuple[str, dict[str, Any]]]:
    """Return what the API server must hold besides its own: the path to post to, and the object."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
    }
    base = "/apis/rbac.authorization.k8s.io/v1"
    return [(f"{base}/clusterroles", role), (f"{base}/clusterrolebindings", binding)]


def _audit_policy() -> dict[str, Any]:
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": [OPERATOR_USER]},
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None"},
        ],
    }


def _kubelet(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": layout.certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.certificate("kubelet-server"),
        "tlsPrivateKeyFile": layout.key("kubelet-server"),
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [layout.address],
        "resolvConf": str(layout.configuration / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.node}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": ["pods"],
        "oomScoreAdj": 0,  # a lower one needs CAP_SYS_RESOURCE
        # A small or full disk must not evict the stack: it is a developer's machine, not a node among many.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(layout.folder / "pod-logs"),
        "volumePluginDir": str(layout.kubelet / "volume-plugins"),
    }


def _kube_proxy(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.configuration / "kube-proxy.kubeconfig")},
        "hostnameOverride": layout.node,
        "mode": "iptables",
        # Answers between two pods of one bridge pass no rules unless the kernel module br_netfilter is there;
        # with the bridge's address as the source they do without it.
        "iptables": {"masqueradeAll": True, "minSyncPeriod": "100ms"},
        "clusterCIDR": POD_RANGE,
        # The table's size is the whole machine's, not the namespace's: leave it.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }


def _pod_network() -> dict[str, Any]:
    return {
        "cniVersion": "0.4.0",
        "name": "recall",
        "plugins": [
            {
                "type": "bridge",
                "bridge": POD_BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _containerd(layout: Layout, pause_image: str) -> str:
    return f"""\
version = 2
root = {json.dumps(str(layout.folder / "containerd"))}
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {json.dumps(pause_image)}
  # Without CAP_SYS_RESOURCE runc dies when it lowers the score ("can't get final child's PID from pipe: EOF").
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = {json.dumps(str(layout.configuration))}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def as_json(value: object) -> str:
    """Return `value` as a readable JSON document."""
    return json.dumps(value, indent=1) + "\n"
