"""What a memory must be to be found, whatever the ranking says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Filter:
    """Conditions that all hold."""

    tags: frozenset[str] = frozenset()
    """It has all of these tags."""
    occurred_after: datetime | None = None
    """It happened then or later."""
    occurred_before: datetime | None = None
    """It happened before."""
    model: str | None = None
    """It may be told to this model."""
    any_model: bool = False
    """It may be told to every model: its user named none that must not know it."""


EVERYTHING = Filter()
