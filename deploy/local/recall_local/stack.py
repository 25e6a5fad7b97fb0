"""A stack: one Recall on this machine, with a name, an index, a state folder and addresses of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NAME_PATTERN: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
LARGEST_INDEX: Final = 63
FIRST_EDGE_PORT: Final = 8080


class StackError(Exception):
    """A stack that cannot be: the message names the value and what to do."""


class StackBusyError(Exception):
    """Another process changes the stack just now."""


@dataclass(frozen=True)
class Stack:
    """Where one stack keeps its things and at which addresses it answers."""

    name: str
    """Lower-case DNS label of at most 20 characters."""
    index: int
    """Its own number on this machine, 0 to 63, from which its addresses follow."""
    edge_port: int
    """Port on 127.0.0.1 that people open."""
    state: Path
    """Folder of what must outlive the processes: Kubernetes objects, the emulated AWS, certificates, logs."""
    cache: Path
    """Folder, shared by all stacks, of what can be made again: programs and images."""

    @property
    def namespace(self) -> str:
        """Name of the network namespace, of the Kubernetes node and of the control group."""
        return f"recall-{self.name}"

    @property
    def namespace_path(self) -> Path:
        """File to enter the network namespace by."""
        return Path("/run/netns") / self.namespace

    @property
    def interface(self) -> str:
        """Name of the host's end of the link to the namespace (Linux allows 15 characters)."""
        return f"recall{self.index}"

    @property
    def host_address(self) -> str:
        """Address of the host on the link; 100.64.0.0/10 is shared address space (RFC 6598), never a public one."""
        return f"100.64.{self.index}.1"

    @property
    def node_address(self) -> str:
        """Address of the Kubernetes node on the link: everything of the stack answers there."""
        return f"100.64.{self.index}.2"

    @property
    def logs(self) -> Path:
        """Folder with one log file for each process."""
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        """Administrator's kubeconfig of the stack's cluster."""
        return self.state / "kubeconfig"

    def origin(self, hostname: str) -> str:
        """Return the origin by which a browser on this machine opens `hostname`."""
        return f"http://{hostname}:{self.edge_port}"

    @classmethod
    def open(cls, name: str) -> Stack:
        """Return the stack called `name`; the first time, give it an index and a port and make its folders.

        Raises:
            StackError: the name is no DNS label of at most 20 characters, or 64 stacks exist already.
        """
        check_name(name)
        home = state_home()
        home.mkdir(parents=True, exist_ok=True)
        state = home / name
        with locked(home / ".lock"):
            record = state / "stack.json"
            if record.exists():
                values = json.loads(record.read_text())
            else:
                others = [json.loads(path.read_text()) for path in home.glob("*/stack.json")]
                values = {
                    "index": free_index({other["index"] for other in others} | _indexes_in_use()),
                    "edgePort": _free_port({other["edgePort"] for other in others}),
                }
                state.mkdir(mode=0o700, exist_ok=True)
                write_atomically(record, json.dumps(values))
        port = os.environ.get("RECALL_PORT") or values["edgePort"]
        stack = cls(name, values["index"], check_port(port), state, cache_home())
        stack.logs.mkdir(parents=True, exist_ok=True)
        stack.cache.mkdir(parents=True, exist_ok=True)
        return stack

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the stack while it is brought up or down; the kernel lets it go when the process dies.

        Raises:
            StackBusyError: another process does so: the two would start everything twice.
        """
        with (self.state / ".changing").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackBusyError(
                    f"stack {self.name!r} is just being brought up or down by another recall-local; wait for its end, "
                    "or interrupt it"
                ) from error
            yield

    def remove(self) -> None:
        """Delete everything the stack keeps, memories included; its index is free again. It must be down."""
        with locked(self.state.parent / ".lock"):
            shutil.rmtree(self.state)


def check_name(name: str) -> None:
    """Raise StackError unless `name` can be part of host, cgroup and namespace names."""
    if not NAME_PATTERN.fullmatch(name):
        raise StackError(
            f"RECALL_STACK={name!r} cannot name a stack; use 1 to 20 of a-z, 0-9 and '-', neither first nor last a '-'"
        )


def check_port(value: str | int) -> int:
    """Return `value` as a TCP port.

    Raises:
        StackError: it is no number from 1 to 65535.
    """
    if not str(value).isdecimal() or not 0 < int(value) < 65536:
        raise StackError(f"RECALL_PORT={value!r} is no port; use a number from 1 to 65535")
    return int(value)


def free_index(taken: Collection[int]) -> int:
    """Return the smallest index that is not taken.

    Raises:
        StackError: all 64 are.
    """
    for index in range(LARGEST_INDEX + 1):
        if index not in taken:
            return index
    raise StackError(
        f"{LARGEST_INDEX + 1} stacks exist already; delete the folder of one that is down in {state_home()}"
    )


def state_home() -> Path:
    """Return the folder of all stacks' state, as the XDG base directory specification says."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "recall"


def cache_home() -> Path:
    """Return the folder of all stacks' cache, as the XDG base directory specification says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recall"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the kernel releases it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` so that a reader, or a kill in between, sees the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=mode)
    temporary.write_text(text)
    temporary.replace(path)


def _indexes_in_use() -> set[int]:
    """Indexes whose addresses some interface has: a stack with another state folder, or somebody's VPN."""
    shown = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout
    addresses = [address["local"] for link in json.loads(shown) for address in link.get("addr_info", [])]
    return {int(match[1]) for address in addresses if (match := re.fullmatch(r"100\.64\.(\d+)\.\d+", address))}


def _free_port(taken: Collection[int]) -> int:
    for wanted in (FIRST_EDGE_PORT, 0):
        if wanted in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise StackError("no TCP port is free on 127.0.0.1; name one with RECALL_PORT")
