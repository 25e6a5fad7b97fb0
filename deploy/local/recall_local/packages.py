"""The programs that the stack takes from Debian and from Go, and how they get onto the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NODE_PACKAGES: Final = (
    "buildah",
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "runc",
)
"""For a Kubernetes without Docker."""

COMMON_PACKAGES: Final = ("chromium", "iproute2")
"""For every stack: the browser that signs in, and the tool that shows the machine's addresses."""

CHROMIUM_VARIABLE: Final = "RECALL_CHROMIUM"
"""Environment variable with the path of a browser like Chromium that is there already."""

CHROMIUM_PATH: Final = "/usr/bin/chromium"
"""Where the browser is when the variable names none."""

OLDEST_GO: Final = (1, 26)


class PackageError(Exception):
    """A program that is missing and cannot be installed from here; the message says how to get it."""


def missing(*, docker: bool) -> list[str]:
    """Return the Debian packages that are needed and not installed; none on another Linux with Docker.

    Args:
        docker: Whether Docker answers; then kind brings what a node needs.

    Raises:
        PackageError: this is no Debian, and there is no Docker or a program that the stack needs beside it is missing.
    """
    wanted = sorted({*COMMON_PACKAGES, *(() if docker else NODE_PACKAGES)})
    if os.environ.get(CHROMIUM_VARIABLE):
        wanted.remove("chromium")
    if shutil.which("dpkg-query") is None:
        if docker:
            _require_programs()
            return []
        raise PackageError(
            "without Docker the stack needs Debian 12 and its packages, and this is no Debian: start Docker, or name a "
            "cluster that runs on this machine with RECALL_KUBE_CONTEXT"
        )
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *wanted]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return not_installed(wanted, shown)


def _require_programs() -> None:
    """Raise PackageError unless the programs are there that `COMMON_PACKAGES` brings on Debian."""
    absent = []
    if shutil.which("ip") is None:
        absent.append("iproute2, for the program ip")
    browser = os.environ.get(CHROMIUM_VARIABLE, CHROMIUM_PATH)
    if shutil.which(browser) is None:
        absent.append(f"Chromium, for {browser} (or name a browser like it in {CHROMIUM_VARIABLE})")
    if absent:
        raise PackageError(f"install with this machine's package manager: {'; '.join(absent)}")


def not_installed(wanted: Sequence[str], shown: str) -> list[str]:
    """Return which of `wanted` dpkg-query does not list as installed in `shown`."""
    installed = {words[0] for line in shown.splitlines() if (words := line.split())[1:] == ["installed"]}
    return [name for name in wanted if name not in installed]


def install(names: Sequence[str], report: Callable[[str], None]) -> None:
    """Install these Debian packages; services that come with them are not started.

    Raises:
        PackageError: not run as root, or apt-get failed.
    """
    if not names:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(names)}"
    if os.geteuid() != 0:
        raise PackageError(f"Debian packages are missing, and only root can install them: sudo {by_hand}")
    report(f"installing {', '.join(names)}")
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        # The two ways in which packages start their services, each told in this run alone not to.
        "SYSTEMD_OFFLINE": "1",  # systemctl starts nothing
        "RUNLEVEL": "1",  # invoke-rc.d starts nothing that does not belong to run level 1
    }
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", *names]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            reason = " / ".join(done.stderr.strip().splitlines()[-3:])
            raise PackageError(f"`{' '.join(command[:2])}` failed: {reason}; try by hand: {by_hand}")


def require_go() -> None:
    """Raise PackageError unless a Go that can build the node's programs is on PATH."""
    remedy = f"install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer (https://go.dev/doc/install) and put it on PATH"
    if shutil.which("go") is None:
        raise PackageError(f"Go is needed to build Kubernetes once: {remedy}")
    shown = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    if go_version(shown) < OLDEST_GO:
        raise PackageError(f"this Go says it is {shown or 'of no version'}, too old to build Kubernetes: {remedy}")


def go_version(shown: str) -> tuple[int, int]:
    """Return the version in what `go env GOVERSION` shows; (0, 0) when there is none."""
    found = re.match(r"go(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else (0, 0)
