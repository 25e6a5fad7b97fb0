"""The programs of the node: one binary, built from `deploy/local/node` once for each version and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recall_local.cluster.base import ClusterError
from recall_local.packages import require_go
from recall_local.stack import locked

if TYPE_CHECKING:
    from recall_local.cluster.base import Report

SOURCE: Final = Path(__file__).resolve().parents[2] / "node"
PROGRAMS: Final = (
    "coredns",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
REPORT_EVERY_SECONDS: Final = 10.0


def ensure(cache: Path, report: Report) -> Path:
    """Return the folder that holds the programs; build them if this version's are not in the cache.

    A first build takes about ten minutes on two cores.

    Raises:
        ClusterError: Go is missing or too old, or the build failed.
    """
    folder = cache / "node" / version(SOURCE)
    if folder.exists():
        return folder
    with locked(cache / "node" / ".lock"):
        if not folder.exists():
            require_go()
            _build(folder, report)
    return folder


def version(source: Path) -> str:
    """Return a short hash of everything that decides what is built."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((source / name).read_bytes())
    return digest.hexdigest()[:16]


def link_flags(go_mod: str) -> str:
    """Return the linker's flags: no symbols, and the version that Kubernetes and Helm say they are."""
    found = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)", go_mod)
    if found is None:
        raise ClusterError(f"{SOURCE / 'go.mod'} requires no version of k8s.io/kubernetes")
    major, minor, patch = found.groups()
    package = "k8s.io/component-base/version"
    values = {"gitVersion": f"v{major}.{minor}.{patch}", "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {package}.{key}={value}" for key, value in values.items())])


def _build(folder: Path, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    report("downloading the sources of Kubernetes, Helm and CoreDNS")
    total = len(_go("list", "-deps", ".").split())
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as name:
        unfinished = Path(name) / folder.name
        unfinished.mkdir()
        flags = link_flags((SOURCE / "go.mod").read_text())
        command = ["go", "build", "-v", "-trimpath", f"-ldflags={flags}", "-o", str(unfinished / "recall-node"), "."]
        _watch(command, total, report)
        for program in PROGRAMS:
            (unfinished / program).symlink_to("recall-node")
        unfinished.rename(folder)
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder and not _in_use(other):
            shutil.rmtree(other)


def _watch(command: list[str], total: int, report: Report) -> None:
    """Run `go build -v`, which names each package when it has compiled it."""
    compiled, said, problems = 0, time.monotonic(), []
    with subprocess.Popen(command, cwd=SOURCE, stderr=subprocess.PIPE, text=True, env=_environment()) as process:
        for line in process.stderr or ():
            if re.fullmatch(r"[\w./~-]+\n", line):
                compiled += 1
            elif not line.startswith("go: downloading"):
                problems.append(line)
            if time.monotonic() - said > REPORT_EVERY_SECONDS:
                said = time.monotonic()
                report(f"{compiled} of at most {total} packages compiled")
    if process.returncode:
        raise ClusterError(f"the node's programs could not be built in {SOURCE}: {''.join(problems[-10:])}")


def _go(*arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=SOURCE, capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode:
        raise ClusterError(f"`go {' '.join(arguments)}` failed in {SOURCE}: {done.stderr[-1000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0"}


def _in_use(folder: Path) -> bool:
    """Return whether a process runs a program of this version: another stack's."""
    binary = folder / "recall-node"
    for link in Path("/proc").glob("[0-9]*/exe"):
        try:
            if link.readlink() == binary:
                return True
        except OSError:
            continue
    return False
