"""AWS's HTTP APIs from an event loop: signed requests on kept connections.

Addresses, credentials, signatures and errors are botocore's; what is left out is the machinery around a call, which
costs four times the processor of everything else (decision 0110). Calls that users wait for go this way; rare ones
go through boto3 (see `aws`).
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
import zlib
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.utils import get_environ_proxies
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from botocore.credentials import Credentials, ReadOnlyCredentials
    from botocore.session import Session

CONNECT_SECONDS: Final = 3.0
KEPT_SECONDS: Final = 50.0
"""How long an idle connection is kept."""
CREDENTIALS_SECONDS: Final = 30.0
"""How often credentials are looked at; botocore renews them 15 minutes before they expire."""
LONGEST_WAIT_SECONDS: Final = 5.0

_TRANSIENT_STATUS: Final = frozenset({500, 502, 503, 504})
_TRANSIENT_CODES: Final = frozenset(
    {
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""What another attempt may not meet. Source: AWS SDKs reference guide, "Retry behavior", standard mode."""


class Identity:
    """The pod's credentials: read when they are needed, looked at again now and then, never on the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = asyncio.Lock()
        self._source: Credentials | None = None
        self._found: ReadOnlyCredentials | None = None
        self._look_at = 0.0

    async def credentials(self) -> ReadOnlyCredentials:
        """Return credentials that are valid now.

        Raises:
            BotoCoreError: there are none, or they could not be renewed.
        """
        if self._found is None or time.monotonic() >= self._look_at:
            async with self._lock:
                if self._found is None or time.monotonic() >= self._look_at:
                    self._found = await asyncio.to_thread(self._read)
                    self._look_at = time.monotonic() + CREDENTIALS_SECONDS
        return self._found

    def _read(self) -> ReadOnlyCredentials:
        self._source = self._source or self._session.get_credentials()
        if self._source is None:
            raise NoCredentialsError
        return self._source.get_frozen_credentials()


class Service:
    """One service at one address. Its connections belong to the event loop that uses it first."""

    def __init__(
        self,
        session: Session,
        identity: Identity,
        *,
        name: str,
        address: str,
        region: str,
        connections: int,
        silence: float,
        attempts: int,
        first_wait: float = 0.05,
    ) -> None:
        """Say how to reach it.

        Args:
            session: Where a bundle of trusted certificates may be configured.
            identity: Who signs.
            name: The service's name in signatures.
            address: `https://host` or `http://host:port`.
            region: The region in signatures.
            connections: How many requests run at once; others wait.
            silence: Seconds without a byte after which an answer is given up.
            attempts: How often a request is sent at most.
            first_wait: Longest wait before the second attempt, in s; it doubles with each further one.
        """
        self._identity = identity
        self._name, self._region = name, region
        self._address = address.rstrip("/")
        self._host = URL(self._address).authority
        self._at: dict[str, Any] = {"endpoint_url": self._address}
        self._certificates = session.get_config_variable("ca_bundle")
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        self._attempts, self._first_wait = attempts, first_wait
        self._http: aiohttp.ClientSession | None = None

    async def send(self, operation: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """POST a request and return the answer's body; what passes by itself is tried again.

        Raises:
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: AWS could not be reached, or fell silent.
        """
        attempt = 1
        while True:
            try:
                async with self._answer(operation, path, body, headers) as answer:
                    return await self._whole(answer)
            except (ClientError, BotoCoreError) as error:
                if attempt >= self._attempts or not _may_pass(error):
                    raise
            longest = min(self._first_wait * 2**attempt, LONGEST_WAIT_SECONDS)
            await asyncio.sleep(random.uniform(longest / 4, longest))  # noqa: S311 - jitter
            attempt += 1

    @asynccontextmanager
    async def stream(
        self, operation: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """POST a request once and yield the answer's pieces as they come; leaving early hangs up.

        Raises:
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: AWS could not be reached, hung up, or fell silent.
        """
        async with self._answer(operation, path, body, headers) as answer:
            yield self._pieces(answer)

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            await self._http.close()

    @asynccontextmanager
    async def _answer(
        self, operation: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        address = self._address + path
        # With the host told, the signer does not look for it in the address, twice a request.
        request = AWSRequest("POST", address, headers={"host": self._host, **headers}, data=body)
        SigV4Auth(await self._identity.credentials(), self._name, self._region).add_auth(request)
        with self._as_botocore():
            answer = await self._session().post(
                URL(address, encoded=True), data=body, headers=dict(request.headers.items()), allow_redirects=False
            )
        try:
            if answer.status >= 300:
                raise _error(operation, answer, await self._whole(answer))
            yield answer
        finally:
            answer.close()  # an answer that was read to its end has given its connection back by now

    async def _whole(self, answer: aiohttp.ClientResponse) -> bytes:
        with self._as_botocore():
            body = await answer.read()
        expected = answer.headers.get("x-amz-crc32")
        if expected is not None and zlib.crc32(body) != int(expected):
            raise ConnectionClosedError(**self._at)
        return body

    async def _pieces(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with self._as_botocore():
            async for piece in answer.content.iter_any():
                yield piece

    @contextmanager
    def _as_botocore(self) -> Iterator[None]:
        """Raise botocore's errors for those of the connection."""
        try:
            yield
        except aiohttp.ConnectionTimeoutError as error:
            raise ConnectTimeoutError(**self._at, error=error) from error
        except TimeoutError as error:
            raise ReadTimeoutError(**self._at, error=error) from error
        except aiohttp.ClientConnectorError as error:
            raise EndpointConnectionError(**self._at, error=error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionClosedError(**self._at, error=error) from error

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=KEPT_SECONDS,
                ssl=ssl.create_default_context(cafile=self._certificates) if self._certificates else True,
            )
            self._http = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                proxy=get_environ_proxies(self._address).get(self._address.partition(":")[0]),
                auto_decompress=False,
                headers={"accept-encoding": "identity"},
                skip_auto_headers=("user-agent",),
            )
        return self._http


def _may_pass(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status in _TRANSIENT_STATUS or error.response["Error"]["Code"] in _TRANSIENT_CODES
    return isinstance(error, ConnectionClosedError | ConnectTimeoutError | EndpointConnectionError | ReadTimeoutError)


def _error(operation: str, answer: aiohttp.ClientResponse, body: bytes) -> ClientError:
    """Return what boto3 would raise for an answer of the JSON protocols."""
    try:
        document: dict[str, Any] = json.loads(body)
    except ValueError:
        document = {}
    named = answer.headers.get("x-amzn-errortype") or document.get("__type") or document.get("code") or "Unknown"
    response: Any = {
        "Error": {
            "Code": str(named).partition(":")[0].rpartition("#")[2],
            "Message": document.get("message") or document.get("Message") or "",
        },
        "ResponseMetadata": {
            "HTTPStatusCode": answer.status,
            "RequestId": answer.headers.get("x-amzn-requestid", ""),
        },
        "CancellationReasons": document.get("CancellationReasons", []),
    }
    return ClientError(response, operation)
