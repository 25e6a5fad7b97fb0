"""The Kubernetes API for the stack's own servers: a few requests, and collections kept up to date by watching."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger("recall.cluster")

_LONGEST_EVENT: Final = 8 * 1024 * 1024
_WATCH_SECONDS: Final = 300
_RETRY_SECONDS: Final = 1.0

Object = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """Where an API server is, and how it knows us."""

    server: str
    tls: ssl.SSLContext

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Access:
        """Read the current context of a kubeconfig that holds a client certificate (admin's of kind and of ours).

        Raises:
            OSError, KeyError, StopIteration: the file is not there, or is no such kubeconfig.
        """
        config = yaml.safe_load(path.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as file:  # the ssl module reads client certificates from files only
            file.write(base64.b64decode(user["client-certificate-data"]))
            file.write(b"\n" + base64.b64decode(user["client-key-data"]))
            file.flush()
            tls.load_cert_chain(file.name)
        return cls(cluster["server"], tls)


class ClusterApi:
    """Requests to one API server."""

    def __init__(self, access: Access) -> None:
        """Open a pool of connections: inside a running event loop."""
        connector = aiohttp.TCPConnector(ssl=access.tls)
        self._session = aiohttp.ClientSession(access.server, connector=connector, read_bufsize=_LONGEST_EVENT)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Object:
        """Send one request and return the answer.

        Raises:
            aiohttp.ClientError, TimeoutError: the API server is not there or refuses.
        """
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, path, data=data, headers={"content-type": content_type}, timeout=aiohttp.ClientTimeout(total=10)
        ) as answer:
            answer.raise_for_status()
            found: Object = await answer.json()
            return found

    async def watch(self, path: str, version: str, see: Callable[[str, Object], None]) -> None:
        """Call `see(type, object)` for each change of a collection after `version`, until the server ends the watch.

        Raises:
            aiohttp.ClientError, TimeoutError: the connection broke, or `version` is too old.
        """
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        limit = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_WATCH_SECONDS + 30)
        async with self._session.get(path, params=query, timeout=limit) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise aiohttp.ClientPayloadError(f"watch of {path} ended: {event['object'].get('message')}")
                see(event["type"], event["object"])


class Collection:
    """All objects at a path, as of now."""

    def __init__(self, api: ClusterApi, path: str, changed: Callable[[], None] = lambda: None) -> None:
        """Remember what to follow.

        Args:
            api: where.
            path: of the collection over all namespaces, such as `/api/v1/services`.
            changed: called after each change.
        """
        self._api = api
        self._path = path
        self._changed = changed
        self._version = ""
        self._known = asyncio.Event()
        self.objects: dict[tuple[str, str], Object] = {}
        """By namespace and name."""

    @property
    def known(self) -> bool:
        """Whether the objects were listed at least once."""
        return self._known.is_set()

    async def run(self) -> None:
        """Follow for ever; while the API server is away, the last known objects stay."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._api.watch(self._path, self._version, self._see)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("following %s: %s; trying again", self._path, error)
                self._version = ""  # what happened meanwhile is unknown: list anew
                await asyncio.sleep(_RETRY_SECONDS)

    async def _list(self) -> None:
        answer = await self._api.request("GET", self._path)
        self.objects = {_key(found): found for found in answer["items"]}
        self._version = answer["metadata"]["resourceVersion"]
        self._known.set()
        self._changed()

    def _see(self, kind: str, found: Object) -> None:
        self._version = found["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self.objects.pop(_key(found), None)
        else:
            self.objects[_key(found)] = found
        self._changed()


def _key(found: Object) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]
