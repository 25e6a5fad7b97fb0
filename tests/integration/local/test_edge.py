"""The edge, run as the stack runs it: in front of emulators, pods and an API server that the test plays."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from recall_local import edge
from recall_local.cluster import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.integration.conftest import Emulator

API_HOST = "api.beta.recall.localhost"
DISTRIBUTION = "d0000000000000.cloudfront.net"
PATHS = {
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
    "services": "/api/v1/services",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
}
INGRESS = {
    "metadata": {"namespace": "default", "name": "beta", "resourceVersion": "1"},
    "spec": {
        "ingressClassName": "recall-local",
        "rules": [
            {
                "host": API_HOST,
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "beta", "port": {"name": "http"}}},
                        }
                    ]
                },
            }
        ],
    },
}
SERVICE = {
    "metadata": {"namespace": "default", "name": "beta", "resourceVersion": "1"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}


def endpoint_slice(name: str, address: str, port: int) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "default",
            "name": name,
            "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": "beta"},
        },
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


@dataclass
class ApiServer:
    """The API server's lists, watches and status patches, as far as the edge uses them."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in PATHS})
    watchers: dict[str, list[asyncio.Queue[dict[str, Any]]]] = field(default_factory=lambda: {k: [] for k in PATHS})
    patches: list[tuple[str, Any]] = field(default_factory=list)
    patched: asyncio.Event = field(default_factory=asyncio.Event)
    watched: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[web.RouteDef]:
        found = [web.get(path, self._collection(kind)) for kind, path in PATHS.items()]
        return [
            *found,
            web.patch("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status", self._patch),
        ]

    def _collection(self, kind: str) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            assert request.transport.get_extra_info("peercert"), "the edge shows no client certificate"
            if "watch" not in request.query:
                return web.json_response({"metadata": {"resourceVersion": "1"}, "items": self.objects[kind]})
            response = web.StreamResponse()
            await response.prepare(request)
            queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            self.watchers[kind].append(queue)
            if all(self.watchers.values()):
                self.watched.set()
            while True:
                await response.write(json.dumps(await queue.get()).encode() + b"\n")

        return answer

    async def _patch(self, request: web.Request) -> web.Response:
        self.patches.append((request.match_info["name"], await request.json()))
        self.patched.set()
        return web.json_response({})

    def change(self, kind: str, event: str, found: dict[str, Any]) -> None:
        for queue in self.watchers[kind]:
            queue.put_nowait({"type": event, "object": found})


