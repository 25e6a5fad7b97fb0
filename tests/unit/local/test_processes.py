"""Processes that are started, known by record, and stopped: with real ones."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recall_local import processes
from recall_local.processes import ProcessError
from recall_local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = ["sleep", "1000"]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack("unit-processes", 0, 8080, tmp_path, tmp_path)
    yield made
    processes.stop_many(made, processes.names(made), 1)


def test_a_process_runs_until_it_is_stopped(stack: Stack) -> None:
    pid = processes.start(stack, "one", FOREVER, enter_namespace=False)
    assert processes.running(stack, "one")
    assert processes.pid_of(stack, "one") == pid
    assert os.getsid(pid) == pid
    processes.stop(stack, "one")
    assert not processes.running(stack, "one")
    assert processes.names(stack) == []


def test_starting_twice_starts_once(stack: Stack) -> None:
    first = processes.start(stack, "one", FOREVER, enter_namespace=False)
    assert processes.start(stack, "one", FOREVER, enter_namespace=False) == first


def test_a_reused_process_id_is_never_taken_for_ours(stack: Stack) -> None:
    processes.start(stack, "one", FOREVER, enter_namespace=False)
    stranger = subprocess.Popen(FOREVER)
    try:
        record = stack.state / "processes" / "one.json"
        ours = json.loads(record.read_text())
        record.write_text(json.dumps({**ours, "pid": stranger.pid, "started": ours["started"] - 1}))
        assert not processes.running(stack, "one")
        processes.stop(stack, "one")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)
        os.kill(ours["pid"], signal.SIGKILL)


def test_what_ignores_sigterm_is_killed_with_its_children(stack: Stack) -> None:
    script = "trap '' TERM; sleep 1000 & echo $!; wait; wait"
    processes.start(stack, "stubborn", ["sh", "-c", script], enter_namespace=False)
    log = processes.log_path(stack, "stubborn")
    processes.wait_until(lambda: "\n" in log.read_text(), 10, "its child", (stack, "stubborn"))
    child = Path(f"/proc/{int(log.read_text())}/stat")
    assert processes.parse_stat(child.read_text())[0] in "RS"
    processes.stop(stack, "stubborn", timeout=0.2)
    processes.wait_until(lambda: not child.exists() or processes.parse_stat(child.read_text())[0] == "Z", 10, "its end")


def test_a_dead_process_is_not_running_though_nobody_waited_for_it(stack: Stack) -> None:
    pid = processes.start(stack, "one", FOREVER, enter_namespace=False)
    os.kill(pid, signal.SIGKILL)
    processes.wait_until(lambda: not processes.running(stack, "one"), 10, "the end")
    with pytest.raises(ProcessError, match=r"one does not run; its log: .*one\.log"):
        processes.pid_of(stack, "one")


def test_a_listening_socket_is_handed_over(stack: Stack) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    program = (
        "import os, socket; assert os.environ['LISTEN_FDS'] == '1' and os.environ['OWN'] == 'yes';"
        "connection, _ = socket.socket(fileno=3).accept(); connection.sendall(b'hello')"
    )
    command = [sys.executable, "-c", program]
    processes.start(stack, "server", command, env={"OWN": "yes"}, enter_namespace=False, listen=address)
    with socket.create_connection(address, timeout=10) as connection:
        assert connection.recv(16) == b"hello"


def test_an_address_in_use_is_refused_with_the_remedy(stack: Stack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ProcessError, match="RECALL_PORT"):
            processes.start(stack, "server", FOREVER, enter_namespace=False, listen=other.getsockname())
    assert processes.names(stack) == []


def test_waiting_ends_when_the_process_dies_and_shows_its_last_words(stack: Stack) -> None:
    processes.start(stack, "broken", ["sh", "-c", "sleep 0.2; echo no such zone >&2"], enter_namespace=False)
    with pytest.raises(ProcessError, match=r"broken died while DNS was waited for.*broken\.log\n +no such zone"):
        processes.wait_until(lambda: False, 30, "DNS", (stack, "broken"))


def test_waiting_ends_at_its_deadline_and_says_what_was_seen() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("connection refused")

    with pytest.raises(ProcessError, match=r"DNS did not come about within 0\.1 s \(last seen: connection refused\)"):
        processes.wait_until(refused, 0.1, "DNS")


def test_the_log_of_the_run_before_is_kept(stack: Stack) -> None:
    for word in ("first", "second"):
        processes.start(stack, "one", ["echo", word], enter_namespace=False)
        processes.wait_until(lambda: not processes.running(stack, "one"), 10, "the end")
    log = processes.log_path(stack, "one")
    assert log.read_text() == "second\n"
    assert log.with_suffix(".log.1").read_text() == "first\n"


def test_a_missing_program_is_named(stack: Stack) -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        processes.start(stack, "one", ["no-such-program"], enter_namespace=False)


@pytest.mark.parametrize("program", ["sleep", "a) b (c", ") Z 1 2", "(("])
def test_the_start_time_is_found_whatever_the_program_is_called(program: str) -> None:
    text = f"12 ({program}) S " + " ".join(["0"] * 18) + " 4711 0 0\n"
    assert processes.parse_stat(text) == ("S", 4711)
