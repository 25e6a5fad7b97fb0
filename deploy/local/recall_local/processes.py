"""The stack's processes: started detached, known by a record on disk, stopped by it.

A record holds the process id and when that process started, so that a reused id is never mistaken for ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recall_local.stack import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from recall_local.stack import Stack

POLL_SECONDS: Final = 0.05
LISTEN_DESCRIPTOR: Final = 3
"""First inherited descriptor, as in systemd's socket activation (sd_listen_fds(3))."""


class ProcessError(Exception):
    """A process that did not start, died or did not do its work in time; the message names its log."""


@dataclass(frozen=True)
class Record:
    """What is remembered of a started process."""

    pid: int
    started: int
    """Clock ticks after boot, from field 22 of /proc/<pid>/stat."""
    command: list[str]
    settings: str = ""
    """Digest of the variables that it was given, which may hold secrets; unknown in a record of an older version."""


def start(
    stack: Stack,
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    enter_namespace: bool,
    listen: tuple[str, int] | None = None,
) -> int:
    """Start `command` detached, in a session of its own, unless it runs already as `name`.

    A process that was started as `name` with another command or other variables is stopped first.

    Args:
        stack: Whose process it is.
        name: Names the record and the log; the log of the previous run becomes `<name>.log.1`.
        command: Program and arguments; the program is looked for on PATH.
        env: Variables beside those of the caller.
        enter_namespace: Run it inside the stack's network namespace.
        listen: Host address and port to listen on. The socket is made on the host, before the namespace is
            entered, and handed over as descriptor 3 with LISTEN_FDS=1.

    Returns:
        The process id.

    Raises:
        ProcessError: the program is missing, or the address cannot be listened on.
    """
    settings = _digest(env or {})
    if running(stack, name):
        record = _read(stack, name)
        if (record.command, record.settings) == (list(command), settings):
            return record.pid
        stop(stack, name)
    words = [*_entrance(stack), *command] if enter_namespace else list(command)
    program = shutil.which(words[0])
    if program is None:
        raise ProcessError(f"{name}: the program {words[0]!r} is not on PATH")
    environment = {**os.environ, **(env or {})}
    log = log_path(stack, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), log_flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    listener = _listen(name, listen) if listen else None
    try:
        if listener is not None:
            actions.append((os.POSIX_SPAWN_DUP2, listener.fileno(), LISTEN_DESCRIPTOR))
            environment["LISTEN_FDS"] = "1"
        pid = os.posix_spawn(program, words, environment, file_actions=actions, setsid=True)
    finally:
        if listener is not None:
            listener.close()
    # A child that has died already can still be read: nobody has waited for it yet.
    started = parse_stat(Path(f"/proc/{pid}/stat").read_text())[1]
    folder = _record_path(stack, name).parent
    folder.mkdir(exist_ok=True)
    write_atomically(_record_path(stack, name), json.dumps(asdict(Record(pid, started, list(command), settings))))
    return pid


def running(stack: Stack, name: str) -> bool:
    """Return whether the process that was started as `name` is alive."""
    try:
        record = _read(stack, name)
    except FileNotFoundError:
        return False
    return _started(record.pid) == record.started


def pid_of(stack: Stack, name: str) -> int:
    """Return the id of the running process `name`.

    Raises:
        ProcessError: it does not run.
    """
    if not running(stack, name):
        raise ProcessError(f"{name} does not run; its log: {log_path(stack, name)}")
    return _read(stack, name).pid


def names(stack: Stack) -> list[str]:
    """Return the names of all processes that were started and not yet stopped, alive or dead."""
    return sorted(path.stem for path in (stack.state / "processes").glob("[!.]*.json"))


def log_path(stack: Stack, name: str) -> Path:
    """Return the file that holds what the process `name` writes."""
    return stack.logs / f"{name}.log"


