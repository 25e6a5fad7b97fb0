"""Prices, months, profiles and estimates, without AWS."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from recall_api.chat.answer import Answer
from recall_api.chat.model import Delta, Done, Usage
from recall_api.models.prices import price_of
from recall_api.models.registry import Tokens, invocation_id
from recall_api.settings import Residency
from recall_api.usage.model import month_of, resets_at
from recall_api.usage.repository import month_from

NOVA = "amazon.nova-lite-v1:0"
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
COUNTS = st.integers(0, 1_000_000)


def test_prices_are_those_of_the_table() -> None:
    assert price_of(NOVA, "eu." + NOVA).cost(Tokens(input=1_000_000, output=1_000_000)) == 300_000
    assert price_of(HAIKU, "global." + HAIKU).cost(Tokens(1_000_000, 1_000_000, 1_000_000, 1_000_000)) == 7_350_000
    assert price_of(HAIKU, "eu." + HAIKU).input == 1_100_000


def test_a_model_without_a_price_is_priced_like_the_dearest() -> None:
    unknown = price_of("new.model-v1", "new.model-v1")
    assert not unknown.known
    for model in (NOVA, HAIKU, "anthropic.claude-opus-4-20250514-v1:0"):
        assert unknown.input >= price_of(model, model).input
        assert unknown.output >= price_of(model, model).output


@given(st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_cost_is_never_less_than_its_parts(tokens: Tokens) -> None:
    price = price_of(HAIKU, "eu." + HAIKU)
    assert price.cost(tokens) * 1_000_000 >= tokens.input * price.input + tokens.output * price.output


@pytest.mark.parametrize(
    ("residency", "profiles", "expected"),
    [
        (Residency.GLOBAL, {f"global.{HAIKU}", f"eu.{HAIKU}"}, f"global.{HAIKU}"),
        (Residency.GLOBAL, {f"eu.{HAIKU}"}, f"eu.{HAIKU}"),
        (Residency.GEO, {f"global.{HAIKU}", f"eu.{HAIKU}"}, f"eu.{HAIKU}"),
        (Residency.GEO, {f"global.{HAIKU}"}, f"eu.{HAIKU}"),
        (Residency.GEO, None, f"eu.{HAIKU}"),
        (Residency.REGION, {f"eu.{HAIKU}"}, HAIKU),
    ],
)
def test_discovered_profiles_never_widen_where_prompts_go(
    residency: Residency, profiles: set[str] | None, expected: str
) -> None:
    assert invocation_id(HAIKU, residency, "eu-west-1", profiles) == expected


def test_a_model_without_a_profile_nearby_stays_in_the_region() -> None:
    assert invocation_id(NOVA, Residency.GEO, "eu-west-1", {f"us.{NOVA}"}) == NOVA
    assert invocation_id(NOVA, Residency.GEO, "ap-northeast-1", {f"apac.{NOVA}"}) == f"apac.{NOVA}"


@given(st.integers(946_684_800, 32_500_000_000))
def test_a_month_ends_where_the_next_begins(second: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    end = resets_at(month_of(moment))
    assert moment < end
    assert (end - moment).days <= 31
    assert end.day == 1


def test_a_month_is_read_from_its_item() -> None:
    item = {
        "pk": "USER#u", "sk": "USAGE#202611", "committed": 130, "spent": 30, "cost#m#1": 30, "input#m#1": 7,
        "answers#m#1": 1, "open#a": {"model": "m#1", "amount": 100, "until": 50},
    }  # fmt: skip
    month = month_from("202611", item)
    assert month.models["m#1"].tokens.input == 7
    assert [found.amount for found in month.abandoned(51)] == [100]
    assert month.abandoned(50) == ()
    assert month_from("202611", None).committed == 0


def test_what_bedrock_refused_is_free_and_what_broke_off_is_not() -> None:
    refusal = ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "ConverseStream")
    refused = Answer(asked=True)
    refused.fail(refusal)
    assert refused.tokens(900) == (Tokens(), False)
    broken = Answer(asked=True)
    broken.note(Delta("x" * 30))
    broken.fail(refusal)
    assert broken.tokens(900) == (Tokens(300, 10), True)
    stopped_before_asking = Answer()
    assert stopped_before_asking.tokens(900) == (Tokens(), False)
    whole = Answer(asked=True)
    whole.note(Done("m", "end_turn", Usage(3, 4, 5, 6), 1))
    assert whole.tokens(900) == (Tokens(3, 4, 5, 6), False)
