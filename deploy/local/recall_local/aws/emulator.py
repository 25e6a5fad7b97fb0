"""Runs ministack as the AWS of a stack: `python -m recall_local.aws.emulator --state-folder … --host … --port …`.

It is started here and not by its own command for what it lacks: state saved every few seconds (see `snapshots`),
sessions of assumed roles kept over a restart (pods go on using theirs), a log of requests by caller, Bedrock's
rules for guardrails (see `guardrails`), the look of sign-in pages (see `branding`), their sessions (see
`sign_in_sessions`) and the end of those (see `token_revocation`).
IAM policies are enforced. The root account's key is `test` with secret `test`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs

from recall_local.aws import branding, guardrails, sign_in_sessions, token_revocation
from recall_local.aws.corrections import (
    authorize_backups_by_their_arn,
    compare_keys_with_their_range,
    let_a_tag_choose_a_key_id,
    tell_the_encryption_context,
)
from recall_local.aws.requests import RequestLog, is_write
from recall_local.aws.snapshots import Snapshots, restore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

ROOT_ACCESS_KEY: Final = "test"
ROOT_SECRET_KEY: Final = "test"  # noqa: S105 - ministack's fixed root key
ACCOUNT_ID: Final = "000000000000"
REQUEST_LOG_NAME: Final = "aws-requests.jsonl"
AUTHORIZE_PATH: Final = "/_recall/authorize"
SAVE_INTERVAL_SECONDS: Final = 2.0

_LOGGED_BODY_BYTES = 65_536
"""How much of a body is kept to name the operation: it stands in the form of query protocols, which are short."""


class Tls(NamedTuple):
    """Where the emulator answers over TLS as well: some policies refuse what comes without it (aws:SecureTransport)."""

    port: int
    certificate: Path
    """Key and certificate, PEM."""


def command(
    state_folder: Path,
    host: str,
    port: int,
    *,
    region: str,
    log_folder: Path | None = None,
    save_seconds: float = SAVE_INTERVAL_SECONDS,
    tls: Tls | None = None,
) -> list[str]:
    """Return the command that runs the emulator.

    Args:
        state_folder: where its state lives between runs; it is created.
        host: address to listen on.
        port: port to listen on.
        region: region of requests that name none.
        log_folder: where the request log goes; the state folder when None.
        save_seconds: time between two looks for changes to save; 0 saves only at the end.
        tls: where it also answers over TLS; nowhere when None.
    """
    secure = ["--tls-port", str(tls.port), "--tls-certificate", str(tls.certificate)] if tls else []
    return [
        sys.executable, "-m", "recall_local.aws.emulator",
        "--state-folder", str(state_folder), "--log-folder", str(log_folder or state_folder),
        "--host", host, "--port", str(port), "--region", region, "--save-seconds", str(save_seconds),
        *secure,
    ]  # fmt: skip


def is_ready(endpoint: str) -> bool:
    """Tell whether the emulator at `endpoint` answers and has loaded its state."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@dataclass(frozen=True)
class Options:
    """The command line, read."""

    state_folder: Path
    log_folder: Path
    host: str
    port: int
    region: str
    save_seconds: float
    tls_port: int | None
    tls_certificate: Path | None

    @property
    def live_folder(self) -> Path:
        """What ministack reads at its start, and where it keeps keys and Lambda code."""
        return self.state_folder / "live"

    @property
    def snapshot_folder(self) -> Path:
        """What we save."""
        return self.state_folder / "snapshots"

    def environment(self) -> dict[str, str]:
        """Return ministack's settings, which it reads when it is imported."""
        return {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
            "BIND_HOST": self.host,
            # With a Docker engine in reach it would start containers, and remove such as it takes for its own.
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            # A trigger that fails refuses the sign-in, as on AWS.
            "MINISTACK_COGNITO_PRETOKEN_STRICT": "1",
            # Of the names that it treats as its own, `localhost` would turn our `*.recall.localhost` into S3 buckets.
            "MINISTACK_HOST": "aws.recall.internal",
            "MINISTACK_REGION": self.region,
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(self.state_folder / "s3"),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self.live_folder),
        }


