"""Every write passes through here: it may be refused at the last moment, and one under way can be waited for.

A frozen process that goes on must not send what it decided before it lost its Lease; and one that stops hands the
Lease over only when the last of its writes has been answered, so that its successor meets none of them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recall_operator.errors import LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class WriteGate:
    """Open until it is closed; used by the threads that send."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        """Open the gate.

        Args:
            check: raises `LeaseLostError` when nothing may be written any more.
        """
        self._check = check
        self._closed = False
        self._under_way = 0
        self._changed = threading.Condition()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the gate open for one write, which is under way until the block ends.

        Raises:
            LeaseLostError: nothing may be written any more.
        """
        with self._changed:
            if self._closed:
                raise LeaseLostError("this replica is stopping")
            self._check()
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """Let no further write begin; wait for those under way and return whether all have ended within `seconds`."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)
