"""AWS from an event loop: the services that users wait for by signed requests, the others by boto3 on threads.

Credentials and endpoints are boto3's own business (EKS Pod Identity, `AWS_ENDPOINT_URL`): nothing here depends on
where it runs.
"""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import from_json, to_json

from recall_api.errors import error_code, unavailable
from recall_api.signed_http import Identity, Service
from recall_api.tracing import CLIENT, span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

    from recall_api.settings import Settings
    from recall_api.telemetry import Metrics

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

RARE_CALLS_AT_ONCE: Final = 4
"""Threads for what is called through boto3: listing inference profiles, deleting a user."""

_JSON: Final = {"content-type": "application/json", "accept": "application/json"}
_EVENTS: Final = {"content-type": "application/json", "accept": "application/vnd.amazon.eventstream"}


class Aws:
    """What one process calls AWS with."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        session = boto3.session.Session(region_name=settings.region)
        identity = Identity(session._session)

        def service(name: str, *, signed_as: str, connections: int, silence: float, attempts: int) -> Service:
            region = settings.bedrock_region if signed_as == "bedrock" else settings.region
            address = session.client(name, region_name=region).meta.endpoint_url  # type: ignore[call-overload]
            return Service(
                session._session,
                identity,
                name=signed_as,
                address=address,
                region=region,
                connections=connections,
                silence=silence,
                attempts=attempts,
            )

        at_once = settings.storage_connections
        self._dynamodb = service("dynamodb", signed_as="dynamodb", connections=at_once, silence=10, attempts=4)
        self._embeddings = service("bedrock-runtime", signed_as="bedrock", connections=at_once, silence=10, attempts=2)
        # Made only where it is needed: reading KMS's description takes its time at every start.
        self._kms = (
            service("kms", signed_as="kms", connections=16, silence=5, attempts=4) if settings.keys_table else None
        )
        # A chat is never repeated here: a repeated read timeout pays whole generations again. The chat service
        # repeats what failed before the model said anything.
        self._chat = service(
            "bedrock-runtime", signed_as="bedrock", connections=settings.max_streams, silence=60, attempts=1
        )
        rarely = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
        self.bedrock: BedrockClient = session.client("bedrock", region_name=settings.bedrock_region, config=rarely)
        self.cognito: CognitoIdentityProviderClient = session.client("cognito-idp", config=rarely)
        self._threads = ThreadPoolExecutor(RARE_CALLS_AT_ONCE, thread_name_prefix="aws")

    async def dynamodb(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation of DynamoDB with its parameters as DynamoDB's JSON has them (binary values in base64).

        Raises:
            botocore.exceptions.ClientError: DynamoDB refused; the caller knows which codes it expects.
            ProblemError: it could not be reached (503).
        """
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
        body = to_json(parameters)
        with self._measured(operation):
            answer: dict[str, Any] = _parsed(await self._dynamodb.send(operation, "/", body, headers))
        return answer

    async def kms(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation of KMS with its parameters as its JSON has them; raises as `dynamodb` does.

        There is none without a keys table.
        """
        assert self._kms is not None  # noqa: S101 - only `encryption` calls it, and only with a keys table
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"TrentService.{operation}"}
        with self._measured(operation):
            answer: dict[str, Any] = _parsed(await self._kms.send(operation, "/", to_json(parameters), headers))
        return answer

    async def invoke_model(self, model: str, document: Mapping[str, Any]) -> Any:
        """Return what a Bedrock model that is no chat answers to `document`; raises as `dynamodb` does."""
        path = f"/model/{quote(model, safe='')}/invoke"
        with self._measured("InvokeModel"):
            return _parsed(await self._embeddings.send("InvokeModel", path, to_json(document), _JSON))

    @asynccontextmanager
    async def converse_stream(self, request: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Ask a chat model once and yield its event stream, as bytes; leaving early stops the model.

        Raises:
            botocore.exceptions.ClientError: Bedrock refused.
            botocore.exceptions.BotoCoreError: it could not be reached, or fell silent.
        """
        path = f"/model/{quote(request['modelId'], safe='')}/converse-stream"
        body = to_json({name: value for name, value in request.items() if name != "modelId"})
        async with self._chat.stream("ConverseStream", path, body, _EVENTS) as pieces:
            yield pieces

    async def call(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Run a method of a boto3 client on a thread; raises as `dynamodb` does."""
        with self._measured(getattr(function, "__name__", "call")):
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, functools.partial(function, *args, **kwargs)
            )

    async def close(self) -> None:
        """Give threads and connections back; running calls finish."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.bedrock.close()
        self.cognito.close()
        for service in (self._dynamodb, self._embeddings, self._chat, self._kms):
            if service is not None:
                await service.close()

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        began = time.perf_counter()
        name, outcome = xform_name(operation), "ok"
        try:
            with span(f"aws {name}", CLIENT):
                yield
        except ClientError as error:
            outcome = error_code(error)
            raise
        except BotoCoreError as error:
            outcome = error_code(error)
            raise unavailable("A service behind Recall") from error
        finally:
            self._metrics.aws_calls.labels(name, outcome).inc()
            self._metrics.aws_seconds.labels(name).observe(time.perf_counter() - began)


def _parsed(body: bytes) -> Any:
    """Return JSON's value: a vector in a fifth of the time of `json`. Only keys are cached, never what users wrote."""
    return from_json(body, cache_strings="keys")
