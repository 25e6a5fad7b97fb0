"""What tokens cost: a dated table, and sums over it. Money is counted in micro-dollars (millionths of a US dollar).

Source: Amazon Bedrock pricing page (on demand, list prices in US regions), as reported in spring 2026. Claude models
from 4.5 on cost 10 % more when they are not called through a global profile. AWS's bill is the truth; this table
only keeps budgets, and errs upwards: a model that is not listed is priced like the dearest one that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recall_api.models.registry import Tokens

SOURCE: Final = "Amazon Bedrock pricing page, on demand"
AS_OF: Final = date(2026, 4, 1)

PER: Final = 1_000_000
"""Prices are for this many tokens."""


@dataclass(frozen=True)
class Price:
    """Micro-dollars per million tokens."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    known: bool = True
    """False: a guess on the safe side."""

    def cost(self, tokens: Tokens) -> int:
        """Return the micro-dollars that `tokens` cost, rounded up."""
        total = (
            tokens.input * self.input
            + tokens.output * self.output
            + tokens.cache_read * self.cache_read
            + tokens.cache_write * self.cache_write
        )
        return -(-total // PER)


def _claude(dollars_in: float, dollars_out: float) -> Price:
    """Return Anthropic's scheme: reading from the cache costs a tenth of the input price, writing a quarter more."""
    base = round(dollars_in * PER)
    return Price(base, round(dollars_out * PER), base // 10, base * 5 // 4)


def _nova(dollars_in: float, dollars_out: float) -> Price:
    """Return Amazon's scheme: reading from the cache costs a quarter of the input price, writing nothing extra."""
    base = round(dollars_in * PER)
    return Price(base, round(dollars_out * PER), base // 4, base)


PRICES: Final[tuple[tuple[str, Price], ...]] = (
    ("amazon.nova-micro-", _nova(0.035, 0.14)),
    ("amazon.nova-lite-", _nova(0.06, 0.24)),
    ("amazon.nova-pro-", _nova(0.80, 3.20)),
    ("anthropic.claude-3-5-haiku-", _claude(0.80, 4)),
    ("anthropic.claude-3-5-sonnet-", _claude(6, 30)),
    ("anthropic.claude-3-7-sonnet-", _claude(3, 15)),
    ("anthropic.claude-haiku-4-5-", _claude(1, 5)),
    ("anthropic.claude-sonnet-4-", _claude(3, 15)),
    ("anthropic.claude-opus-4-5-", _claude(5, 25)),
    ("anthropic.claude-opus-4-6-", _claude(5, 25)),
    ("anthropic.claude-opus-4-7-", _claude(5, 25)),
    ("anthropic.claude-opus-4-", _claude(15, 75)),
)
"""Prefixes of model ids; the first that fits counts."""

_DEAREST: Final = Price(15_000_000, 75_000_000, 15_000_000, 18_750_000, known=False)

_DEARER_OUTSIDE_GLOBAL: Final = (
    "anthropic.claude-haiku-4-5-",
    "anthropic.claude-sonnet-4-5-",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-opus-4-5-",
    "anthropic.claude-opus-4-6-",
    "anthropic.claude-opus-4-7-",
)


def price_of(model: str, invocation_id: str) -> Price:
    """Return what `model` costs when it is called by `invocation_id` (the model or an inference profile)."""
    price = next((found for prefix, found in PRICES if model.startswith(prefix)), _DEAREST)
    if not model.startswith(_DEARER_OUTSIDE_GLOBAL) or invocation_id.startswith("global."):
        return price
    values = (price.input, price.output, price.cache_read, price.cache_write)
    given, written, read, kept = (-(-value * 11 // 10) for value in values)
    return Price(given, written, read, kept)
