"""The bill: four states that make sense beside each other, from one dated table."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recall_infra import bill
from recall_infra.cli import main
from recall_infra.environment import Environment, environment_path
from recall_infra.priced import FREE, PRICES_OF
from recall_infra.stacks.firewall import RULE_COUNT, FirewallScope
from recall_operator.costs import AccountPrices, Prices, PriceTable, read_prices
from tests.infra.conftest import ENVIRONMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.conftest import Templates

TABLE = bill.load_prices(None)
TODAY = date(2026, 1, 31)


def environment(name: str = "beta", **changes: Any) -> Environment:
    document = yaml.safe_load(environment_path(name).read_text())
    return Environment.model_validate(document | changes)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_torn_down_costs_least_and_busy_most(name: str) -> None:
    together = bill.document(environment(name), TABLE, TODAY)["together"]
    assert together["tornDown"] < together["hibernated"] <= together["idle"] < together["busy"]


@given(
    answers=st.integers(0, 10**6),
    more=st.integers(1, 10**6),
    instances=st.integers(0, 200),
    gib=st.floats(0, 10**4),
)
def test_more_use_never_costs_less_and_never_changes_idle(answers: int, more: int, instances: int, gib: float) -> None:
    use = {"answers": answers, "instances": instances, "dataGib": gib}
    less = bill.document(environment(use=use), TABLE, TODAY)["together"]
    most = bill.document(environment(use=use | {"answers": answers + more}), TABLE, TODAY)["together"]
    assert most["busy"] >= less["busy"]
    assert {state: most[state] for state in ("idle", "hibernated", "tornDown")} == {
        state: less[state] for state in ("idle", "hibernated", "tornDown")
    }


def test_a_known_bill() -> None:
    """By hand: the control plane at 0.10 an hour, and one NAT gateway at 0.045, over 730 hours."""
    parts = {line.part: line for line in bill.lines(environment("minimal"), TABLE)}
    assert parts["cluster: control plane"].amounts() == pytest.approx((73.0, 73.0, 73.0, 0.0))
    assert parts["network: 1 NAT gateways"].idle == pytest.approx(32.85)
    assert parts["domain: zone"].amounts() == (0.0, 0.0, 0.0, 0.0), "its zone is there already"


def test_old_prices_are_said_to_be_old() -> None:
    then = date.fromisoformat(f"{TABLE.as_of}-01")
    for age, words in ((180, 0), (181, 1)):
        found = bill.document(environment(), TABLE, then + timedelta(days=age))
        assert len(found["warnings"]) == words
        assert (f"{age} days ago" in bill.text(found)) is bool(words)


def test_users_beyond_the_free_ones_cost() -> None:
    def users(number: int) -> float:
        return next(line.busy for line in bill.lines(environment(use={"users": number}), TABLE) if line.part == "users")

    assert users(10_000) == 0
    assert users(10_001) == pytest.approx(0.015)


def test_the_seeds_model_prices_are_kept() -> None:
    """US dollars per million tokens, May 2025, as the article gives them."""
    seed = {
        (price.provider, price.model): (price.input, price.output)
        for price in bill.other_models()
        if price.as_of == "2025-05"
    }
    assert seed == {
        ("Amazon Bedrock", "DeepSeek-R1"): (1.35, 5.40),
        ("DeepSeek", "DeepSeek-R1"): (0.55, 2.19),
        ("Fireworks", "DeepSeek-R1 (basic)"): (0.55, 2.19),
        ("Fireworks", "DeepSeek-R1 (fast)"): (3.00, 8.00),
        ("Together", "DeepSeek-R1"): (3.00, 7.00),
    }


def test_every_model_of_the_apis_table_is_compared() -> None:
    compared = {(row["provider"], row["model"]) for row in bill.document(environment(), TABLE, TODAY)["models"]}
    assert compared >= {("Amazon Bedrock", price.model) for price in bill.bedrock_models()}


def test_every_price_has_a_date_and_a_page() -> None:
    table = read_prices(None)
    assert table.account is not None
    assert table.as_of
    for price in [*dict(table.prices).values(), *dict(table.account).values()]:
        assert price.source.startswith("https://")
    assert all(price.as_of and price.source.startswith("https://") for price in bill.other_models())


def priced(templates: Templates) -> set[str]:
    """The kinds in an environment's templates that AWS bills; a gateway endpoint is one that it does not."""
    return {
        resource.type
        for _, resource in templates.all()
        if resource.type in PRICES_OF and resource.properties.get("VpcEndpointType") != "Gateway"
    }


