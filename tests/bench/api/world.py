"""What the measurements run in: emulators, a pod of the API and users, each a process or a token of the bench's own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from joserfc import jwt
from joserfc.jwk import RSAKey

from recall_api.aws import Aws
from recall_api.contract import REQUIRED_SCOPE, Environment
from recall_api.settings import Settings
from recall_api.telemetry import Metrics
from recall_local.aws import emulator as aws_emulator
from recall_local.bedrock import server as bedrock_server
from tests.integration.api.conftest import REGION, Instance, Pod, make_instance, run_pod
from tests.integration.conftest import Bedrock, Emulator, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT_MODEL: Final = "amazon.nova-lite-v1:0"
EMBEDDING_MODEL: Final = "amazon.titan-embed-text-v2:0"
DIMENSIONS: Final = 256
UNBOUNDED: Final = dict.fromkeys(
    ("RECALL_FREE_BUDGET", "RECALL_USER_REQUESTS_PER_MINUTE", "RECALL_ADDRESS_REQUESTS_PER_MINUTE"), "100000000"
)
TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far, in s, all its threads and both modes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_megabytes(pid: int) -> float:
    """Return the resident set of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1000


class Issuer:
    """Signs access tokens as the user pool does, and serves the key: a thousand users without a thousand sign-ins."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
        document = json.dumps({"keys": [self._key.as_dict(private=False)]}).encode()

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the key set."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"

    def token(self, instance: Instance, subject: str) -> str:
        """Return an access token of one day for `subject`."""
        now = int(time.time())
        claims = {
            "iss": instance.issuer, "sub": subject, "username": subject, "client_id": instance.client_id,
            "token_use": "access", "scope": REQUIRED_SCOPE, "iat": now, "exp": now + 86_400,
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": "bench"}, claims, self._key)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


class Caller:
    """A client that costs next to nothing: one kept connection of the standard library's HTTP, and JSON."""

    def __init__(self, url: str, token: str = "") -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})

    def send(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        """Send a request and return its answer, not read; an error ends the bench."""
        self._connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
        answer = self._connection.getresponse()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.read(2_000)!r}")
        return answer

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return what is answered."""
        return json.loads(self.send(method, path, body).read())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class World:
    """Everything that runs."""

    emulator: Emulator
    bedrock: Bedrock
    instance: Instance
    issuer: Issuer
    folder: Path

    def token(self, subject: str) -> str:
        """Return an access token."""
        return self.issuer.token(self.instance, subject)

    def aws(self) -> Aws:
        """Return what the API calls AWS with, for use in this process."""
        names = ("AWS_", "RECALL_")
        os.environ |= {n: value for n, value in self.instance.environment().items() if n.startswith(names)}
        return Aws(Settings(), Metrics())  # type: ignore[call-arg]

    @contextmanager
    def pod(self, **changes: str) -> Iterator[Pod]:
        """Run the API as its image does, with bounds that nobody reaches."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            settings = {Environment.JWKS_URL.value: self.issuer.url, **UNBOUNDED}
            pod = run_pod(self.instance, Path(folder), seconds=60, **settings, **changes)
            try:
                yield pod
            finally:
                pod.kill()

    def waiting(self, pod: Pod) -> int:
        """Return how many memories wait for their vector in a pod."""
        line = next(line for line in pod.metrics().splitlines() if line.startswith("recall_embeddings_waiting "))
        return int(float(line.split()[1]))

    def settle(self, pod: Pod, seconds: float = 60) -> None:
        """Wait until a pod has made all vectors."""
        deadline = time.monotonic() + seconds
        while self.waiting(pod):
            if time.monotonic() > deadline:
                raise RuntimeError("the vectors were not made")
            time.sleep(0.02)


@contextmanager
def new_bedrock(folder: Path, word_delay: float) -> Iterator[Bedrock]:
    """Run a Bedrock emulator whose model writes a word every `word_delay` s."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = bedrock_server.command("127.0.0.1", port, log_folder=folder, word_delay=word_delay)
    server = Server(command, folder / "bedrock.log", lambda: bedrock_server.is_ready(endpoint))
    server.start()
    try:
        yield Bedrock(endpoint=endpoint, folder=folder, server=server)
    finally:
        server.stop(signal.SIGKILL)


@contextmanager
def new_emulator(folder: Path) -> Iterator[Emulator]:
    """Run an emulated AWS that saves nothing."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = aws_emulator.command(folder, "127.0.0.1", port, region=REGION, save_seconds=0)
    server = Server(command, folder / "emulator.log", lambda: aws_emulator.is_ready(endpoint))
    server.start()
    try:
        yield Emulator(endpoint=endpoint, folder=folder, server=server)
    finally:
        server.stop(signal.SIGKILL)


@contextmanager
def world(word_delay: float = 0) -> Iterator[World]:
    """Run emulators with the tables of one instance; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="recall-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folders = [folder / name for name in ("aws", "bedrock")]
        for made in folders:
            made.mkdir()
        emulator = stack.enter_context(new_emulator(folders[0]))
        bedrock = stack.enter_context(new_bedrock(folders[1], word_delay))
        issuer = Issuer()
        stack.callback(issuer.close)
        yield World(emulator, bedrock, make_instance(emulator, bedrock), issuer, folder)
