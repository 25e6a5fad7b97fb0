"""An event loop whose clock jumps to the next timer as soon as nothing else is to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Looks for input without waiting, and tells how long it should have waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found: list[Any] = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("everything waits for something that will never come")
        if not found and timeout:
            self.now += timeout
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with a clock of its own. Threads would not be waited for: in-memory work only."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
