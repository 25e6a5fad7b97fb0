"""Budgets: money is set aside before a model is asked, and what the answer cost is booked once, after.

A reservation whose pod died expires, and is then booked in full as an estimate: what Bedrock may have charged is never
lost, and never more than was set aside.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from ulid import ULID

from recall_api.errors import ProblemError, error_code, unavailable
from recall_api.models.registry import Tokens
from recall_api.telemetry import log
from recall_api.usage.model import Month, Reservation, Tier, month_of, resets_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_api.identifiers import UserId
    from recall_api.settings import Settings
    from recall_api.usage.repository import UsageRepository
    from recall_api.usage.spenders import SpendersRepository

TIER_SECONDS: Final = 30.0
"""How long a tier is remembered: a user who pays is served within this time."""
KNOWN_TIERS: Final = 10_000
SETTLE_ATTEMPTS: Final = 8
"""Attempts to book an answer, some 50 s in all; after that its reservation expires and is booked in full."""


class UsageService:
    """Budgets of users."""

    def __init__(
        self,
        repository: UsageRepository,
        spenders: SpendersRepository,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._spenders = spenders
        self._budgets = {Tier.FREE: settings.free_budget, Tier.PREMIUM: settings.premium_budget}
        self._reservation_seconds = settings.reservation_seconds
        self._clock = clock
        self._tiers: OrderedDict[UserId, tuple[float, Tier]] = OrderedDict()

    def current_month(self) -> str:
        """Return the month that it is."""
        return month_of(datetime.fromtimestamp(self._clock(), UTC))

    async def tier(self, user_id: UserId) -> Tier:
        """Return the user's tier, not older than `TIER_SECONDS`."""
        known = self._tiers.get(user_id)
        if known is not None and known[0] > self._clock():
            return known[1]
        tier = await self._repository.tier(user_id)
        self._tiers[user_id] = (self._clock() + TIER_SECONDS, tier)
        self._tiers.move_to_end(user_id)
        if len(self._tiers) > KNOWN_TIERS:
            self._tiers.popitem(last=False)
        return tier

    def budget(self, tier: Tier) -> int:
        """Return what a user of `tier` may spend a month, in micro-dollars."""
        return self._budgets[tier]

    async def month(self, user_id: UserId, month: str) -> Month:
        """Return a month after what was abandoned in it is booked."""
        found = await self._repository.month(user_id, month)
        return await self._book_abandoned(user_id, found)

    async def reserve(self, user_id: UserId, model: str, amount: int) -> Reservation:
        """Set `amount` aside for an answer.

        Raises:
            ProblemError: 429 when the budget has no room for it.
        """
        budget = self.budget(await self.tier(user_id))
        until = int(self._clock()) + self._reservation_seconds
        reservation = Reservation(str(ULID()), self.current_month(), model, amount, until)
        for _ in range(2):
            if await self._repository.reserve(user_id, reservation, budget) is not None:
                return reservation
            month = await self._repository.month(user_id, reservation.month)
            if any(found.id == reservation.id for found in month.open):
                return reservation  # it was done, and only the answer was lost
            booked = await self._book_abandoned(user_id, month)
            if booked.committed + amount > budget:
                raise self._refusal(booked, budget, amount)
        raise unavailable("Storage")

    async def settle(
        self, user_id: UserId, reservation: Reservation, tokens: Tokens, cost: int, *, estimated: bool = False
    ) -> None:
        """Book `cost` instead of `reservation`, once, whatever fails meanwhile. Never raises."""
        for attempt in range(SETTLE_ATTEMPTS):
            try:
                month = await self._repository.settle(user_id, reservation, tokens, cost, estimated=estimated)
                if month is not None and not month.listed and cost:
                    await self._spenders.add(month.month, user_id)
                    await self._repository.mark_listed(user_id, month.month)
            except (ClientError, ProblemError) as error:
                log.warning("an answer is not booked yet", error=error_code(error), attempt=attempt + 1)
                await asyncio.sleep(random.uniform(0.5, 1) * min(0.2 * 2**attempt, 20))  # noqa: S311 - jitter
            else:
                return
        log.error("an answer could not be booked; its reservation will be", reservation=reservation.id)

    async def _book_abandoned(self, user_id: UserId, month: Month) -> Month:
        abandoned = month.abandoned(self._clock())
        for reservation in abandoned:
            await self.settle(user_id, reservation, Tokens(), reservation.amount, estimated=True)
        return await self._repository.month(user_id, month.month) if abandoned else month

    def _refusal(self, month: Month, budget: int, amount: int) -> ProblemError:
        reset = resets_at(month.month)
        seconds = max(1, math.ceil(reset.timestamp() - self._clock()))
        detail = f"This month's budget has no room for this answer; it starts anew at {reset.isoformat()}."
        if month.spent + amount <= budget:
            seconds = 5
            detail = "Answers that are being written have reserved the rest of this month's budget; try again shortly."
        return ProblemError(
            429,
            "budget-spent",
            "The budget is spent",
            detail,
            headers={"Retry-After": str(seconds)},
            extra={
                "resetsAt": reset.isoformat(),
                "budgetMicroDollars": budget,
                "spentMicroDollars": month.spent,
                "reservedMicroDollars": month.committed - month.spent,
            },
        )
