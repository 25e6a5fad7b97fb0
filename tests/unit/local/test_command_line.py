"""`recall-local` as people meet it when something is not there, twice there, or cut short."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from recall_local import cli, lifecycle
from recall_local import stack as stacks
from recall_local.kubectl import Kubectl
from recall_local.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "recall_local.cli"]


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a stack that was never up."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RECALL_STACK", "cut")
    monkeypatch.setattr(stacks, "_indexes_in_use", set)
    # A kubectl that finds no cluster.
    monkeypatch.setattr(lifecycle, "kubectl_of", lambda stack: Kubectl(tmp_path / "none/kubectl", stack.kubeconfig))
    return Stack.open("cut")


def test_logs_of_a_stack_that_is_down_end_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'no such cluster' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(lifecycle, "kubectl_of", lambda stack: Kubectl(program, stack.kubeconfig))
    assert cli.run(["logs"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("recall-local: ")
    assert "no such cluster; is the stack up?" in said


def test_each_log_comes_below_its_name_in_a_pipe_too(stack: Stack) -> None:
    for name in ("aws", "edge"):
        (stack.logs / f"{name}.log").write_text(f"line of {name}\n")
    done = subprocess.run([*COMMAND, "logs"], capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in done.stdout.splitlines() if line]
    places = [
        next(n for n, line in enumerate(lines) if word in line) for word in ("aws.log", "line of aws", "edge.log")
    ]
    assert places == sorted(places)


def test_a_reader_that_has_seen_enough_is_no_error(stack: Stack) -> None:
    (stack.logs / "aws.log").write_text("line\n" * 100_000)
    words = [*COMMAND, "logs", "aws", "--lines", "100000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


@pytest.mark.parametrize("words", [["up"], ["web"], ["down"], ["down", "--erase"]])
def test_what_changes_a_stack_does_so_alone(
    words: list[str], stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for change in ("up", "publish_web_app", "down"):
        monkeypatch.setattr(lifecycle, change, lambda *_, **__: pytest.fail("two at a time"))
    with stack.changing():
        assert cli.run(words) == 1
    assert "is just being brought up or down by another recall-local" in capsys.readouterr().err


def test_a_stack_is_free_again_when_its_change_has_ended(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(lifecycle, "down", lambda stack, **_: done.append(stack.name))
    with stack.changing():
        pass
    assert cli.run(["down"]) == 0
    assert done == ["cut"]