class Emulator:
    """ministack's ASGI application with our request log and authorization question around it."""

    def __init__(self, log: RequestLog, changed: Callable[[], None]) -> None:
        """Import ministack: its environment must be set by now."""
        from ministack import app

        guardrails.install()
        branding.install()
        sign_in_sessions.install()
        token_revocation.install()
        self._app = app
        self._log = log
        self._changed = changed

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app.app(scope, receive, send)
        elif scope["path"] == AUTHORIZE_PATH:
            await self._authorize(receive, send)
        elif scope["path"].startswith("/_ministack/") and scope["method"] == "GET":
            await self._app.app(scope, receive, send)
        else:
            await self._logged(scope, receive, send)

    async def _logged(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        body = bytearray()
        status = 0

        async def tee_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(body) < _LOGGED_BODY_BYTES:
                body.extend(message.get("body", b"")[: _LOGGED_BODY_BYTES - len(body)])
            return message

        async def tee_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app.app(scope, tee_receive, tee_send)
        finally:
            service, operation, caller = self._identify(scope, bytes(body))
            writes = is_write(operation) if operation else scope["method"] not in {"GET", "HEAD", "OPTIONS"}
            if writes or operation.startswith("Assume"):
                self._changed()
            self._log.write(
                service=service,
                operation=operation,
                write=writes,
                caller=caller,
                status=status,
                method=scope["method"],
                path=scope["path"],
                milliseconds=round((time.monotonic() - started) * 1000, 1),
            )

    @staticmethod
    def _identify(scope: Message, body: bytes) -> tuple[str, str, str]:
        """Return service, operation and the caller's ARN (empty for an unsigned or unknown one)."""
        from ministack.core.iam_actions import extract_iam_action
        from ministack.core.iam_evaluator import resolve_caller_identity
        from ministack.core.router import detect_service, extract_access_key_id

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        key = extract_access_key_id(headers, query)
        identity = resolve_caller_identity(key) if key else None
        caller = identity["userArn"] if identity else ""
        if not headers.get("x-amz-target") and not key:
            return "web", "", caller  # pages, tokens, public keys, files of the web app
        service = detect_service(scope["method"], scope["path"], headers, query)
        target = headers.get("x-amz-target", "")
        if target:
            return service, target.rpartition(".")[2], caller
        action = extract_iam_action(service, scope["method"], scope["path"], headers, body, query) or ""
        return service, action.rpartition(":")[2], caller

    async def _authorize(self, receive: Receive, send: Send) -> None:
        """Answer whether IAM allows a signed request that another emulator got (see `bedrock.authorization`).

        The question holds the request as it was signed, so that its signature is checked too.
        """
        question = bytearray()
        while True:
            message = await receive()
            question.extend(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        answer = json.dumps(self._decide(json.loads(question))).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    @staticmethod
    def _decide(question: dict[str, Any]) -> dict[str, str]:
        from ministack.app import _request_account_scope
        from ministack.core import iam_evaluator as iam
        from ministack.core.iam_actions import identity_denial_message
        from ministack.core.responses import set_request_account_id, set_request_region
        from ministack.core.router import extract_access_key_id, extract_region

        headers = {name.lower(): value for name, value in question["headers"]}
        raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in question["headers"]]
        key = extract_access_key_id(headers, {}) or ""
        set_request_account_id(_request_account_scope(key) if key else ACCOUNT_ID)
        set_request_region(extract_region(headers, {}))
        iam.pin_signed_request(question["method"], question["path"], {}, raw_headers)
        iam.pin_signed_body(base64.b64decode(question["body"]))
        identity = iam.resolve_caller_identity(key) if key else None
        caller = identity["userArn"] if identity else ""
        for resource in question["resources"]:
            refusal = iam.enforce(
                key, question["action"], "bedrock", extract_region(headers, {}), resource_arn=resource
            )
            if isinstance(refusal, iam.AuthError):
                return {"caller": caller, "code": refusal.code, "message": refusal.message}
            if refusal is not None:
                explicit = refusal.decision == "Deny"
                message = identity_denial_message(question["action"], refusal.principal_arn, resource, explicit)
                return {"caller": caller, "code": "AccessDeniedException", "message": message}
        return {"caller": caller, "code": "", "message": ""}


def save_all_services(live_folder: Path, into: Path) -> None:
    """Write the state of every service in use, and of those that are not loaded as they were.

    Raises:
        RuntimeError: a service's state could not be written; ministack itself would only log it, and lose it.
    """
    from ministack import app
    from ministack.core import persistence
    from ministack.services import sts

    readers = app._build_persistence_save_dict()
    # sts itself saves nothing: after a restart every pod would hold keys that nobody knows.
    states = {name: read() for name, read in readers.items() if name != "sts"} | {"sts": {"sessions": sts._sessions}}
    present = {name: state for name, state in states.items() if state is not None}
    persistence.STATE_DIR = str(into)
    try:
        for name, state in present.items():
            persistence.save_state(name, state)
    finally:
        persistence.STATE_DIR = str(live_folder)
    missing = [name for name in present if not (into / f"{name}.json").exists()]
    if missing:
        raise RuntimeError(f"state of {', '.join(missing)} could not be written; the reason is above in this log")
    for file in live_folder.glob("*.json"):
        if file.stem not in present:
            os.link(file, into / file.name)


def restore_sessions() -> None:
    """Give sts back the sessions of assumed roles that were saved; it drops the expired ones itself."""
    from ministack.core import persistence
    from ministack.services import sts

    sts._sessions.update((persistence.load_state("sts") or {}).get("sessions", {}))


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT, then save for the last time."""
    snapshot = restore(options.snapshot_folder, options.live_folder)
    logging.getLogger("persistence").setLevel(logging.WARNING)  # a line for each service every few seconds
    logging.getLogger("recall.emulator").info("state: %s", snapshot or "new")

    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack import app

    restore_sessions()
    authorize_backups_by_their_arn()
    tell_the_encryption_context()
    let_a_tag_choose_a_key_id()
    compare_keys_with_their_range()
    snapshots = Snapshots(
        options.snapshot_folder,
        lambda into: save_all_services(options.live_folder, into),
        interval=options.save_seconds,
    )
    emulator = Emulator(RequestLog(options.log_folder / REQUEST_LOG_NAME), snapshots.mark_changed)
    config = Config()
    config.bind = [f"{options.host}:{options.port}"]
    if options.tls_port:
        config.bind, config.insecure_bind = [f"{options.host}:{options.tls_port}"], config.bind
        config.certfile = config.keyfile = str(options.tls_certificate)
    config.keep_alive_timeout = 75
    config.graceful_timeout = 3
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    saving = asyncio.create_task(snapshots.run() if options.save_seconds else stop.wait())

    async def stopped() -> None:
        await stop.wait()
        app.PERSIST_STATE = False  # the last save is ours, below

    await hypercorn_serve(emulator, config, shutdown_trigger=stopped)  # type: ignore[arg-type]
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    snapshots.save_now()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="The emulated AWS of a local stack (ministack).")
    parser.add_argument("--state-folder", type=Path, required=True)
    parser.add_argument("--log-folder", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--save-seconds", type=float, default=SAVE_INTERVAL_SECONDS)
    parser.add_argument("--tls-port", type=int)
    parser.add_argument("--tls-certificate", type=Path)
    options = Options(**vars(parser.parse_args()))
    os.environ.update(options.environment())
    # Clients inside ministack must reach ministack, whatever the shell says.
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + ["AWS_SESSION_TOKEN"]:
        os.environ.pop(name, None)
    asyncio.run(serve(options))
    sys.stdout.flush()
    os._exit(0)  # warm Lambda workers are not daemons and would keep the process


if __name__ == "__main__":
    main()
