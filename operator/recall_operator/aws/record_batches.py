"""One writer per hosted zone: changes of many instances go out together, and a refused one is found and set apart.

Route 53 takes five requests a second for the whole account, but a thousand changes in each. Every instance's own
changes stay together: they are in one request or, bisected, in a smaller one, and never partly done.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.errors import aws_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_operator.aws.client import AwsCaller

LINGER_SECONDS: Final = 0.05
"""How long the first change of a quiet zone waits for company."""
MOST_CHANGES: Final = 1000
MOST_CHARACTERS: Final = 32_000
"""Changes in one request, and characters in all their values; an UPSERT counts twice in both.

Source: Route 53 API Reference, ChangeResourceRecordSets.
"""

_REFUSALS: Final = frozenset({"InvalidChangeBatch", "InvalidInput", "ValidationError"})
"""The batch holds something that Route 53 will never take: worth splitting. Anything else failed for all."""


@dataclass(frozen=True)
class _Wish:
    """The changes of one caller, and where its answer goes."""

    changes: Sequence[dict[str, Any]]
    comment: str
    answer: asyncio.Future[dict[str, Any]]


def _cost(changes: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return how many changes and characters Route 53 counts."""
    counted = [(2 if change["Action"] == "UPSERT" else 1, change["ResourceRecordSet"]) for change in changes]
    characters = sum(
        times * len(value["Value"]) for times, record in counted for value in record.get("ResourceRecords", ())
    )
    return sum(times for times, _ in counted), characters


class RecordBatches:
    """Passes everything on to AWS as it is, and merges the changes of records by zone."""

    def __init__(self, door: AwsCaller, *, linger_seconds: float = LINGER_SECONDS) -> None:
        self._door = door
        self._linger_seconds = linger_seconds
        self._waiting: dict[str, deque[_Wish]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation; a change of records waits for its batch and gets its own answer or refusal.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        if operation != "change_resource_record_sets":
            return await self._door.call(service, operation, **parameters)
        zone, batch = parameters["HostedZoneId"], parameters["ChangeBatch"]
        wish = _Wish(batch["Changes"], batch.get("Comment", ""), asyncio.get_running_loop().create_future())
        self._waiting.setdefault(zone, deque()).append(wish)
        if zone not in self._writers:
            # A context of its own: the batch is no one instance's, and its log lines must not name one.
            self._writers[zone] = asyncio.create_task(self._write(zone), context=contextvars.Context())
        return await wish.answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """Call a paged operation to its end.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        return await self._door.pages(service, operation, key, **parameters)

    async def _write(self, zone: str) -> None:
        """Send batches until nobody waits; whoever comes meanwhile shares the next one."""
        try:
            await asyncio.sleep(self._linger_seconds)
            while self._waiting[zone]:
                await self._send(zone, self._next(zone))
        finally:
            del self._writers[zone]
            for wish in self._waiting.pop(zone):
                wish.answer.cancel()

    def _next(self, zone: str) -> list[_Wish]:
        waiting, number, characters = self._waiting[zone], 0, 0
        taken: list[_Wish] = []
        while waiting:
            more, longer = _cost(waiting[0].changes)
            if taken and (number + more > MOST_CHANGES or characters + longer > MOST_CHARACTERS):
                break
            wish = waiting.popleft()
            if not wish.answer.cancelled():  # Its pass was given up: what nobody waits for is not done.
                taken.append(wish)
                number, characters = number + more, characters + longer
        return taken

    async def _send(self, zone: str, wishes: Sequence[_Wish]) -> None:
        if not wishes:
            return
        comment = wishes[0].comment if len(wishes) == 1 else f"recall: {len(wishes)} instances"
        batch = {"Comment": comment, "Changes": [change for wish in wishes for change in wish.changes]}
        try:
            answer = await self._door.call(
                "route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch
            )
        except Exception as error:
            if len(wishes) > 1 and aws_code(error) in _REFUSALS:
                middle = len(wishes) // 2
                await self._send(zone, wishes[:middle])
                await self._send(zone, wishes[middle:])
                return
            for wish in wishes:
                if not wish.answer.done():
                    wish.answer.set_exception(error)
        else:
            for wish in wishes:
                if not wish.answer.done():
                    wish.answer.set_result(answer)
