"""Faults on demand, for tests: what to do wrong, how often, and for which operation.

`POST /_faults` with one fault (or a list) arms them, `GET /_faults` shows those left, `DELETE /_faults` disarms them
and lets held streams go on. The request header `x-recall-fault` holds one fault for that request alone.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from recall_local.bedrock.errors import STATUS

HEADER = "x-recall-fault"


class Fault(BaseModel):
    """One fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["error", "stream-error", "hold", "cut", "no-metadata", "delay", "guardrail"]
    """`error`: refuse with `code`; `stream-error`: an exception frame; `hold`: silence until disarmed; `cut`: drop the
    connection; `no-metadata`: end without the last event; `delay`: wait `seconds` before answering; `guardrail`: end as
    an answer that the guardrail stepped into."""
    code: Literal[tuple(STATUS)] = "ThrottlingException"  # type: ignore[valid-type]
    after: Annotated[int, Field(ge=0)] = 1
    """Events of a stream that go out before it happens."""
    seconds: Annotated[float, Field(ge=0, le=600)] = 1.0
    times: Annotated[int, Field(ge=1)] = 1
    """Requests that it happens to."""
    operation: Literal["Converse", "ConverseStream", "InvokeModel"] | None = None
    """The operation it is for; any when None."""


FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


class Faults:
    """The armed faults."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self.released = asyncio.Event()
        """Set by the next `disarm`; a stream takes hold of it at its start, so that none misses its release."""

    def arm(self, faults: list[Fault]) -> None:
        """Add faults; the oldest that fits a request happens first."""
        self._armed += faults

    def armed(self) -> list[Fault]:
        """Return the faults that are still to happen."""
        return list(self._armed)

    def take(self, operation: str, header: str | None) -> Fault | None:
        """Return the fault that is to happen to a request, and count it.

        Raises:
            pydantic.ValidationError: the header holds no fault.
        """
        if header is not None:
            return Fault.model_validate_json(header)
        for place, fault in enumerate(self._armed):
            if fault.operation in {None, operation}:
                left = fault.times - 1
                self._armed[place : place + 1] = [fault.model_copy(update={"times": left})] if left else []
                return fault
        return None

    def disarm(self) -> None:
        """Forget all faults and let held streams go on."""
        self._armed.clear()
        self.released.set()
        self.released = asyncio.Event()
