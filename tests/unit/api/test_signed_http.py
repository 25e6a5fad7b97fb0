"""Requests to AWS: what is signed, what is tried again, what is raised, and that leaving hangs up."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from recall_api.signed_http import Identity, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Session(botocore.session.Session):
    """A session whose credentials are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def get_credentials(self) -> Any:
        self.asked += 1
        return self

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return ReadOnlyCredentials("key", "secret", "token")


@asynccontextmanager
async def service(
    *answers: Answer, attempts: int = 3, silence: float = 5, session: Session | None = None
) -> AsyncIterator[tuple[Service, list[web.Request]]]:
    """Yield a service that gives these answers, the last one for ever, and the requests that came."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        await request.read()
        return await answers[min(len(seen), len(answers)) - 1](request)

    application = web.Application()
    application.router.add_post("/{path:.*}", handle)
    async with TestServer(application) as server:
        session = session or Session()
        made = Service(
            session, Identity(session), name="dynamodb", address=str(server.make_url("")), region="eu-west-1",
            connections=4, silence=silence, attempts=attempts, first_wait=0.001,
        )  # fmt: skip
        yield made, seen
        await made.close()


def says(text: str, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            text=text, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def ask(made: Service) -> bytes:
    return await made.send("GetItem", "/", b"{}", {"x-amz-target": "DynamoDB_20120810.GetItem"})


async def test_a_request_is_signed_with_the_pods_credentials_which_are_read_once() -> None:
    session = Session()
    async with service(says("done"), session=session) as (made, seen):
        assert [await ask(made) for _ in range(3)] == [b"done"] * 3
    assert session.asked == 1
    signed = seen[0].headers["authorization"]
    assert "Credential=key/" in signed
    assert "/eu-west-1/dynamodb/aws4_request" in signed
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target" in signed
    assert seen[0].headers.getall("host") == [seen[0].url.authority]
    assert seen[0].headers["x-amz-security-token"] == "token"


@pytest.mark.parametrize(
    "passing",
    [
        says("", 503),
        says(json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}), 400),
        says("{}", 429, x_amzn_errortype="TooManyRequestsException:http://internal.amazon.com/"),
        says("broken", x_amz_crc32=str(zlib.crc32(b"whole"))),
        hangs_up,
    ],
    ids=["5xx", "throttled", "too-many", "damaged", "cut"],
)
async def test_what_passes_by_itself_is_tried_again_and_no_further_than_allowed(passing: Answer) -> None:
    async with service(passing, passing, says("done")) as (made, seen):
        assert await ask(made) == b"done"
    assert len(seen) == 3
    async with service(passing) as (made, seen):
        with pytest.raises((ClientError, ConnectionClosedError)):
            await ask(made)
    assert len(seen) == 3


async def test_a_refusal_is_raised_as_boto3_does_and_not_repeated() -> None:
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "cancelled",
        "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
    }
    async with service(says(json.dumps(body), 400)) as (made, seen):
        with pytest.raises(ClientError) as caught:
            await ask(made)
    assert len(seen) == 1
    assert caught.value.response["Error"] == {"Code": "TransactionCanceledException", "Message": "cancelled"}
    assert caught.value.response["CancellationReasons"] == body["CancellationReasons"]


async def test_silence_and_nobody_there_are_told_apart() -> None:
    never = asyncio.Event()

    async def is_silent(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with service(is_silent, attempts=1, silence=0.05) as (made, _):
        with pytest.raises(ReadTimeoutError):
            await ask(made)
        never.set()
    session = Session()
    nobody = Service(
        session, Identity(session), name="dynamodb", address="http://127.0.0.1:1", region="eu-west-1",
        connections=1, silence=1, attempts=1,
    )  # fmt: skip
    with pytest.raises(EndpointConnectionError):
        await ask(nobody)
    await nobody.close()


async def test_leaving_a_stream_hangs_up() -> None:
    left = asyncio.Event()

    async def goes_on(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"more")
                await asyncio.sleep(0.01)
        finally:
            left.set()

    async with service(goes_on, attempts=1) as (made, _):
        async with made.stream("ConverseStream", "/", b"{}", {}) as pieces:
            assert (await anext(pieces)).startswith(b"more")
        await asyncio.wait_for(left.wait(), 5)


async def test_a_stream_that_is_cut_says_so() -> None:
    async def is_cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        return await hangs_up(request)

    async def read(made: Service) -> list[bytes]:
        async with made.stream("ConverseStream", "/", b"{}", {}) as pieces:
            return [piece async for piece in pieces]

    async with service(is_cut, attempts=3) as (made, seen):
        with pytest.raises(ConnectionClosedError):
            await read(made)
    assert len(seen) == 1
