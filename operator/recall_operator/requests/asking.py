"""For whom the operator asks AWS and Kubernetes just now, and what that one is content with.

A pass says so once, and whatever it calls can read it: the caches (may they answer from memory?), the rate limits (is
anybody waiting?) and the answer to throttling (who was throttled?). Outside of any pass nobody in particular asks, and
everything is read freshly.
"""

from __future__ import annotations

import contextvars
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Asking:
    """One who asks."""

    instance: str = ""
    """`<namespace>/<name>`; empty for what is read for all."""
    remembered: bool = False
    """Whether an answer from memory will do: what is then found wrong is read again before anything is written."""
    oldest_seconds: float | None = None
    """How old a remembered answer may be, where the instance wants it younger than the others do."""
    settled: bool = False
    """Whether the instance's status says that all is as its spec asks: what no memory holds may be taken to be so."""
    background: bool = False
    """Whether nobody waits for it: it lets others go first."""


_NOBODY: Final = Asking()
_asking: contextvars.ContextVar[Asking] = contextvars.ContextVar("asking", default=_NOBODY)


def asking() -> Asking:
    """Return who asks now."""
    return _asking.get()


@contextmanager
def asked_by(asked: Asking) -> Iterator[None]:
    """Let everything inside be asked by `asked`."""
    token = _asking.set(asked)
    try:
        yield
    finally:
        _asking.reset(token)


class NotReadError(Exception):
    """An answer from memory was good enough, but there is none yet, and asking for it now would be too dear.

    Only for reads of one resource that a shared list shows, of an instance whose status says that it is in order,
    after the operator's start. A part takes such a resource to be as it was left; one that does not handle this is
    read freshly.
    """
