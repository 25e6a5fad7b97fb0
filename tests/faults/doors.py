"""The two doors of an operator's process, where each call can be counted, failed, delayed or answered from the past."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recall_operator.aws.client import is_write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from recall_operator.aws.client import AwsCaller
    from recall_operator.kubernetes.client import KubernetesCaller, ObjectKey

LATENCY_SECONDS = 0.02
"""Virtual time that each call takes, so that calls made side by side overlap."""


@dataclass(frozen=True)
class Site:
    """One call of a run: the n-th of its kind, which is the same call in every run up to the fault."""

    door: str
    operation: str
    occurrence: int
    write: bool

    def __str__(self) -> str:
        return f"{self.door} {self.operation} #{self.occurrence}"


@dataclass(frozen=True)
class Call:
    """A call on its way: where it stands in the run, and the two ways to answer it."""

    site: Site
    act: Callable[[], Awaitable[Any]]
    """Do it, and return the answer."""
    act_in_the_past: Callable[[], Awaitable[Any]]
    """Read what there was some writes ago; only of a read."""


class AwsDoor:
    """AWS as one process sees it."""

    def __init__(self, through: Any, now: Callable[[], AwsCaller], past: Callable[[], AwsCaller]) -> None:
        self._through = through
        self._now = now
        self._past = past

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._through(
            "aws",
            f"{service}.{operation}",
            is_write(operation),
            lambda: self._now().call(service, operation, **parameters),
            lambda: self._past().call(service, operation, **parameters),
        )
        return answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = await self._through(
            "aws",
            f"{service}.{operation}",
            is_write(operation),
            lambda: self._now().pages(service, operation, key, **parameters),
            lambda: self._past().pages(service, operation, key, **parameters),
        )
        return answer


class KubernetesDoor:
    """Kubernetes as one process sees it."""

    def __init__(self, through: Any, now: Callable[[], KubernetesCaller], past: Callable[[], KubernetesCaller]) -> None:
        self._through = through
        self._now = now
        self._past = past

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        answer: dict[str, Any] | None = await self._through(
            "kubernetes", f"get {key.kind}", False, lambda: self._now().get(key), lambda: self._past().get(key)
        )
        return answer

    async def listed(self, kind: str, namespace: str | None, labels: str = "") -> AsyncIterator[dict[str, Any]]:
        async def whole(kubernetes: KubernetesCaller) -> list[dict[str, Any]]:
            return [item async for item in kubernetes.listed(kind, namespace, labels)]

        listed: list[dict[str, Any]] = await self._through(
            "kubernetes", f"list {kind}", False, lambda: whole(self._now()), lambda: whole(self._past())
        )
        for item in listed:
            yield item

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        def act() -> Awaitable[Any]:
            return self._now().apply(manifest, subresource=subresource)

        what = f"apply {manifest['kind']} {subresource}".strip()
        answer: dict[str, Any] = await self._through("kubernetes", what, True, act, act)
        return answer

    async def delete(self, key: ObjectKey, uid: str, version: str | None = None) -> None:
        def act() -> Awaitable[Any]:
            return self._now().delete(key, uid, version)

        await self._through("kubernetes", f"delete {key.kind}", True, act, act)


async def never() -> Any:
    """Wait for ever: what a call of a process that has ended does."""
    # A timer keeps the loop holding on to the task; it is cancelled with the loop, long before.
    await asyncio.sleep(1e9)
