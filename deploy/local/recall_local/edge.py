"""What people's browsers reach: the local stand-in for CloudFront, the load balancer and the sign-in pages' address.

    auth.<zone>                  the hosted sign-in pages of the emulated Cognito
    hosts of Ingresses           ready pods of the Service behind them
    every other name of <zone>   the web app's CloudFront distribution

As a load balancer it also writes its name into the Ingresses, from which the operator makes alias records.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from recall_local import routes
from recall_local.aws.account import INGRESS_CLASS, REGION, ZONE_NAME
from recall_local.cluster_api import Access, ClusterApi, Collection
from recall_local.serving import start, stop_signal

logger = logging.getLogger("recall.edge")

_CONNECT_SECONDS: Final = 3.0
_IDLE_SECONDS: Final = 60.0
"""How long an answer may be silent. Source: idle timeout of application load balancers."""
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_SIGN_IN_PATHS: Final = ("/oauth2/", "/login", "/logout", "/signup", "/forgotPassword", "/confirm", "/saml2/")
"""All that browsers may reach of the emulator: its other paths would let any web page reset it."""
_STATUS_SECONDS: Final = 0.2
_INHERITED: Final = 3  # sd_listen_fds(3)


def command(
    *, stack_name: str, kubeconfig: Path, aws_endpoint: str, distribution: str, listen: tuple[str, int] | None = None
) -> list[str]:
    """Return the command that runs the edge.

    Args:
        stack_name: name of the stack, part of the load balancer's name.
        kubeconfig: an administrator's.
        aws_endpoint: address of the emulated AWS.
        distribution: domain name of the web app's distribution.
        listen: address and port; None when it inherits a listening socket (LISTEN_FDS=1).
    """
    words = [
        sys.executable, "-m", "recall_local.edge", "--stack", stack_name, "--kubeconfig", str(kubeconfig),
        "--aws-endpoint", aws_endpoint, "--distribution", distribution,
    ]  # fmt: skip
    return words + (["--host", listen[0], "--port", str(listen[1])] if listen else [])


def load_balancer_name(stack_name: str) -> str:
    """Return the name that Ingresses show, in the form of AWS's load balancers."""
    return f"recall-{stack_name}.{REGION}.elb.amazonaws.com"


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    address: str
    """Scheme, host and port."""
    host: str
    """The Host header it is sent with."""


