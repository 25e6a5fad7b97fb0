"""What Recall is measured beside: mem0 and LiteLLM's proxy, from PyPI, in an environment of their own."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import yaml

from tests.bench import environments
from tests.integration.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PACKAGES: Final = ("mem0ai==2.2.1", "wordllama==0.4.0.post1", "litellm[proxy]==1.108.7")
"""None of it is a dependency of Recall."""
START_SECONDS: Final = 120.0
KEY: Final = "sk-bench"


def python() -> Path:
    """Return the Python of the peers' environment."""
    return environments.python("peers", *PACKAGES)


@contextmanager
def mem0(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run mem0's server with its data in `folder`; yield its address and its process."""
    port = free_port()
    # -P: the script's folder has packages whose names are those of standard modules.
    command = [str(python()), "-P", str(Path(__file__).parent / "api" / "mem0_server.py"), str(port), str(folder)]
    with _running(command, folder / "mem0.log", environment, f"http://127.0.0.1:{port}", "/health") as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def litellm(folder: Path, bedrock: str, model: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run LiteLLM's proxy in front of one Bedrock model (which it calls `chat`); yield its address."""
    port = free_port()
    parameters: dict[str, Any] = {
        "model": f"bedrock/converse/{model}",
        "aws_region_name": environment["AWS_REGION"],
        "aws_bedrock_runtime_endpoint": bedrock,
    }
    settings = {
        "model_list": [{"model_name": "chat", "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
    }
    configuration = folder / "litellm.yaml"
    configuration.write_text(yaml.safe_dump(settings))
    program = python().parent / "litellm"
    command = [str(program), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    address = f"http://127.0.0.1:{port}"
    with _running(command, folder / "litellm.log", {**environment, **quiet}, address, "/health/liveliness"):
        yield address


@contextmanager
def _running(
    command: Sequence[str], log: Path, environment: Mapping[str, str], address: str, health: str
) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address + health):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.kill()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
