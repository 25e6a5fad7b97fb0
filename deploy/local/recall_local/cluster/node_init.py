"""First process of the node: containerd and the kubelet, in a process and mount namespace of their own.

Run as `unshare --pid --mount --fork --kill-child --mount-proc python -m recall_local.cluster.node_init PLAN`, PLAN
being a JSON file with `commands` ([name, words, socket to wait for or null], in order) and `logs`. When this process
ends, however it ends, the kernel ends every container of the node and takes every mount of theirs away.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

OWN_FOLDERS: Final = ("/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet")
"""Folders that the node's programs write to whatever they are told: here they see empty ones of their own."""

KERNEL_SETTINGS: Final = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""Settings of the whole machine that the kubelet sets (setupKernelTunables); here it sets copies without effect."""

GRACE_SECONDS: Final = 8.0
"""How long containers may take to end after SIGTERM."""


class _Stop(Exception):  # noqa: N818 - a request, not an error
    """SIGTERM has come."""


def main() -> int:
    """Run the node until one of its programs ends, or SIGTERM comes; return the exit status."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    children: dict[int, str] = {}
    signal.signal(signal.SIGTERM, _stop)
    try:
        _make_own_folders()
        for name, words, socket in plan["commands"]:
            pid = _spawn(words, Path(plan["logs"]) / f"{name}.log")
            children[pid] = name
            while socket and not Path(socket).exists() and os.waitpid(pid, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        while (ended := os.waitpid(-1, 0)[0]) not in children:
            pass  # a process whose parent has ended: the first process of a namespace is to let it go
        print(f"{children[ended]} ended; so does the node", file=sys.stderr)
    except _Stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_everything(list(children))
        return 0
    return 1


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _Stop


def _make_own_folders() -> None:
    settings = {name: (Path("/proc/sys") / name).read_text() for name in KERNEL_SETTINGS}
    for folder in OWN_FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "recall", folder], check=True)
    for name, value in settings.items():
        copy = Path("/run/settings") / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(value)
        subprocess.run(["mount", "--bind", str(copy), f"/proc/sys/{name}"], check=True)


def _spawn(words: list[str], log: Path) -> int:
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        ).pid


def _end_everything(children: list[int]) -> None:
    """Ask the kubelet to end, which would start containers anew, then all others, and wait for them a while."""
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(children[-1], signal.SIGKILL)
        os.waitpid(children[-1], 0)
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(-1, signal.SIGTERM)
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
