"""A month of spending, and the pure decisions about it. Money is in micro-dollars, months are UTC months `yyyymm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from recall_api.models.registry import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tier(StrEnum):
    """What a user pays for."""

    FREE = "free"
    PREMIUM = "premium"


@dataclass(frozen=True)
class Reservation:
    """Money that is set aside for an answer before the model is asked."""

    id: str
    month: str
    model: str
    amount: int
    """Upper bound of what the answer can cost."""
    until: int
    """Unix time in s after which the one who made it is taken for dead."""


@dataclass(frozen=True)
class ModelSpending:
    """What one model was used for."""

    answers: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    cost: int = 0


@dataclass(frozen=True)
class Month:
    """A user's month."""

    month: str
    committed: int = 0
    """Spent and reserved."""
    spent: int = 0
    estimated: int = 0
    """The part of `spent` that Bedrock never confirmed: answers that broke off, pods that died."""
    models: Mapping[str, ModelSpending] = field(default_factory=dict)
    open: tuple[Reservation, ...] = ()
    listed: bool = False

    def abandoned(self, now: float) -> tuple[Reservation, ...]:
        """Return the reservations whose makers are dead at `now`."""
        return tuple(reservation for reservation in self.open if reservation.until < now)


def month_of(moment: datetime) -> str:
    """Return the month of `moment`."""
    return moment.astimezone(UTC).strftime("%Y%m")


def resets_at(month: str) -> datetime:
    """Return when `month` is over."""
    year, number = int(month[:4]), int(month[4:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def likely_tokens(text_length: int) -> int:
    """Return the usual number of tokens of a text, on the safe side: three characters each."""
    return -(-text_length // 3)
