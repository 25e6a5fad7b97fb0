"""The HTTP side of the Bedrock Runtime emulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
import pydantic
from aiohttp import web

from recall_local.aws.requests import RequestLog
from recall_local.bedrock import converse, eventstream, titan
from recall_local.bedrock.authorization import Authorization
from recall_local.bedrock.builtin import BuiltIn
from recall_local.bedrock.conversation import Conversation, read
from recall_local.bedrock.errors import BedrockError, invalid
from recall_local.bedrock.faults import FAULTS, HEADER, Fault, Faults
from recall_local.bedrock.language import Language, WordLlama
from recall_local.bedrock.models import Invocation, find
from recall_local.bedrock.proxy import ModelServer, Proxy
from recall_local.serving import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from recall_local.bedrock.generation import Generator, Item

REQUEST_LOG_NAME: Final = "bedrock-requests.jsonl"
_HEALTH_PATH: Final = "/_health"
_LARGEST_BODY: Final = 25 * 1024 * 1024
_CREDENTIAL: Final = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/")
"""Source: IAM User Guide, "Elements of an AWS API request signature": the scope of a credential."""
_EXCEPTION_EVENTS: Final = {
    code: code[0].lower() + code[1:]
    for code in (
        "InternalServerException", "ModelStreamErrorException", "ServiceUnavailableException", "ThrottlingException",
        "ValidationException",
    )
}  # fmt: skip
"""The errors that a stream may end with; the others are answered before it starts."""


@dataclass(frozen=True)
class Options:
    """How the emulator runs."""

    host: str
    port: int
    log_folder: Path
    word_delay: float = 0.02
    """Seconds between the built-in model's words."""
    authorizer: str | None = None
    """Address of the emulated AWS whose IAM decides; everybody may do everything when None."""
    region: str = "eu-west-1"
    """Region of requests that are not signed; the others are asked in the region that they are signed for."""
    model_server: ModelServer | None = None