def stop(stack: Stack, name: str, timeout: float = 10) -> None:
    """End the process `name` and its process group: SIGTERM, and SIGKILL after `timeout` seconds."""
    stop_many(stack, [name], timeout)


def stop_all(stack: Stack, timeout: float = 20) -> None:
    """End all of the stack's processes side by side, and whatever else runs in its network namespace."""
    stop_many(stack, names(stack), timeout)
    for pid in _processes_in(stack.namespace_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _processes_in(stack.namespace_path), 10, f"the end of all processes in {stack.namespace}")


def stop_many(stack: Stack, which: Sequence[str], timeout: float) -> None:
    """End these processes side by side: SIGTERM, and SIGKILL after `timeout` seconds; then forget them."""
    for how, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 10.0)):
        alive = [name for name in which if running(stack, name)]
        for name in alive:
            with suppress(ProcessLookupError):
                os.killpg(_read(stack, name).pid, how)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(running(stack, name) for name in alive):
            time.sleep(POLL_SECONDS / 5)
    for name in which:
        if running(stack, name):
            raise ProcessError(
                f"{name} (process {_read(stack, name).pid}) cannot be killed; its log: {log_path(stack, name)}"
            )
        _record_path(stack, name).unlink(missing_ok=True)


def wait_until(
    condition: Callable[[], bool],
    deadline_seconds: float,
    what: str,
    process: tuple[Stack, str] | None = None,
) -> None:
    """Return as soon as `condition` holds; an OSError that it raises means "not yet".

    Args:
        condition: Asked every 50 ms.
        deadline_seconds: How long to wait at most.
        what: What is waited for, in words for the error.
        process: Stack and name of the process that brings it about; waiting ends when that one dies.

    Raises:
        ProcessError: the deadline passed or the process died; it names the log and shows its last lines.
    """
    deadline = time.monotonic() + deadline_seconds
    problem = ""
    while True:
        try:
            if condition():
                return
        except OSError as error:
            problem = f" (last seen: {error})"
        hint = ""
        if process is not None:
            log = log_path(*process)
            hint = f"; its log: {log}{_tail(log)}"
            if not running(*process):
                raise ProcessError(f"{process[1]} died while {what} was waited for{hint}")
        if time.monotonic() > deadline:
            raise ProcessError(f"{what} did not come about within {deadline_seconds:g} s{problem}{hint}")
        time.sleep(POLL_SECONDS)


def _digest(env: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(env), sort_keys=True).encode()).hexdigest()


def _entrance(stack: Stack) -> list[str]:
    # Not `ip netns exec`: that one mounts another /sys, in which the kubelet finds no control groups.
    return ["nsenter", f"--net={stack.namespace_path}", "--"]


def _record_path(stack: Stack, name: str) -> Path:
    return stack.state / "processes" / f"{name}.json"


def _read(stack: Stack, name: str) -> Record:
    return Record(**json.loads(_record_path(stack, name).read_text()))


def _started(pid: int) -> int | None:
    """Start time of a living process; None for one that is gone or a zombie."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # if it is a dead child of this very process, let it go
    try:
        state, started = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else started


def parse_stat(text: str) -> tuple[str, int]:
    """Return state and start time in the text of a /proc/<pid>/stat (proc_pid_stat(5)).

    The program's name stands in parentheses and may hold any character, so that fields are counted after the last one.
    """
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _listen(name: str, address: tuple[str, int]) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ProcessError(
            f"{name} cannot listen on {address[0]}:{address[1]} ({error.strerror}); "
            "choose another port with RECALL_PORT"
        ) from error
    return listener


def _processes_in(namespace: Path) -> list[int]:
    """Ids of the processes in the network namespace `namespace`, which is one that a stack made."""
    try:
        wanted = namespace.stat()
    except FileNotFoundError:
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            seen = (folder / "ns/net").stat()
            if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(folder.name))
    return found


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()[-3:]
    except FileNotFoundError:
        return ""
    return "".join(f"\n    {line[:300]}" for line in lines)
