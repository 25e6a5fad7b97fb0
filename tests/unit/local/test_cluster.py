"""The pure parts of the clusters: choice, configuration, certificates, control groups."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from recall_local import lifecycle, packages
from recall_local.cluster import certificates, cgroups, choose, configuration, existing, kind, node_binary
from recall_local.cluster.base import ClusterError
from recall_local.stack import Stack

ADDRESS = "100.64.3.2"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> configuration.Layout:
    folder = tmp_path_factory.mktemp("cluster")
    made = configuration.Layout("recall-unit", ADDRESS, folder, folder / "logs", Path("/programs"))
    certificates.ensure(made.certificates, certificates.subjects(made.node, made.address, "10.96.0.1"))
    return made


@pytest.mark.parametrize(
    ("context", "docker", "expected"),
    [("mine", True, "Existing"), ("", True, "Kind"), ("", False, "Machine")],
)
def test_the_named_cluster_then_kind_then_one_of_its_own(
    context: str, docker: bool, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(choose.CONTEXT_VARIABLE, context)
    monkeypatch.setattr(choose, "docker_answers", lambda: docker)
    chosen = choose.choose(Stack("unit", 3, 8080, tmp_path, tmp_path))
    assert type(chosen).__name__ == expected
    assert context in chosen.name


def test_certificates_are_signed_by_the_authority_and_carry_users_groups_and_hosts(
    layout: configuration.Layout,
) -> None:
    authority = x509.load_pem_x509_certificate(Path(layout.certificate("ca")).read_bytes())
    for subject in certificates.subjects(layout.node, layout.address, "10.96.0.1"):
        certificate = x509.load_pem_x509_certificate(Path(layout.certificate(subject.file)).read_bytes())
        certificate.verify_directly_issued_by(authority)
        key = serialization.load_pem_private_key(Path(layout.key(subject.file)).read_bytes(), None)
        assert key.public_key() == certificate.public_key()
        assert Path(layout.key(subject.file)).stat().st_mode & 0o077 == 0
        assert f"CN={subject.common_name}" in certificate.subject.rfc4514_string()
    server = x509.load_pem_x509_certificate(Path(layout.certificate("apiserver")).read_bytes())
    hosts = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(address) for address in hosts.get_values_for_type(x509.IPAddress)} == {
        "127.0.0.1",
        ADDRESS,
        "10.96.0.1",
    }
    assert "kubernetes.default.svc" in hosts.get_values_for_type(x509.DNSName)


def test_certificates_are_made_once(layout: configuration.Layout) -> None:
    before = Path(layout.certificate("ca")).read_bytes()
    certificates.ensure(layout.certificates, certificates.subjects(layout.node, layout.address, "10.96.0.1"))
    assert Path(layout.certificate("ca")).read_bytes() == before


def test_every_file_that_a_program_is_told_of_is_written(layout: configuration.Layout) -> None:
    written = configuration.files(layout, "recall.local/pause:1")
    words = [
        word
        for command in (
            configuration.api_server,
            configuration.controller_manager,
            configuration.scheduler,
            configuration.kube_proxy,
            configuration.coredns,
            configuration.containerd,
            configuration.kubelet,
        )
        for word in command(layout)
    ]
    named = [Path(word.rpartition("=")[2]) for word in words]
    assert {path.name for path in named if path.parent == layout.configuration} <= written.keys()
    assert all(path.exists() for path in named if path.parent == layout.certificates)


def test_the_node_keeps_to_what_is_its_own(layout: configuration.Layout) -> None:
    files = configuration.files(layout, "recall.local/pause:1")
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert kubelet["cgroupRoot"] == "/recall-unit"
    assert kubelet["clusterDNS"] == [ADDRESS]
    assert kubelet["failCgroupV1"] is False
    proxy = yaml.safe_load(files["kube-proxy.yaml"])
    assert proxy["conntrack"]["maxPerCore"] == 0
    containerd = tomllib.loads(files["containerd.toml"])
    cri = containerd["plugins"]["io.containerd.grpc.v1.cri"]
    assert containerd["root"].startswith(str(layout.folder))
    assert cri["sandbox_image"] == "recall.local/pause:1"
    assert cri["restrict_oom_score_adj"] is True
    plugins = json.loads(files["10-recall.conflist"])["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["bridge", "portmap"]


def test_the_hosted_zone_is_answered_once_it_is_known(layout: configuration.Layout) -> None:
    assert "route53" not in configuration.corefile(layout, None)
    known = configuration.corefile(layout, "Z123")
    assert "route53 recall.localhost.:Z123 {" in known
    assert known.count("{") == known.count("}")


def test_the_audit_log_holds_every_write_and_all_that_the_operator_does(layout: configuration.Layout) -> None:
    policy = yaml.safe_load(configuration.files(layout, "pause")["audit-policy.yaml"])
    operator, writes, rest = policy["rules"]
    assert operator == {"level": "Metadata", "users": ["system:serviceaccount:recall-system:recall-operator"]}
    assert set(writes["verbs"]) == {"create", "update", "patch", "delete", "deletecollection"}
    assert rest == {"level": "None"}


def test_a_kubeconfig_names_the_server_and_holds_its_own_credentials(layout: configuration.Layout) -> None:
    value: dict[str, Any] = yaml.safe_load(configuration.kubeconfig(layout, "admin"))
    assert value["clusters"][0]["cluster"]["server"] == f"https://{ADDRESS}:6443"
    assert set(value["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_control_group_trees_of_both_versions_are_found() -> None:
    lines = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
30 29 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
31 29 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
    assert cgroups.trees(lines) == [Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/unified")]


def test_the_binary_says_the_version_of_kubernetes_that_it_is_built_of() -> None:
    go_mod = (node_binary.SOURCE / "go.mod").read_text()
    assert "gitVersion=v1.35." in node_binary.link_flags(go_mod)
    with pytest.raises(ClusterError, match="requires no version"):
        node_binary.link_flags("module x")


def test_a_changed_source_is_another_version_of_the_binary(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / name).write_text(name)
    before = node_binary.version(tmp_path)
    (tmp_path / "main.go").write_text("changed")
    assert node_binary.version(tmp_path) != before


def test_erasing_a_stack_of_kinds_erases_its_objects_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # They are in the node's container, not in the stack's folder.
    containers = {"recall-unit-control-plane", "recall-unit2-control-plane"}

    def docker(*words: str) -> str:
        match words:
            case ("docker", "ps", "--all", "--quiet", "--filter", wanted):
                return "\n".join(name for name in containers if re.search(wanted.removeprefix("name="), name))
            case ("docker", "ps", *_):
                return ""
            case ("docker", "rm", "--force", "--volumes", name):
                containers.remove(name)
        return ""

    monkeypatch.setattr(kind, "_run", docker)
    monkeypatch.setattr(kind.network, "remove", lambda _: None)
    stack = Stack("unit", 3, 8080, tmp_path / "unit", tmp_path)
    stack.state.mkdir()
    monkeypatch.setattr(lifecycle, "choose", kind.Kind)
    lifecycle.down(stack)
    assert len(containers) == 2
    lifecycle.down(stack, erase=True)
    assert containers == {"recall-unit2-control-plane"}
    assert not stack.state.exists()
    stack.state.mkdir()
    lifecycle.down(stack, erase=True)


def test_kind_creates_a_cluster_of_the_stacks_name(tmp_path: Path) -> None:
    arguments = kind.create_arguments(Stack("unit", 3, 8080, tmp_path, tmp_path))
    assert arguments == [
        *("create", "cluster", "--name", "recall-unit"),
        *("--kubeconfig", str(tmp_path / "kubeconfig"), "--wait", "120s"),
    ]


def test_images_get_into_an_existing_cluster_by_its_own_command() -> None:
    archive = Path("/a b/image.tar")
    assert existing.import_command(existing.DEFAULT_IMPORT, archive) == ["k3s", "ctr", "images", "import", str(archive)]
    with pytest.raises(ClusterError, match=r"RECALL_IMAGE_IMPORT='minikube image load' lacks \{archive\}"):
        existing.import_command("minikube image load", archive)


def test_only_internal_addresses_tell_where_a_node_is() -> None:
    addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.7"}]
    assert existing.internal_addresses({"items": [{"status": {"addresses": addresses}}]}) == {"10.0.0.7"}


def test_packages_that_are_half_installed_are_missing() -> None:
    shown = "runc installed\nbuildah config-files\n"
    assert packages.not_installed(["buildah", "etcd-server", "runc"], shown) == ["buildah", "etcd-server"]


@pytest.mark.parametrize(
    ("shown", "expected"), [("go1.26.8", (1, 26)), ("go1.27", (1, 27)), ("go1.26rc1", (1, 26)), ("", (0, 0))]
)
def test_versions_of_go_are_read(shown: str, expected: tuple[int, int]) -> None:
    assert packages.go_version(shown) == expected


@pytest.mark.parametrize(
    ("there", "asked_for"),
    [
        ({"ip", "/usr/bin/chromium"}, None),
        ({"ip"}, "Chromium, for /usr/bin/chromium"),
        ({"/usr/bin/chromium"}, "iproute2, for the program ip"),
    ],
)
def test_any_linux_with_docker_will_do(there: set[str], asked_for: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.delenv(packages.CHROMIUM_VARIABLE, raising=False)
    if asked_for is None:
        assert packages.missing(docker=True) == []
    else:
        with pytest.raises(packages.PackageError, match=asked_for):
            packages.missing(docker=True)
    with pytest.raises(packages.PackageError, match="without Docker"):
        packages.missing(docker=False)


def test_a_browser_of_ones_own_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_installed(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "")

    monkeypatch.setattr(packages.shutil, "which", lambda _: "/usr/bin/dpkg-query")
    monkeypatch.setattr(packages.subprocess, "run", nothing_installed)
    monkeypatch.delenv(packages.CHROMIUM_VARIABLE, raising=False)
    assert packages.missing(docker=True) == ["chromium", "iproute2"]
    monkeypatch.setenv(packages.CHROMIUM_VARIABLE, "/usr/bin/google-chrome")
    assert packages.missing(docker=True) == ["iproute2"]