class Problem(web.HTTPException):
    """An answer of the edge itself (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        self.status_code = status
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        retry = {"retry-after": "1"} if status == 503 else {}
        super().__init__(text=json.dumps(body), content_type="application/problem+json", headers=retry)


class Edge:
    """The proxy."""

    def __init__(self, api: ClusterApi, session: aiohttp.ClientSession, aws: str, distribution: str, name: str) -> None:
        """Remember where everything is.

        Args:
            api: the cluster.
            session: connections to everything behind.
            aws: address of the emulated AWS.
            distribution: domain name of the web app's distribution.
            name: the load balancer's name.
        """
        self._session = session
        self._aws = aws
        self._distribution = distribution
        self._name = name
        self._api = api
        self._unpublished = asyncio.Event()
        self._turn = 0
        self._ingresses = Collection(api, "/apis/networking.k8s.io/v1/ingresses", self._unpublished.set)
        self._services = Collection(api, "/api/v1/services")
        self._slices = Collection(api, "/apis/discovery.k8s.io/v1/endpointslices")

    async def run(self) -> None:
        """Follow the cluster and publish the load balancer's name, for ever."""
        async with asyncio.TaskGroup() as group:
            for collection in (self._ingresses, self._services, self._slices):
                group.create_task(collection.run())
            group.create_task(self._publish())

    async def _publish(self) -> None:
        while True:
            await self._unpublished.wait()
            self._unpublished.clear()
            for (namespace, name), ingress in list(self._ingresses.objects.items()):
                if ingress["spec"].get("ingressClassName") != INGRESS_CLASS or routes.published(ingress) == self._name:
                    continue
                path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status"
                status = {"status": {"loadBalancer": {"ingress": [{"hostname": self._name}]}}}
                try:
                    await self._api.request("PATCH", path, status, "application/merge-patch+json")
                except (aiohttp.ClientError, TimeoutError) as error:
                    logger.warning("status of Ingress %s/%s: %s; trying again", namespace, name, error)
                    self._unpublished.set()
            await asyncio.sleep(_STATUS_SECONDS)  # the change that was just made comes back as an event

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request from where its host name leads."""
        host = request.host.partition(":")[0].lower()
        if not host.endswith("." + ZONE_NAME):
            raise Problem(421, "Misdirected Request", f"{host} is no name of this stack; use names of {ZONE_NAME}.")
        if host == f"auth.{ZONE_NAME}":
            if not request.path.startswith(_SIGN_IN_PATHS):
                raise Problem(404, "Not Found", f"{request.path} is no page of the hosted sign-in.")
            return await self._forward(request, [Target(self._aws, self._aws.partition("://")[2])])
        known = routes.routes(self._ingresses.objects.values(), INGRESS_CLASS)
        route = routes.choose(known, host, request.path)
        if route is not None:
            return await self._forward(request, self._targets(route.backend, request.host))
        if any(found.host == host for found in known):
            raise Problem(404, "Not Found", f"No Ingress covers {request.path} of {host}.")
        if host.startswith("api."):
            raise Problem(
                503,
                "Service Unavailable",
                f"No Ingress names {host}: its RecallInstance is not there, or not ready yet.",
            )
        return await self._web_app(request)

    def _targets(self, backend: routes.Backend, host: str) -> list[Target]:
        ready = routes.endpoints(backend, self._services.objects, self._slices.objects.values())
        if not ready:
            raise Problem(
                503,
                "Service Unavailable",
                f"Service {backend.namespace}/{backend.service} has no ready pod on port {backend.port}: the instance "
                "is starting, hibernating or broken; see `kubectl get recall`.",
            )
        self._turn += 1
        first = self._turn % len(ready)
        return [Target(f"http://{address}:{port}", host) for address, port in ready[first:] + ready[:first]]

    async def _web_app(self, request: web.Request) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"} or request.path.startswith("/_"):
            raise Problem(403, "Forbidden", "The web app's distribution takes GET and HEAD of its files only.")
        return await self._forward(request, [Target(self._aws, self._distribution)])

    async def _forward(self, request: web.Request, targets: list[Target]) -> web.StreamResponse:
        """Send a request on, and its answer back as it comes; try the next target when one cannot be connected."""
        for target in targets:
            try:
                return await self._exchange(request, target)
            except aiohttp.ClientConnectorError as error:  # nothing was sent yet
                logger.warning("%s: %s", target.address, error)
                if request.method not in _IDEMPOTENT:
                    break
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Problem(502, "Bad Gateway", f"{target.address} broke off: {type(error).__name__}.") from error
        raise Problem(503, "Service Unavailable", f"{targets[-1].address} takes no connection.")

    async def _exchange(self, request: web.Request, target: Target) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if _passes(name) and name.lower() != "host"]
        headers += [
            ("host", target.host),
            ("x-forwarded-for", request.remote or ""),
            ("x-forwarded-proto", request.scheme),
            ("x-forwarded-host", request.host),
        ]
        async with self._session.request(
            request.method,
            URL(target.address + request.raw_path, encoded=True),
            headers=headers,
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if _passes(name):
                    response.headers.add(name, value)
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            except (aiohttp.ClientError, TimeoutError) as error:
                # The answer has begun, so its end can only be broken off: the client must not take it for whole.
                logger.warning("%s broke off: %s", target.address, type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
            return response


def _passes(header: str) -> bool:
    return header.lower() not in _HOP_BY_HOP and not header.lower().startswith("x-forwarded-")


def inherited_socket(environment: dict[str, str] | os._Environ[str] = os.environ) -> socket.socket | None:
    """Return the listening socket that the caller handed over, if it did (LISTEN_FDS=1, descriptor 3)."""
    return socket.socket(fileno=_INHERITED) if environment.get("LISTEN_FDS") == "1" else None


async def serve(arguments: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    async with contextlib.AsyncExitStack() as stack:
        api = ClusterApi(Access.from_kubeconfig(arguments.kubeconfig))
        stack.push_async_callback(api.close)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_IDLE_SECONDS),
                skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            )
        )
        edge = Edge(api, session, arguments.aws_endpoint, arguments.distribution, load_balancer_name(arguments.stack))
        following = asyncio.create_task(edge.run())
        application = web.Application(client_max_size=0)
        application.add_routes([web.route("*", "/{path:.*}", edge.handle)])
        runner = await start(application, arguments.host, arguments.port, listener=inherited_socket())
        stack.push_async_callback(runner.cleanup)
        logger.info("the edge listens")
        stopped = asyncio.create_task(stop_signal())
        await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
        following.cancel()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="The address that browsers open.")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--aws-endpoint", required=True)
    parser.add_argument("--distribution", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
