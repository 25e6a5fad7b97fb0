"""Where spending is kept: one item a user and month, in the users table.

A reservation is an attribute of that item, so that reserving and settling are one conditional update each: adding the
attribute happens only within the budget, taking it away happens only while it is there. Whatever is repeated, and
whoever dies in between, an answer is settled once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recall_api.models.registry import Tokens
from recall_api.usage.model import ModelSpending, Month, Reservation, Tier
from recall_api.user_items import partition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_api.identifiers import UserId
    from recall_api.storage import Item, Table

USAGE_PREFIX: Final = "USAGE#"
"""Start of the sort key of a month."""

_OPEN: Final = "open#"
_COUNTERS: Final = ("answers", "input", "output", "cacheRead", "cacheWrite", "cost")


def usage_key(month: str) -> str:
    """Return the sort key of a month."""
    return USAGE_PREFIX + month


def spenders_partition(month: str) -> str:
    """Return the partition that lists who spent anything in a month."""
    return f"SPENDERS#{month}"


def month_from(month: str, item: Item | None) -> Month:
    """Return the month that `item` holds; an empty one for none."""
    if item is None:
        return Month(month)
    counters: dict[str, dict[str, int]] = {}
    reservations: list[Reservation] = []
    for name, value in item.items():
        if name.startswith(_OPEN):
            reservation = Reservation(name.removeprefix(_OPEN), month, value["model"], value["amount"], value["until"])
            reservations.append(reservation)
        elif "#" in name:
            counter, _, model = name.partition("#")
            counters.setdefault(model, {})[counter] = value
    return Month(
        month=month,
        committed=item.get("committed", 0),
        spent=item.get("spent", 0),
        estimated=item.get("estimated", 0),
        models={model: _spending(found) for model, found in sorted(counters.items())},
        open=tuple(reservations),
        listed=item.get("listed", False),
    )


def _spending(counters: Mapping[str, int]) -> ModelSpending:
    answers, given, written, read, kept, cost = (counters.get(name, 0) for name in _COUNTERS)
    return ModelSpending(answers, Tokens(given, written, read, kept), cost)


class UsageRepository:
    """Months and tiers in DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def tier(self, user_id: UserId) -> Tier:
        """Return the user's tier; `free` unless the profile says otherwise."""
        profile = await self._table.get(partition(user_id), "PROFILE")
        return Tier.PREMIUM if profile and profile.get("tier") == Tier.PREMIUM else Tier.FREE

    async def month(self, user_id: UserId, month: str) -> Month:
        """Return a month as it is now."""
        return month_from(month, await self._table.get(partition(user_id), usage_key(month)))

    async def reserve(self, user_id: UserId, reservation: Reservation, budget: int) -> Month | None:
        """Set the amount aside, within `budget`; none when there is no room (or it was done already)."""
        if reservation.amount > budget:  # the first answer of a month finds no `committed` to be compared with
            return None
        found = await self._table.update(
            partition(user_id),
            usage_key(reservation.month),
            "SET #open = :open ADD #committed :amount",
            condition="attribute_not_exists(#open) AND (attribute_not_exists(#committed) OR #committed <= :room)",
            names={"#open": _OPEN + reservation.id, "#committed": "committed"},
            values={
                ":open": {"model": reservation.model, "amount": reservation.amount, "until": reservation.until},
                ":amount": reservation.amount,
                ":room": budget - reservation.amount,
            },
        )
        return month_from(reservation.month, found) if found is not None else None

    async def settle(
        self, user_id: UserId, reservation: Reservation, tokens: Tokens, cost: int, *, estimated: bool
    ) -> Month | None:
        """Book what an answer cost instead of its reservation; none when that was done before."""
        amounts = (1, tokens.input, tokens.output, tokens.cache_read, tokens.cache_write, cost)
        added: dict[str, tuple[str, int]] = {
            "#committed": ("committed", cost - reservation.amount),
            "#spent": ("spent", cost),
        }
        if estimated:
            added["#estimated"] = ("estimated", cost)
        if cost:
            for counter, amount in zip(_COUNTERS, amounts, strict=True):
                added[f"#{counter}"] = (f"{counter}#{reservation.model}", amount)
        names = {placeholder: name for placeholder, (name, _) in added.items()}
        values: dict[str, Any] = {f":{placeholder[1:]}": amount for placeholder, (_, amount) in added.items()}
        found = await self._table.update(
            partition(user_id),
            usage_key(reservation.month),
            "REMOVE #open ADD " + ", ".join(f"{placeholder} :{placeholder[1:]}" for placeholder in added),
            condition="attribute_exists(#open)",
            names=names | {"#open": _OPEN + reservation.id},
            values=values,
        )
        return month_from(reservation.month, found) if found is not None else None

    async def mark_listed(self, user_id: UserId, month: str) -> None:
        """Note that the administrators' list has this user's month."""
        await self._table.update(
            partition(user_id),
            usage_key(month),
            "SET #listed = :yes",
            names={"#listed": "listed"},
            values={":yes": True},
        )
