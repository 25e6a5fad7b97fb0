"""A proxy before the emulated AWS: every request takes 20 ms longer, and one name can be throttled.

`python -m tests.bench.operator.slow_aws PORT TARGET SECONDS NAME`: requests that mention NAME are refused as throttled.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import ClientSession, TCPConnector, web


async def application(target: str, seconds: float, throttled: bytes) -> web.Application:
    """Return the proxy."""
    session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        await asyncio.sleep(seconds)
        if throttled in body and b"TableName" in body:
            kind = "application/x-amz-json-1.0"
            return web.Response(
                status=400, body=b'{"__type":"ThrottlingException","message":"slow"}', content_type=kind
            )
        async with session.request(
            request.method, target + request.raw_path, headers=request.headers, data=body
        ) as answer:
            skipped = {"transfer-encoding", "content-length", "connection"}
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in skipped}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)

    proxy = web.Application(client_max_size=16 * 2**20)
    proxy.router.add_route("*", "/{path:.*}", forward)
    return proxy


def main() -> None:
    """Serve until stopped."""
    port, target, seconds, throttled = sys.argv[1:5]
    web.run_app(
        application(target, float(seconds), throttled.encode()), host="127.0.0.1", port=int(port), access_log=None,
        print=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
