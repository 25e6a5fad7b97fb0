"""What many instances share of their reads of AWS, so that looking at a settled instance costs almost nothing.

Two ways to read, chosen by the pass (see `remembered_reads`):

- fresh, the default: nothing older than the question itself. Account-wide lists that several passes want at a time
  are still read once for all of them, in a flight that begins after the last of them asked.
- remembered, for instances that were in order when last seen: account-wide lists at most `list_seconds` old say what
  exists, who owns it and what roles may do; settings that AWS tells only one resource at a time are remembered for
  `describe_seconds` on average, and only while the lists still show the resource.

A pass that finds anything to change in remembered answers looks again, freshly, before it changes anything.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws import is_write
from recall_operator.ownership import CLUSTER_TAG
from recall_operator.rate import any_chance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from recall_operator.aws import AwsCaller

LIST_SECONDS: Final = 600.0
DESCRIBE_SECONDS: Final = 86_400.0

_may_remember: contextvars.ContextVar[bool] = contextvars.ContextVar("may_remember", default=False)

Items = list[dict[str, Any]]

_SHARED: Final = frozenset({"list_user_pool_clients", "list_resource_record_sets"})
"""Lists that are the same for all instances of a pool or a zone."""

_IDENTITIES: Final = ("TableName", "ClientId", "associationId")
"""Parameters that name one resource."""

_DESCRIBED: Final = frozenset(
    {
        "describe_table",
        "describe_continuous_backups",
        "describe_time_to_live",
        "describe_user_pool_client",
        "describe_pod_identity_association",
    }
)
"""Reads that AWS offers only one resource at a time, of resources that a shared list shows."""


@contextmanager
def remembered_reads() -> Iterator[None]:
    """Let reads inside answer from memory."""
    token = _may_remember.set(True)
    try:
        yield
    finally:
        _may_remember.reset(token)


class SharedList:
    """One account-wide list, read once for all who want it at a time."""

    def __init__(self, load: Callable[[], Awaitable[Items]], clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._items: Items = []
        self._began = float("-inf")
        self._flight: asyncio.Task[None] | None = None

    async def read(self, since: float) -> Items:
        """Return the list as read by a flight that began at `since` or later.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it could not be read.
        """
        while self._began < since:
            if self._flight is None:
                self._flight = asyncio.create_task(self._fly(), context=contextvars.Context())
            # Shielded: one pass that is given up must not take the list from the others.
            await asyncio.shield(self._flight)
        return self._items

    async def _fly(self) -> None:
        began = self._clock()
        try:
            self._items, self._began = await self._load(), began
        finally:
            self._flight = None


@dataclass(frozen=True)
class _Memory:
    answer: dict[str, Any]
    until: float


class Inventory:
    """Stands before AWS and answers what it knows; writes pass, and what they touch is forgotten."""

    def __init__(
        self,
        door: AwsCaller,
        cluster: str,
        *,
        list_seconds: float = LIST_SECONDS,
        describe_seconds: float = DESCRIBE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = any_chance,
    ) -> None:
        self._door = door
        self._cluster = cluster
        self._list_seconds = list_seconds
        self._describe_seconds = describe_seconds
        self._clock = clock
        self._chance = chance
        self._lists: dict[tuple[str, str], SharedList] = {}
        self._written: dict[str, float] = {}
        self._memories: dict[str, dict[str, _Memory]] = {}
        """By the resource's identity, then by operation."""
        self._tables_of: Items | None = None
        """The list that `_tags` was made from."""
        self._tags: dict[str, Items] = {}

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation, or answer it from memory.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        if is_write(operation):
            try:
                return await self._door.call(service, operation, **parameters)
            finally:
                self._forget(service, parameters)
        if operation in ("get_role", "get_role_policy") and _may_remember.get():
            known = await self._role(operation, parameters)
            if known is not None:
                return known
        if operation in _DESCRIBED:
            return await self._describe(service, operation, parameters)
        return await self._door.call(service, operation, **parameters)

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Items:
        """Return all items of a list, shared where it is the same for several instances.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        if operation in _SHARED:
            return await self._list(service, operation, key, **parameters)
        if _may_remember.get():
            if operation == "list_pod_identity_associations":
                place = {name: parameters[name] for name in ("namespace", "serviceAccount")}
                cluster = parameters["clusterName"]
                listed = await self._list(service, operation, key, clusterName=cluster)
                return [item for item in listed if place.items() <= item.items()]
            if operation == "list_tags_of_resource":
                tags = (await self._tables()).get(_identity(parameters))
                if tags is not None:
                    return tags
        return await self._door.pages(service, operation, key, **parameters)

    async def _list(self, service: str, operation: str, key: str, **parameters: Any) -> Items:
        # One list by each service, operation and set of parameters.
        place = (service, f"{operation} {sorted(parameters.items())}")
        if place not in self._lists:
            self._lists[place] = SharedList(
                lambda: self._door.pages(service, operation, key, **parameters), self._clock
            )
        now = self._clock()
        oldest = max(now - self._list_seconds, self._written.get(service, now - self._list_seconds))
        return await self._lists[place].read(oldest if _may_remember.get() else now)

    async def _tables(self) -> dict[str, Items]:
        """Return the tags of all tables of this cluster by name."""
        listed = await self._list(
            "resourcegroupstaggingapi",
            "get_resources",
            "ResourceTagMappingList",
            ResourceTypeFilters=["dynamodb:table"],
            TagFilters=[{"Key": CLUSTER_TAG, "Values": [self._cluster]}],
        )
        if listed is not self._tables_of:
            self._tables_of = listed
            self._tags = {item["ResourceARN"].rsplit("/", 1)[-1]: item["Tags"] for item in listed}
        return self._tags

    async def _role(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Answer for a role from the list of all roles; None when that does not hold the answer."""
        listed = await self._list("iam", "get_account_authorization_details", "RoleDetailList", Filter=["Role"])
        role = next((item for item in listed if item["RoleName"] == parameters["RoleName"]), None)
        if role is None or operation == "get_role":
            return None if role is None else {"Role": role}
        name = parameters["PolicyName"]
        return next((item for item in role.get("RolePolicyList", ()) if item["PolicyName"] == name), None)

    async def _describe(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        identity = _identity(parameters)
        if _may_remember.get():
            memory = self._memories.get(identity, {}).get(operation)
            if memory and self._clock() < memory.until and await self._listed(parameters):
                return memory.answer
        written = self._written.get(service)
        answer = await self._door.call(service, operation, **parameters)
        if self._written.get(service) == written:  # An answer that a write may have overtaken is not kept.
            kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
            # Evenly from now to twice the mean: instances that came at one time are looked at at different times.
            until = self._clock() + 2 * self._chance() * self._describe_seconds
            self._memories.setdefault(identity, {})[operation] = _Memory(kept, until)
        else:
            self._memories.get(identity, {}).pop(operation, None)
        return answer

    async def _listed(self, parameters: dict[str, Any]) -> bool:
        """Whether the shared list still shows a table; clients and associations are found by their lists anyway."""
        table = parameters.get("TableName")
        return table is None or table in await self._tables()

    def _forget(self, service: str, parameters: dict[str, Any]) -> None:
        now = self._clock()
        self._written[service] = now
        if service == "dynamodb":
            self._written["resourcegroupstaggingapi"] = now
        self._memories.pop(_identity(parameters), None)


def _identity(parameters: dict[str, Any]) -> str:
    """Return what names the one resource that a request is about."""
    named = next((parameters[name] for name in _IDENTITIES if name in parameters), None)
    arn = parameters.get("ResourceArn", parameters.get("resourceArn", ""))
    return str(named or arn.rsplit("/", 1)[-1])
