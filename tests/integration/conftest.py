"""Emulators on free loopback ports, one of each for the whole run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from recall_local.aws import emulator as aws_emulator
from recall_local.aws import requests as request_log
from recall_local.bedrock import server as bedrock_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REGION = "eu-west-1"
START_SECONDS = 30.0
SESSION = boto3.session.Session()


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(service: str, endpoint: str, **settings: Any) -> Any:
    """Return a boto3 client of the root account, unless `settings` say otherwise."""
    settings.setdefault("config", Config(retries={"total_max_attempts": 1}))
    settings.setdefault("aws_access_key_id", aws_emulator.ROOT_ACCESS_KEY)
    settings.setdefault("aws_secret_access_key", aws_emulator.ROOT_SECRET_KEY)
    settings.setdefault("region_name", REGION)
    return SESSION.client(service, endpoint_url=endpoint, **settings)


class Server:
    """A server under test: started as the stack starts it, stopped by its own process id."""

    def __init__(self, command: list[str], log: Path, ready: Callable[[], bool]) -> None:
        self._command = command
        self._log = log
        self._ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready; a server that ends or hangs fails with its log."""
        with self._log.open("ab") as output:
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECALL_"))
            }
            self.process = subprocess.Popen(self._command, stdout=output, stderr=output, env=environment)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command[2]} did not start:\n{self._log.read_text()}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@dataclass(frozen=True)
class Emulator:
    """The emulated AWS."""

    endpoint: str
    folder: Path
    server: Server

    def client(self, service: str, **settings: Any) -> Any:
        """Return a boto3 client of the root account, unless `settings` say otherwise."""
        return client(service, self.endpoint, **settings)

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests logged so far: service, operation, write, caller, status, …"""
        return request_log.read(self.folder / aws_emulator.REQUEST_LOG_NAME)


@dataclass(frozen=True)
class Bedrock:
    """The Bedrock Runtime emulator."""

    endpoint: str
    folder: Path
    server: Server

    def client(self, **settings: Any) -> Any:
        """Return a boto3 client for it."""
        return client("bedrock-runtime", self.endpoint, **settings)

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests logged so far."""
        return request_log.read(self.folder / bedrock_server.REQUEST_LOG_NAME)


def new_emulator(folder: Path) -> Emulator:
    """Return an emulated AWS with its state in `folder`, not started."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = aws_emulator.command(folder, "127.0.0.1", port, region=REGION)
    server = Server(command, folder / "emulator.log", lambda: aws_emulator.is_ready(endpoint))
    return Emulator(endpoint=endpoint, folder=folder, server=server)


def new_bedrock(folder: Path, authorizer: str | None = None) -> Bedrock:
    """Return a Bedrock Runtime emulator that logs into `folder`, not started."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = bedrock_server.command("127.0.0.1", port, log_folder=folder, authorizer=authorizer)
    server = Server(command, folder / "bedrock.log", lambda: bedrock_server.is_ready(endpoint))
    return Bedrock(endpoint=endpoint, folder=folder, server=server)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulated AWS (ministack, IAM enforced) that tests of the run share: name what you make uniquely."""
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    running.server.start()
    yield running
    running.server.stop()


@pytest.fixture(scope="session")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bedrock]:
    """A Bedrock Runtime emulator with its built-in model, which tests of the run share; it asks nobody for rights."""
    running = new_bedrock(tmp_path_factory.mktemp("bedrock"))
    running.server.start()
    yield running
    running.server.stop()


@pytest.fixture
def make_emulator(tmp_path: Path) -> Iterator[Callable[[], Emulator]]:
    """Make emulated AWSes of the test's own, which it starts and stops itself."""
    made: list[Emulator] = []

    def make() -> Emulator:
        folder = tmp_path / f"aws-{len(made)}"
        folder.mkdir()
        made.append(new_emulator(folder))
        return made[-1]

    yield make
    for emulator in made:
        emulator.server.stop()


@pytest.fixture
def make_bedrock(tmp_path: Path) -> Iterator[Callable[..., Bedrock]]:
    """Start Bedrock Runtime emulators of the test's own; the argument is the emulated AWS whose IAM decides."""
    made: list[Bedrock] = []

    def make(authorizer: str | None = None) -> Bedrock:
        folder = tmp_path / f"bedrock-{len(made)}"
        folder.mkdir()
        made.append(new_bedrock(folder, authorizer))
        made[-1].server.start()
        return made[-1]

    yield make
    for bedrock in made:
        bedrock.server.stop()
