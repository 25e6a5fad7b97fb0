"""What many instances share of their reads of AWS, so that looking at a settled instance costs almost nothing.

Two ways to read, chosen by the pass (see `recall_operator.requests.asking`):

- fresh, the default: nothing older than the question itself. Account-wide lists that several passes want at a time
  are still read once for all of them, in a flight that begins after the last of them asked.
- remembered, for what was in order when last seen: account-wide lists say what exists, who owns it and what roles may
  do; settings that AWS tells only one resource at a time are remembered for `describe_seconds` on average, and only
  while the lists still show the resource.

A pass that finds anything to change in remembered answers looks again, freshly, before it changes anything. What was
read while a write might still take effect behind the reader's back is not remembered beyond that (decision 0155). Which
reads are remembered, and how, is said in `recall_operator.aws.account_lists`.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws.account_lists import DESCRIBED, LOOKUPS, AccountList, Item, Lookup
from recall_operator.aws.client import is_write
from recall_operator.requests.asking import Asking, NotReadError, asked_by, asking
from recall_operator.requests.late_writes import LONGEST_SECONDS
from recall_operator.requests.packed import pack, unpack
from recall_operator.requests.rate import any_chance
from recall_operator.telemetry.metrics import AWS_LIST_AGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from recall_operator.aws.client import AwsCaller

LIST_SECONDS: Final = 600.0
DESCRIBE_SECONDS: Final = 172_800.0
MOST_LIST_AGE: Final = 8.0
"""However few instances share the lists, they are no older than this many times `list_seconds`."""
TRUST_AGE: Final = 6.0
"""After a start, what AWS tells only one resource at a time is read within this many times `list_seconds`."""

Items = list[Item]
_Index = dict[str, bytes]


class SharedList:
    """One account-wide list, read once for all who want it at a time, and kept packed by the words of its items."""

    def __init__(
        self, load: Callable[[], Awaitable[Items]], of: AccountList, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._of = of
        self._clock = clock
        self._index: _Index = {}
        self._began = float("-inf")
        self._flights: list[tuple[float, bool, asyncio.Task[None]]] = []
        """When each flight began, and whether in the background; two at most."""
        self.pages = 1
        """How many requests it took."""

    async def read(self, since: float, words: Iterable[str]) -> Items:
        """Return the items under any of `words`, as read by a flight that began at `since` or later.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it could not be read.
        """
        while self._began < since:
            flight = next((task for began, _, task in self._flights if began >= since), None)
            # Who asks during a flight waits for its end and shares the next one with all who ask meanwhile; but one
            # whom somebody waits for does not wait for the background's.
            behind = any(background for _, background, _ in self._flights) and not asking().background
            if flight is None and (not self._flights or (behind and len(self._flights) < 2)):
                began, background = self._clock(), asking().background
                # A context of its own: its log lines are no one instance's.
                flight = asyncio.create_task(self._fly(began, background=background), context=contextvars.Context())
                self._flights.append((began, background, flight))
            # Shielded: one pass that is given up must not take the list from the others.
            await asyncio.shield(flight or self._flights[-1][2])
        found: Items = []
        for word in dict.fromkeys(words):
            if word in self._index:
                found += (item for item in unpack(self._index[word]) if item not in found)
        return found

    async def _fly(self, began: float, *, background: bool) -> None:
        try:
            with asked_by(Asking(background=background)):
                listed = await self._load()
            sorted_out: dict[str, Items] = {}
            for item in listed:
                for key in self._of.keys(item):
                    sorted_out.setdefault(key, []).append(item)
            index = {key: pack(items) for key, items in sorted_out.items()}
            if began > self._began:
                self._index, self._began = index, began
                self.pages = max(1, math.ceil(len(listed) / self._of.page))
        finally:
            self._flights = [flight for flight in self._flights if flight[0] != began]


@dataclass(frozen=True, slots=True)
class _Memory:
    answer: bytes
    until: float


class Inventory:
    """Stands before AWS and answers what it knows; a write makes it forget what its instance knew of the service."""

    def __init__(
        self,
        door: AwsCaller,
        cluster: str,
        *,
        list_seconds: float = LIST_SECONDS,
        describe_seconds: float = DESCRIBE_SECONDS,
        calls: float = math.inf,
        late_seconds: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = any_chance,
    ) -> None:
        """Remember nothing yet.

        Args:
            door: AWS.
            cluster: name of the cluster whose tables are listed.
            list_seconds: how old lists may be, the time between two looks at an instance.
            describe_seconds: how long settings of one resource are remembered, on average.
            calls: how many requests for lists each instance may cost in `list_seconds`; where few instances share
                them, lists become older for it, up to `MOST_LIST_AGE` times.
            late_seconds: for how long a write that got no answer, or whose process ended, may still take effect.
            clock: seconds.
            chance: numbers from 0 to 1.
        """
        self._door = door
        self._cluster = cluster
        self._list_seconds = list_seconds
        self._describe_seconds = describe_seconds
        self._calls = calls
        self._late_seconds = late_seconds
        self._clock = clock
        self._began = clock()
        self._chance = chance
        self._lists: dict[tuple[str, str], SharedList] = {}
        self._written: dict[tuple[str, str], float] = {}
        """When each instance last changed something of each service."""
        self._memories: dict[str, dict[tuple[str, str], _Memory]] = {}
        """By instance, then by service and request."""
        self._trusted: dict[str, float] = {}
        """Until when each instance may take for granted what was not read yet."""
        AWS_LIST_AGE.set_function(self.list_age)

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation, or answer it from memory.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
            NotReadError: see there.
        """
        if is_write(operation):
            try:
                return await self._door.call(service, operation, **parameters)
            finally:
                self._forget(service)
        answer: dict[str, Any] = await self._read(
            service, operation, parameters, lambda: self._door.call(service, operation, **parameters)
        )
        return answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Items:
        """Return all items of a list.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        answer: Items = await self._read(
            service, operation, parameters, lambda: self._door.pages(service, operation, key, **parameters)
        )
        return answer

    async def find(self, of: AccountList, words: Iterable[str], **parameters: Any) -> Items:
        """Return the items of a list under any of `words`.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        place = (of.operation, repr(sorted(parameters.items())))
        if place not in self._lists:
            self._lists[place] = SharedList(
                lambda: self._door.pages(of.service, of.operation, of.items, **parameters), of, self._clock
            )
        return await self._lists[place].read(self._oldest(of.service), words)

    def forget(self, instance: str) -> None:
        """Forget an instance that is gone."""
        self._memories.pop(instance, None)
        self._trusted.pop(instance, None)
        self._written = {place: at for place, at in self._written.items() if place[0] != instance}

    def list_age(self) -> float:
        """Return how old lists may be in seconds: older where few instances share what they cost."""
        # A copy, because metrics are read in a thread of their own.
        pages = sum(known.pages for known in self._lists.copy().values())
        affordable = self._calls * max(1, len(self._memories), len(self._trusted))
        return self._list_seconds * min(MOST_LIST_AGE, max(1.0, pages / affordable))

    def _oldest(self, service: str) -> float:
        """Return since when a list must have been read to answer who asks now."""
        now, asked = self._clock(), asking()
        if not asked.remembered:
            return now
        age = self.list_age() if asked.oldest_seconds is None else min(asked.oldest_seconds, self.list_age())
        if not asked.background:
            age *= 2  # Whoever somebody waits for does not wait for a list that the background is just renewing.
        changed = self._written.get((asked.instance, service), float("-inf"))
        certain = self._certain_from(asked.instance, service)
        return max(now - age, changed, certain if certain <= now else float("-inf"))

    def _certain_from(self, instance: str, service: str) -> float:
        """Return from when on no write for `instance` by this process or its predecessor can take effect any more."""
        return self._written.get((instance, service), self._began) + self._late_seconds

    async def _read(
        self, service: str, operation: str, parameters: dict[str, Any], ask: Callable[[], Awaitable[Any]]
    ) -> Any:
        lookup, asked = LOOKUPS.get(operation), asking()
        if lookup is None and operation not in DESCRIBED:
            return await ask()
        place = (service, f"{operation} {sorted(parameters.items())}")
        memory = self._memories.get(asked.instance, {}).get(place)
        if asked.remembered:
            shown = DESCRIBED.get(operation)
            there = shown is None or await self._look_up(shown, parameters) is not None
            young = lookup is None or asked.oldest_seconds is None
            if memory and self._clock() < memory.until and there and young:
                return unpack(memory.answer)
            if lookup and (known := await self._look_up(lookup, parameters)) is not None:
                return known
            if lookup is None and memory is None and there and self._may_trust(asked):
                raise NotReadError(f"{operation} {parameters}")
        return await self._ask(service, place, asked, ask, self._until(service, asked.instance, lookup))

    def _until(self, service: str, instance: str, lookup: Lookup | None) -> float:
        """Return until when an answer that is read now is remembered."""
        now, certain = self._clock(), self._certain_from(instance, service)
        if now < certain:
            return certain
        # Evenly from now to twice the mean: instances that came at one time are looked at at different times.
        return now + (self._list_seconds if lookup else 2 * self._chance() * self._describe_seconds)

    async def _ask(
        self, service: str, place: tuple[str, str], asked: Asking, ask: Callable[[], Awaitable[Any]], until: float
    ) -> Any:
        written = self._written.get((asked.instance, service))
        answer = await ask()
        known = self._memories.setdefault(asked.instance, {})
        if self._written.get((asked.instance, service)) == written:
            kept = answer
            if isinstance(answer, dict):
                kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
            known[place] = _Memory(pack(kept), until)
        else:  # An answer that a write may have overtaken is not kept.
            known.pop(place, None)
        return answer

    async def _look_up(self, lookup: Lookup, parameters: dict[str, Any]) -> Any:
        of = lookup.of
        passed = {name: parameters[name] for name in lookup.passed}
        found = await self.find(of, (lookup.key(parameters),), **of.parameters(self._cluster), **passed)
        return lookup.answer(found, parameters)

    def _may_trust(self, asked: Asking) -> bool:
        if not asked.settled:
            return False
        now = self._clock()
        # Not all at once: what nobody has read since the start is read by and by.
        until = self._trusted.setdefault(asked.instance, now + self._chance() * TRUST_AGE * self._list_seconds)
        return now < until

    def _forget(self, service: str) -> None:
        now, instance = self._clock(), asking().instance
        self._written[instance, service] = now
        if service in ("dynamodb", "acm"):
            self._written[instance, "resourcegroupstaggingapi"] = now
        self._trusted[instance] = now
        known = self._memories.get(instance, {})
        self._memories[instance] = {place: memory for place, memory in known.items() if place[0] != service}