def test_every_kind_of_resource_has_a_price_or_a_reason_to_have_none(synthesised: dict[str, Templates]) -> None:
    kinds = {resource.type for templates in synthesised.values() for _, resource in templates.all()}
    assert kinds <= PRICES_OF.keys() | FREE.keys()
    assert not PRICES_OF.keys() & FREE.keys()
    # Address lists are a knob that none of the three environments turns.
    assert (PRICES_OF.keys() | FREE.keys()) - kinds == {"AWS::WAFv2::IPSet"}


def test_every_price_of_the_account_belongs_to_a_kind_of_resource() -> None:
    rows = {row for rows in PRICES_OF.values() for row in rows}
    assert rows >= set(AccountPrices.model_fields)
    assert rows <= set(AccountPrices.model_fields) | set(Prices.model_fields)


def dearer(row: str) -> PriceTable:
    """The table with one row ten times as dear."""
    assert TABLE.account is not None
    part = "account" if row in AccountPrices.model_fields else "prices"
    rows = TABLE.account if part == "account" else TABLE.prices
    price = getattr(rows, row)
    changed = rows.model_copy(update={row: price.model_copy(update={"usd": 10 * price.usd})})
    return TABLE.model_copy(update={part: changed})


def test_each_price_counts_where_its_resource_is_and_nowhere_else(templates: Templates) -> None:
    use = {"users": 20_000, "requestsMillion": 50, "transferGib": 5_000}
    knobs = environment(templates.environment, use=use)
    now = bill.document(knobs, TABLE, TODAY)["together"]
    here = {row for kind in priced(templates) for row in PRICES_OF[kind]}
    for row in {row for rows in PRICES_OF.values() for row in rows}:
        then = bill.document(knobs, dearer(row), TODAY)["together"]
        assert (then["busy"] > now["busy"]) is (row in here), row


def test_the_bill_counts_the_firewalls_rules(templates: Templates) -> None:
    knobs = environment(templates.environment)
    parts = {line.part: line for line in bill.lines(knobs, TABLE)}
    for part, name, scope in (
        ("edge", "web app", FirewallScope.CLOUDFRONT),
        ("cluster", "API", FirewallScope.REGIONAL),
    ):
        for acl in templates.resources(part, "AWS::WAFv2::WebACL"):
            assert parts[f"firewall: {name}"].idle == 5 + len(acl.properties["Rules"])
            assert len(acl.properties["Rules"]) >= RULE_COUNT[scope]


def test_a_table_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = TABLE.model_dump(mode="json", by_alias=True)
    own["account"]["clusterHour"]["usd"] = 1.0
    file = tmp_path / "prices.yaml"
    file.write_text(yaml.safe_dump(own))
    assert main(["cost", "minimal", "--prices", str(file), "--output", "json"]) == 0
    parts = {row["part"]: row for row in json.loads(capsys.readouterr().out)["parts"]}
    assert parts["cluster: control plane"]["idle"] == 730
    del own["account"]
    file.write_text(yaml.safe_dump(own))
    assert main(["cost", "minimal", "--prices", str(file)]) == 2
    assert "account" in capsys.readouterr().err
    assert main(["cost", "minimal", "--prices", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_the_page_shows_the_figures_of_the_command() -> None:
    page = (environment_path("beta").parents[2] / "docs" / "reference" / "infra.md").read_text()
    for name in ENVIRONMENTS:
        together = bill.document(environment(name), TABLE, TODAY)["together"]
        row = " | ".join(f"{together[state]:.0f}" for state in bill.STATES)
        assert f"| {name} | {row} |" in page
