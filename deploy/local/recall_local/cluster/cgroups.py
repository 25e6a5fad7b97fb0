"""The stack's control groups, in which the kubelet puts its pods; version 1 (one tree a controller) and version 2."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from recall_local.cluster.base import ClusterError
from recall_local.processes import wait_until

NEEDED: Final = ("cpu", "cpuset", "memory", "pids")
"""Controllers without which the kubelet does not start."""


def trees(mountinfo: str) -> list[Path]:
    """Return where the control group trees are mounted, from the text of /proc/self/mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in {"cgroup", "cgroup2"}:
            found.append(Path(before.split()[4]))
    return sorted(set(found))


def create(name: str) -> None:
    """Make the group `name` in every tree.

    Raises:
        ClusterError: this machine gives no control groups, or not the controllers that the kubelet needs.
    """
    roots = trees(Path("/proc/self/mountinfo").read_text())
    for root in roots:
        try:
            (root / name).mkdir(exist_ok=True)
            _enable(root, name)
        except OSError as error:
            raise ClusterError(
                f"no control group can be made in {root} ({error.strerror}): run as root, in a container with "
                "--privileged and --cgroupns=host"
            ) from error
    controllers = {controller for root in roots for controller in _controllers(root / name)}
    if missing := [controller for controller in NEEDED if controller not in controllers]:
        raise ClusterError(
            f"the kernel's control groups lack {', '.join(missing)}: enable them (cgroup_enable=… at boot)"
        )


def remove(name: str) -> None:
    """Delete the group `name` and all below it from every tree; its processes must have been ended."""
    roots = trees(Path("/proc/self/mountinfo").read_text())

    def gone() -> bool:
        for root in roots:
            for folder, _, _ in os.walk(root / name, topdown=False):
                with suppress(FileNotFoundError):
                    Path(folder).rmdir()
        return True

    # A process that was just killed holds its group for a moment (EBUSY).
    wait_until(gone, 20, f"the end of the control groups {name}")


def _enable(root: Path, name: str) -> None:
    group = root / name
    for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts a group with none, and refuses processes then
        if (root / "cgroup.sane_behavior").exists() and (group / file).exists():
            (group / file).write_text((root / file).read_text())
    control = root / "cgroup.subtree_control"  # version 2 only
    if control.exists():
        offered = (root / "cgroup.controllers").read_text().split()
        enabled = control.read_text().split()
        for controller in offered:
            if controller not in enabled and controller in NEEDED:
                control.write_text(f"+{controller}")


def _controllers(group: Path) -> set[str]:
    """Controllers of one group, told in version 2 by a list, in version 1 by the files that they put there."""
    listed = group / "cgroup.controllers"
    if listed.exists():
        return set(listed.read_text().split())
    return {file.name.partition(".")[0] for file in group.iterdir() if file.is_file()}
