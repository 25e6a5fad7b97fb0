"""AWS from an event loop: boto3's clients, built once, called on threads of their own.

boto3 blocks. Its calls run on a dedicated executor with as many connections as threads, so that the loop's default
executor never limits them and a slow model never takes the threads of storage. Credentials and endpoints are boto3's
own business (EKS Pod Identity, `AWS_ENDPOINT_URL`): nothing here depends on where it runs.
"""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recall_api.errors import error_code, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient

    from recall_api.settings import Settings
    from recall_api.telemetry import Metrics

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _config(*, read_timeout: int, connections: int, attempts: int) -> Config:
    """Return a client's configuration; `read_timeout` is the silence in s, `attempts` counts the first one."""
    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )


class Aws:
    """The clients of one process and the threads that call them."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        session = boto3.session.Session(region_name=settings.region)
        self.dynamodb: DynamoDBClient = session.client(
            "dynamodb", config=_config(read_timeout=10, connections=settings.storage_threads, attempts=4)
        )
        self.embeddings: BedrockRuntimeClient = session.client(
            "bedrock-runtime", config=_config(read_timeout=10, connections=settings.storage_threads, attempts=2)
        )
        self.bedrock: BedrockClient = session.client(
            "bedrock", config=_config(read_timeout=10, connections=1, attempts=2)
        )
        self.cognito: CognitoIdentityProviderClient = session.client(
            "cognito-idp", config=_config(read_timeout=10, connections=2, attempts=4)
        )
        # boto3 itself never repeats a chat: a repeated read timeout pays whole generations again. The chat
        # service repeats what failed before the model said anything.
        self.chat: BedrockRuntimeClient = session.client(
            "bedrock-runtime", config=_config(read_timeout=60, connections=settings.max_streams, attempts=1)
        )
        self._threads = ThreadPoolExecutor(settings.storage_threads, thread_name_prefix="aws")
        self.stream_threads = ThreadPoolExecutor(settings.max_streams, thread_name_prefix="chat")

    async def call(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Run a client's method on the storage threads.

        Raises:
            botocore.exceptions.ClientError: AWS refused; the caller knows which codes it expects.
            ProblemError: AWS could not be reached (503).
        """
        operation = getattr(function, "__name__", "call")
        began = time.perf_counter()
        outcome = "ok"
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, functools.partial(function, *args, **kwargs)
            )
        except ClientError as error:
            outcome = error_code(error)
            raise
        except BotoCoreError as error:
            outcome = error_code(error)
            raise unavailable("A service behind Recall") from error
        finally:
            self._metrics.aws_calls.labels(operation, outcome).inc()
            self._metrics.aws_seconds.labels(operation).observe(time.perf_counter() - began)

    def close(self) -> None:
        """Give threads and connections back; running calls finish."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.stream_threads.shutdown(wait=False, cancel_futures=True)
        for client in (self.dynamodb, self.embeddings, self.bedrock, self.cognito, self.chat):
            client.close()
