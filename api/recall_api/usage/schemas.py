"""Spending as answers. Amounts are in micro-dollars: millionths of a US dollar."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from recall_api.text import Moment, Schema
from recall_api.usage.model import Month, Tier, resets_at

MonthText = Annotated[
    str, StringConstraints(pattern=r"^2[0-9]{3}(0[1-9]|1[0-2])$"), Field(description="A UTC month, such as `202611`.")
]


class ModelUsage(Schema):
    """What one model was used for."""

    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_micro_dollars: int


class Spending(Schema):
    """What a user spent in a month."""

    month: MonthText
    spent_micro_dollars: int
    estimated_micro_dollars: int = Field(
        description="The part of what was spent that Bedrock did not confirm: answers that were stopped or broke off."
    )
    reserved_micro_dollars: int = Field(description="Set aside for answers that are being written.")
    models: list[ModelUsage]

    @classmethod
    def of(cls, month: Month) -> Spending:
        """Return the answer for `month`."""
        return cls(
            month=month.month,
            spent_micro_dollars=month.spent,
            estimated_micro_dollars=month.estimated,
            reserved_micro_dollars=month.committed - month.spent,
            models=[
                ModelUsage(
                    model=model,
                    answers=spending.answers,
                    input_tokens=spending.tokens.input,
                    output_tokens=spending.tokens.output,
                    cache_read_tokens=spending.tokens.cache_read,
                    cache_write_tokens=spending.tokens.cache_write,
                    cost_micro_dollars=spending.cost,
                )
                for model, spending in month.models.items()
            ],
        )


class UsageAnswer(Spending):
    """A user's own month."""

    tier: Tier
    budget_micro_dollars: int
    remaining_micro_dollars: int
    resets_at: Moment

    @classmethod
    def for_user(cls, month: Month, tier: Tier, budget: int) -> UsageAnswer:
        """Return the answer for `month` of a user of `tier`."""
        return cls(
            **dict(Spending.of(month)),
            tier=tier,
            budget_micro_dollars=budget,
            remaining_micro_dollars=max(0, budget - month.committed),
            resets_at=resets_at(month.month),
        )


class UserSpending(Spending):
    """One user's month, as administrators see it."""

    user_id: str = Field(description="The user's `sub` in the user pool.")


class SpendingPage(Schema):
    """One page of users."""

    items: list[UserSpending]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last page.")
