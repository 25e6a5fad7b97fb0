"""A proxy before the emulated AWS: it makes requests slower, throttles one name's, and counts what AWS would count.

`python -m tests.bench.operator.slow_aws PORT TARGET SECONDS NAME`: every request takes SECONDS longer; requests about
tables that mention NAME are refused as throttled. `GET /_requests?since=N` returns the requests after the N-th.

The emulator gives some lists on one page that AWS gives in many: such an answer counts as the pages it would be.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import time
from typing import Any, Final

import uvloop
from aiohttp import ClientSession, TCPConnector, web

from recall_operator.aws.client import is_write

_ASSOCIATIONS: Final = "get_pod-identity-associations"
_PAGED: Final = {
    _ASSOCIATIONS: (b'"associationArn"', 100),
    "get_resources": (b'"ResourceARN"', 100),
    "get_account_authorization_details": (b"<RoleName>", 100),
}
"""What appears once for each item of an answer, and the items on one of AWS's pages."""
SKIPPED: Final = frozenset({"transfer-encoding", "content-length", "connection"})


def operation_of(request: web.Request, body: bytes) -> str:
    """Return the request's operation, in boto3's words where the protocol names it."""
    name = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    if not name and (found := re.search(rb"Action=(\w+)", body)):
        name = found[1].decode()
    if name:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return (
        f"{'get' if request.method == 'GET' else request.method.lower()}_{request.path.rstrip('/').rpartition('/')[2]}"
    )


async def application(target: str, seconds: float, throttled: bytes) -> web.Application:
    """Return the proxy."""
    session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)
    log: list[dict[str, Any]] = []

    async def forward(request: web.Request) -> web.Response:
        began = time.time()
        body = await request.read()
        operation = operation_of(request, body)
        entry = {"time": began, "operation": operation, "write": is_write(operation), "calls": 1}
        log.append(entry)
        await asyncio.sleep(seconds)
        if throttled in body and b"TableName" in body:
            kind = "application/x-amz-json-1.0"
            refusal = b'{"__type":"ThrottlingException","message":"slow"}'
            return web.Response(status=400, body=refusal, content_type=kind)
        path = request.raw_path
        if operation == _ASSOCIATIONS:
            # The emulator gives the first page and no token for a second one.
            path = path.replace("maxResults=100", "maxResults=100000")
        async with session.request(request.method, target + path, headers=request.headers, data=body) as answer:
            text = await answer.read()
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in SKIPPED}
            if operation in _PAGED:
                mark, page = _PAGED[operation]
                entry["calls"] = max(1, math.ceil(text.count(mark) / page))
            return web.Response(status=answer.status, body=text, headers=headers)

    async def requests(request: web.Request) -> web.Response:
        return web.Response(text=json.dumps(log[int(request.query["since"]) :]))

    proxy = web.Application(client_max_size=16 * 2**20)
    proxy.router.add_get("/_requests", requests)
    proxy.router.add_route("*", "/{path:.*}", forward)
    return proxy


def main() -> None:
    """Serve until stopped."""
    port, target, seconds, throttled = sys.argv[1:5]
    uvloop.install()
    web.run_app(
        application(target, float(seconds), throttled.encode()), host="127.0.0.1", port=int(port), access_log=None,
        print=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