def is_ready(endpoint: str) -> bool:
    """Tell whether the emulator at `endpoint` answers."""
    try:
        with urllib.request.urlopen(endpoint + _HEALTH_PATH, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def command(
    host: str, port: int, *, log_folder: Path, authorizer: str | None = None, word_delay: float = 0.02
) -> list[str]:
    """Return the command that runs the emulator; it reads RECALL_MODEL_SERVER, _NAME and _KEY from its environment.

    Args:
        host: address to listen on.
        port: port to listen on.
        log_folder: where the request log goes.
        authorizer: address of the emulated AWS whose IAM decides; everybody may do everything when None.
        word_delay: seconds between the built-in model's words.
    """
    words = [sys.executable, "-m", "recall_local.bedrock", "--host", host, "--port", str(port)]
    words += ["--log-folder", str(log_folder), "--word-delay", str(word_delay)]
    return words + (["--authorizer", authorizer] if authorizer else [])


def described_model(environment: Mapping[str, str]) -> str:
    """Return words for the screen that say which model answers."""
    server = ModelServer.from_environment(environment)
    if server is None:
        return 'model "built-in" (quotes memories; set RECALL_MODEL_SERVER for a language model)'
    return f'model "{server.name}" at {server.base_url}'


@dataclass
class Record:
    """What is logged of a request; filled while it runs."""

    operation: str
    model: str
    access_key: str
    region: str
    caller: str = ""
    status: int = 200
    outcome: str = "complete"
    """`complete`, `refused`, `disconnected` (the client left) or the name of the fault."""
    events: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def milliseconds(self) -> int:
        """Time since the request came."""
        return round((time.monotonic() - self.started) * 1000)


class Bedrock:
    """The routes."""

    def __init__(
        self, generator: Generator, language: Language, authorization: Authorization, log: RequestLog, region: str
    ) -> None:
        self._region = region
        self._generator = generator
        self._language = language
        self._authorization = authorization
        self._log = log
        self._faults = Faults()

    def routes(self) -> list[web.RouteDef]:
        """Return all routes."""
        return [
            web.post("/model/{model}/converse", self.converse),
            web.post("/model/{model}/converse-stream", self.converse_stream),
            web.post("/model/{model}/invoke", self.invoke),
            web.get("/_faults", self.show_faults),
            web.post("/_faults", self.arm_faults),
            web.delete("/_faults", self.disarm_faults),
            web.get(_HEALTH_PATH, self.health),
        ]

    async def converse(self, request: web.Request) -> web.StreamResponse:
        """Answer in one body."""
        async with self._admitted(request, "Converse") as (record, invocation, _):
            items = [item async for item in self._generator.generate(await _conversation(request, invocation))]
            return web.json_response(converse.whole(items, record.milliseconds))

    async def converse_stream(self, request: web.Request) -> web.StreamResponse:
        """Answer event by event, each sent when it exists."""
        async with self._admitted(request, "ConverseStream") as (record, invocation, fault):
            released = self._faults.released
            items = self._generator.generate(await _conversation(request, invocation))
            async with contextlib.aclosing(items):  # type: ignore[type-var]
                first = await anext(items)  # what fails before the first word is an error of the request
                response = web.StreamResponse(headers={"content-type": eventstream.CONTENT_TYPE, **_request_id()})
                await response.prepare(request)
                try:
                    async for name, content in _events(first, items, record):
                        if fault is not None and not await _go_on(fault, name, record, request, released):
                            return response
                        if fault is not None and fault.kind == "guardrail" and name == "messageStop":
                            content = {"stopReason": "guardrail_intervened"}
                        await response.write(eventstream.event(name, content))
                        record.events += 1
                except BedrockError as error:
                    record.outcome = error.code
                    code = error.code if error.code in _EXCEPTION_EVENTS else "ModelStreamErrorException"
                    await response.write(eventstream.exception(_EXCEPTION_EVENTS[code], error.message))
            return response

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        """Embed one text."""
        async with self._admitted(request, "InvokeModel") as (_, invocation, _fault):
            if not invocation.model.embeds:
                raise invalid(f"This emulator invokes embedding models only; use Converse for {invocation.model.id}.")
            answer = titan.embed(await request.read(), self._language)
            tokens = {"x-amzn-bedrock-input-token-count": str(answer["inputTextTokenCount"])}
            return web.json_response(answer, headers={**tokens, **_request_id()})

    async def show_faults(self, _: web.Request) -> web.Response:
        """List the armed faults."""
        return web.json_response(FAULTS.dump_python(self._faults.armed()))

    async def arm_faults(self, request: web.Request) -> web.Response:
        """Arm one fault or a list of them."""
        body = await request.json()
        try:
            self._faults.arm(FAULTS.validate_python(body if isinstance(body, list) else [body]))
        except pydantic.ValidationError as error:
            return web.json_response({"message": str(error)}, status=400)
        return await self.show_faults(request)

    async def disarm_faults(self, _: web.Request) -> web.Response:
        """Forget all faults and let held streams go on."""
        self._faults.disarm()
        return web.Response(status=204)

    async def health(self, _: web.Request) -> web.Response:
        """Say that it runs, and with which model."""
        return web.json_response({"status": "ok", "model": self._generator.name})

    @contextlib.asynccontextmanager
    async def _admitted(
        self, request: web.Request, operation: str
    ) -> AsyncIterator[tuple[Record, Invocation, Fault | None]]:
        """Check the caller, the model and the faults that come before an answer; log how it ended.

        Raises:
            web.HTTPException: the request is refused, in Bedrock's form.
        """
        signed = _CREDENTIAL.search(request.headers.get("authorization", ""))
        key, region = (signed["key"], signed["region"]) if signed else ("", self._region)
        record = Record(operation, request.match_info["model"], key, region)
        try:
            invocation = find(record.model, region)
            record.caller = await self._authorization.check(request, operation, invocation, region)
            try:
                fault = self._faults.take(operation, request.headers.get(HEADER))
            except pydantic.ValidationError as error:
                raise invalid(f"{HEADER}: {error}") from error
            if fault is not None and fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault is not None and fault.kind == "error":
                raise _demanded(fault)
            yield record, invocation, fault
        except BedrockError as error:
            record.status, record.outcome = error.status, error.code
            raise _Refusal(error) from error
        except (asyncio.CancelledError, ConnectionError):
            record.outcome = "disconnected"
            raise
        finally:
            self._log.write(
                service="bedrock", operation=operation, write=False, model=record.model, access_key=record.access_key,
                region=record.region, caller=record.caller, status=record.status, outcome=record.outcome,
                events=record.events, answered_by=self._generator.name, milliseconds=record.milliseconds,
            )  # fmt: skip


class _Refusal(web.HTTPException):
    """An error of Bedrock as an HTTP answer."""

    def __init__(self, error: BedrockError) -> None:
        self.status_code = error.status
        super().__init__(
            text=json.dumps({"message": error.message}),
            content_type="application/json",
            headers={"x-amzn-errortype": error.code, **_request_id()},
        )


async def _go_on(fault: Fault, event: str, record: Record, request: web.Request, released: asyncio.Event) -> bool:
    """Let `fault` happen before `event` when its time has come; tell whether the stream goes on."""
    if fault.kind == "no-metadata" and event == "metadata":
        record.outcome = fault.kind
        return False
    if record.events != fault.after:
        return True
    if fault.kind == "hold":
        await released.wait()
    elif fault.kind == "stream-error":
        raise _demanded(fault)
    elif fault.kind == "cut":
        record.outcome = fault.kind
        if request.transport is not None:
            request.transport.abort()
        return False
    return True


def _demanded(fault: Fault) -> BedrockError:
    return BedrockError(fault.code, f"{fault.code} on demand (a fault for tests).")


def _request_id() -> dict[str, str]:
    return {"x-amzn-requestid": str(uuid.uuid4())}


async def _conversation(request: web.Request, invocation: Invocation) -> Conversation:
    if invocation.model.embeds:
        raise invalid(f"The model {invocation.model.id} does not chat; use InvokeModel for it.")
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise invalid("The request body is not JSON.") from error
    return read(invocation.model, body)


async def _events(first: Item, rest: AsyncIterator[Item], record: Record) -> AsyncIterator[converse.Event]:
    events = converse.StreamEvents()
    yield events.start()
    for event in events.of(first, record.milliseconds):
        yield event
    async for item in rest:
        for event in events.of(item, record.milliseconds):
            yield event


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT."""
    language = WordLlama()
    async with aiohttp.ClientSession() as session:
        generator: Generator = (
            Proxy(options.model_server, session) if options.model_server else BuiltIn(language, options.word_delay)
        )
        authorization = Authorization(options.authorizer, session)
        log = RequestLog(options.log_folder / REQUEST_LOG_NAME)
        bedrock = Bedrock(generator, language, authorization, log, options.region)
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.add_routes(bedrock.routes())
        await run_until_stopped(application, options.host, options.port)