@asynccontextmanager
async def serving(routes: list[web.RouteDef], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    application = web.Application(client_max_size=2**24)
    application.add_routes(routes)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass
class Edge:
    """A running edge."""

    port: int
    session: aiohttp.ClientSession
    api: ApiServer
    log: Path

    def request(self, method: str, host: str, path: str, **more: Any) -> Any:
        headers = {"host": f"{host}:{self.port}", **more.pop("headers", {})}
        return self.session.request(
            method, f"http://127.0.0.1:{self.port}{path}", headers=headers, allow_redirects=False, **more
        )

    async def until(self, host: str, path: str, status: int) -> None:
        async with asyncio.timeout(10):
            while True:
                async with self.request("GET", host, path) as answer:
                    if answer.status == status:
                        return
                await asyncio.sleep(0.05)


def kubeconfig(folder: Path, port: int) -> Path:
    def data(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {
                "name": "k",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": data("ca.crt")},
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")},
            }
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@asynccontextmanager
async def running_edge(folder: Path, aws: str, api: ApiServer, distribution: str = DISTRIBUTION) -> AsyncIterator[Edge]:
    pki = folder / "pki"
    certificates.ensure(pki, certificates.subjects("node", "127.0.0.1", "10.0.0.1"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    log = folder / "edge.log"
    async with serving(api.routes(), tls) as api_port, aiohttp.ClientSession() as session:
        command = edge.command(
            stack_name="test", kubeconfig=kubeconfig(pki, api_port), aws_endpoint=aws, distribution=distribution
        )
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                "bash",
                *("-c", f'exec 3<&{listener.fileno()} "$@"', "bash", *command),
                env={**os.environ, "LISTEN_FDS": "1"},
                pass_fds=[listener.fileno()],
                stdout=output,
                stderr=output,
            )
        listener.close()
        try:
            yield Edge(port, session, api, log)
        finally:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0, log.read_text()


async def problem(answer: aiohttp.ClientResponse) -> str:
    assert answer.content_type == "application/problem+json"
    found: str = (await answer.json())["detail"]
    return found


async def test_answers_stream_through_and_an_impatient_client_stops_the_pod(tmp_path: Path) -> None:
    go_on, left = asyncio.Event(), asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.host.startswith(API_HOST)
        assert request.headers["x-forwarded-host"].startswith(API_HOST)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            await response.write(b"data: first\n\n")
            await go_on.wait()
            await response.write(b"data: second\n\n")
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    api = ApiServer()
    async with serving([web.get("/chat", stream)]) as pod_port, running_edge(tmp_path, "http://127.0.0.1:1", api) as it:
        api.objects |= {"ingresses": [INGRESS], "services": [SERVICE]}
        api.objects["slices"] = [endpoint_slice("s", "127.0.0.1", pod_port)]
        await it.until(API_HOST, "/nothing", 404)
        async with asyncio.timeout(10):
            async with it.request("GET", API_HOST, "/chat") as answer:
                assert await answer.content.readany() == b"data: first\n\n"
                go_on.set()  # the second event did not exist before
                assert await answer.content.readany() == b"data: second\n\n"
                answer.close()
        async with asyncio.timeout(1):
            await left.wait()


async def test_it_follows_the_cluster_and_says_what_is_missing(tmp_path: Path) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    api = ApiServer()
    async with serving([web.get("/", hello)]) as pod_port, running_edge(tmp_path, "http://127.0.0.1:1", api) as it:
        await it.until(API_HOST, "/", 503)
        async with asyncio.timeout(10):
            await api.watched.wait()
        api.change("ingresses", "ADDED", INGRESS)
        async with asyncio.timeout(10):
            await api.patched.wait()
        name = {"status": {"loadBalancer": {"ingress": [{"hostname": edge.load_balancer_name("test")}]}}}
        assert api.patches == [("beta", name)]
        async with it.request("GET", API_HOST, "/") as answer:
            assert answer.status == 503
            assert "default/beta has no ready pod" in await problem(answer)
        api.change("services", "ADDED", SERVICE)
        # One endpoint takes no connection: another one answers.
        with socket.create_server(("127.0.0.1", 0)) as probe:
            dead_port = probe.getsockname()[1]
        api.change("slices", "ADDED", endpoint_slice("dead", "127.0.0.1", dead_port))
        api.change("slices", "ADDED", endpoint_slice("live", "127.0.0.1", pod_port))
        await it.until(API_HOST, "/", 200)
        for _ in range(4):
            async with it.request("GET", API_HOST, "/") as answer:
                assert await answer.text() == "hello"
        api.change("ingresses", "MODIFIED", {**INGRESS, **name})
        api.change("ingresses", "DELETED", {**INGRESS, **name})
        await it.until(API_HOST, "/", 503)
        async with it.request("GET", API_HOST, "/") as answer:
            assert "No Ingress names" in await problem(answer)
        assert len(api.patches) == 1


async def test_bodies_and_headers_pass_unchanged(tmp_path: Path) -> None:
    async def echo(request: web.Request) -> web.Response:
        response = web.Response(body=await request.read(), status=201, headers={"x-kept": request.headers["x-own"]})
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")
        response.headers["x-query"] = request.raw_path
        return response

    api = ApiServer()
    async with serving([web.put("/{p:.*}", echo)]) as pod_port, running_edge(tmp_path, "http://127.0.0.1:1", api) as it:
        api.objects |= {"ingresses": [INGRESS], "services": [SERVICE]}
        api.objects["slices"] = [endpoint_slice("s", "127.0.0.1", pod_port)]
        await it.until(API_HOST, "/a", 405)
        body = os.urandom(3_000_000)
        async with it.request("PUT", API_HOST, "/a%2Fb?x=%20y", data=body, headers={"x-own": "kept"}) as answer:
            assert answer.status == 201
            assert await answer.read() == body
            assert answer.headers["x-kept"] == "kept"
            assert answer.headers["x-query"] == "/a%2Fb?x=%20y"
            assert len(answer.headers.getall("set-cookie")) == 2


@pytest.mark.parametrize(
    ("host", "method", "path", "status"),
    [
        ("127.0.0.1", "GET", "/", 421),
        ("evil.example", "GET", "/", 421),
        ("auth.recall.localhost", "POST", "/_ministack/reset", 404),
        ("auth.recall.localhost", "POST", "/", 404),
        ("beta.recall.localhost", "POST", "/_ministack/reset", 403),
        ("beta.recall.localhost", "GET", "/%5Fministack/health", 403),
    ],
)
async def test_a_web_page_cannot_reach_the_emulator_behind_it(
    emulator: Emulator, tmp_path: Path, host: str, method: str, path: str, status: int
) -> None:
    async with running_edge(tmp_path, emulator.endpoint, ApiServer()) as it, it.request(method, host, path) as answer:
        assert answer.status == status
        assert await problem(answer)


async def test_the_web_app_comes_from_behind_its_distribution(emulator: Emulator, tmp_path: Path) -> None:
    from recall_local.aws.web_app import prepare_web_app

    distribution = prepare_web_app(
        emulator.client, "recall-edge-web", apis="http://*.recall.localhost", sign_in="http://auth.recall.localhost"
    )
    emulator.client("s3").put_object(
        Bucket="recall-edge-web", Key="index.html", Body=b"<h1>Recall</h1>", ContentType="text/html"
    )
    async with (
        running_edge(tmp_path, emulator.endpoint, ApiServer(), distribution.domain_name) as it,
        it.request("GET", "beta.recall.localhost", "/memories") as answer,
    ):
        assert (answer.status, await answer.text()) == (200, "<h1>Recall</h1>")


async def test_the_sign_in_pages_answer_at_their_own_name(emulator: Emulator, tmp_path: Path) -> None:
    async with (
        running_edge(tmp_path, emulator.endpoint, ApiServer()) as it,
        it.request("GET", "auth.recall.localhost", "/oauth2/authorize?client_id=unknown&response_type=code") as answer,
    ):
        assert answer.status == 400
        assert emulator.endpoint not in await answer.text()
