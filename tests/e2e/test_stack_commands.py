"""The stack's own commands: beside another stack, down without a trace, up again with every memory."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from recall_local import processes
from recall_local.aws import account
from tests.e2e.running_stack import RunningStack, recall_local, started

NAME = "second"


def traces(stack_name: str) -> dict[str, list[str]]:
    """Return what the machine shows of a stack: namespaces, links, mounts, control groups, processes."""

    def shown(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    word = f"recall-{stack_name}"
    state = f"/recall/{stack_name}"
    return {
        "namespaces": [line for line in shown("ip", "netns") if line.split()[:1] == [word]],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if state in line or word in line],
        "control groups": list(shown("find", "/sys/fs/cgroup", "-name", word)),
        "processes": [
            process.name
            for process in Path("/proc").glob("[0-9]*")
            if _command(process).find(f"{state}/") >= 0 or f"netns/{word}" in _command(process)
        ],
    }


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def links() -> list[str]:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()


def kill_everything(running: RunningStack) -> None:
    for name in processes.names(running.stack):
        with suppress(processes.ProcessError, ProcessLookupError):
            os.kill(processes.pid_of(running.stack, name), signal.SIGKILL)


def memory_texts(running: RunningStack) -> set[str]:
    tokens = running.sign_in("beta.recall.localhost", *account.demo_user(running.stack.state))
    with running.api("beta.recall.localhost", tokens) as api:
        return {memory["text"] for memory in api.memories()}


def test_a_second_stack_goes_down_without_a_trace_and_keeps_its_memories(recall: RunningStack) -> None:
    links_before = len(links())
    try:
        second = started(NAME)
        assert second.stack.edge_port != recall.stack.edge_port
        tokens = second.sign_in("beta.recall.localhost", *account.demo_user(second.stack.state))
        with second.api("beta.recall.localhost", tokens) as api:
            api.remember({"text": "The sledge is in the attic."})

        assert recall_local("down", stack=NAME).returncode == 0
        assert traces(NAME) == {"namespaces": [], "mounts": [], "control groups": [], "processes": []}
        assert len(links()) == links_before

        second = started(NAME)
        assert "The sledge is in the attic." in memory_texts(second)

        kill_everything(second)
        second = started(NAME)
        assert "The sledge is in the attic." in memory_texts(second)
        assert recall_local("status", stack=NAME).returncode == 0
    finally:
        done = recall_local("down", "--erase", stack=NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert traces(NAME) == {"namespaces": [], "mounts": [], "control groups": [], "processes": []}
    assert not second.stack.state.exists()
    recall.kubectl.wait("recallinstance/beta", until="condition=Ready")


def test_up_on_a_running_stack_changes_nothing(recall: RunningStack) -> None:
    pods = {pod["metadata"]["uid"] for pod in recall.kubectl.get("pod")["items"]}
    started(recall.stack.name)
    assert pods <= {pod["metadata"]["uid"] for pod in recall.kubectl.get("pod")["items"]}


def test_bad_names_and_words_are_refused_in_one_line() -> None:
    refused = recall_local("up", stack="Not_A_Name")
    assert refused.returncode == 2
    assert "RECALL_STACK='Not_A_Name'" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert recall_local("dwon", stack="test").returncode == 2
