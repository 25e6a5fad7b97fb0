"""The monthly bill of an environment by part, before anything is deployed: idle, busy, hibernated, torn down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml
from kubernetes.utils.quantity import parse_quantity
from pydantic import Field, ValidationError

from recall_api.models import prices as model_prices
from recall_infra.environment import KnobError, Knobs
from recall_operator.costs import GIB, AccountPrices, FreeAmounts, PriceTable, Usage, monthly, read_prices, too_old
from recall_operator.models.spec import RecallInstanceSpec

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from recall_infra.environment import Environment

STATES: Final = ("idle", "busy", "hibernated", "tornDown")
ASSUMPTIONS: Final = (
    "idle: everything is deployed, nobody comes; busy: a month of the file's `use`",
    "hibernated: no API pods, the cluster stays",
    "torn down: network, cluster and operator-rights are destroyed; data, images, domain, web app and users stay",
    "instances are as deploy/examples makes them by default: two pods each, point-in-time recovery",
    "nodes are of 2 vCPU and 8 GiB with 80 GiB of disk, as many as the pods' requests fill, and at least one",
    "Bedrock in another region (models.bedrockRegion) is reached through the NAT gateways: its traffic is of natGib",
    "instances share one load balancer (IngressClassParams group); it has one public address in each zone",
    "every answer of a model reads memories five times and writes twice; one request in ten reaches a table otherwise",
    "not counted: taxes, discounts, support, Lambda and SSM (within what is free), cross-zone traffic, backups",
)
NODE_VCPU: Final = 2
NODE_GIB: Final = 8
NODE_DISK_GIB: Final = 80
"""Source: EKS User Guide, "Create a Node Class for Amazon EKS": ephemeral storage, default size."""
OPERATOR_PODS: Final = (2, 0.05, 0.125)
"""Number, vCPU and GiB of each: the chart's defaults."""
_READS_PER_ANSWER: Final = 5
_WRITES_PER_ANSWER: Final = 2
_MILLION: Final = 1_000_000


class ModelPrice(Knobs):
    """What a million tokens of a model cost at a provider, in US dollars."""

    provider: str
    model: str
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    as_of: str
    source: str
    note: str = ""

    def monthly(self, environment: Environment) -> float:
        """Return the cost of the environment's answers."""
        use = environment.use
        return use.answers * (use.input_tokens * self.input + use.output_tokens * self.output) / _MILLION


class _ModelPrices(Knobs):
    models: list[ModelPrice]


@dataclass(frozen=True)
class Line:
    """One part, in US dollars a month in each state."""

    part: str
    idle: float
    busy: float
    hibernated: float
    torn_down: float = 0.0

    def amounts(self) -> tuple[float, float, float, float]:
        """Return the amounts in the order of `STATES`."""
        return (self.idle, self.busy, self.hibernated, self.torn_down)


def always(part: str, amount: float) -> Line:
    """Return a line that stays whatever is done."""
    return Line(part, amount, amount, amount, amount)


def while_up(part: str, amount: float, busy: float = 0.0) -> Line:
    """Return a line that goes with the cluster; `busy` is what use adds."""
    return Line(part, amount, amount + busy, amount)


def load_prices(path: Path | None) -> PriceTable:
    """Return the prices at `path`, or those that come with this release.

    Raises:
        KnobError: the file can't be used, or lacks the account's prices.
    """
    try:
        table = read_prices(path)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise KnobError(f"--prices {path} can't be used: {error}") from error
    if table.account is None or table.free is None:
        raise KnobError(
            f"--prices {path} has no sections `account` and `free`; copy them from the release's prices.yaml"
        )
    return table


def other_models() -> list[ModelPrice]:
    """Return the prices of models elsewhere, and of those that the API's table does not list."""
    text = resources.files(__package__).joinpath("model_prices.yaml").read_text()
    return _ModelPrices.model_validate(yaml.safe_load(text)).models


def bedrock_models() -> list[ModelPrice]:
    """Return the API's own table of Bedrock's prices."""
    return [
        ModelPrice(
            provider="Amazon Bedrock",
            model=prefix.rstrip("-"),
            input=price.input / model_prices.PER,
            output=price.output / model_prices.PER,
            as_of=model_prices.AS_OF.strftime("%Y-%m"),
            source="https://aws.amazon.com/bedrock/pricing/",
        )
        for prefix, price in model_prices.PRICES
    ]


def lines(environment: Environment, table: PriceTable) -> list[Line]:
    """Return the bill, part by part."""
    account, free = table.account, table.free
    assert account is not None  # noqa: S101 - load_prices looked
    assert free is not None  # noqa: S101
    hours = table.hours_per_month
    return [
        while_up("cluster: control plane", hours * account.cluster_hour.usd),
        _nodes(environment, table, account),
        *_network(environment, table, account),
        while_up("cluster: key of its secrets", table.prices.kms_key_month.usd),
        while_up("logs: control plane and network", environment.use.logs_gib * account.log_gib.usd),
        *_firewalls(environment, account),
        *_web(environment, account, free),
        always("domain: zone", 0.0 if environment.dns.hosted_zone_id else account.zone_month.usd),
        always("key of users' data keys", table.prices.kms_key_month.usd if environment.user_keys else 0.0),
        always("images", environment.use.images_gib * account.image_gib_month.usd),
        Line("users", 0.0, max(0, environment.use.users - free.users) * account.user_month.usd, 0.0),
        *_tables(environment, table),
        _model(environment),
    ]


def _nodes(environment: Environment, table: PriceTable, account: AccountPrices) -> Line:
    spec = _instance()
    pods = environment.use.instances * spec.api.replicas
    requests = spec.api.resources.requests
    processor, memory = float(parse_quantity(requests.cpu)), float(parse_quantity(requests.memory)) / GIB
    number, own_processor, own_memory = OPERATOR_PODS

    def nodes(api_pods: int) -> int:
        vcpu = number * own_processor + api_pods * processor
        gib = number * own_memory + api_pods * memory
        return max(1, math.ceil(vcpu / NODE_VCPU), math.ceil(gib / NODE_GIB))

    price = table.prices
    hourly = NODE_VCPU * price.vcpu_hour.usd + NODE_GIB * price.gib_hour.usd
    each = table.hours_per_month * hourly + NODE_DISK_GIB * account.node_disk_gib_month.usd
    awake, asleep = nodes(pods), nodes(0)
    return Line(f"cluster: nodes ({awake} awake, {asleep} hibernated)", awake * each, awake * each, asleep * each)


def _network(environment: Environment, table: PriceTable, account: AccountPrices) -> list[Line]:
    hours, zones, use = table.hours_per_month, len(environment.zones), environment.use
    gateways, endpoints = environment.network.nat_gateways, len(environment.network.interface_endpoints)
    balancer = hours * table.prices.load_balancer_hour.usd
    unit = hours * table.prices.load_balancer_capacity_unit_hour.usd
    nat = gateways * hours * account.nat_gateway_hour.usd
    return [
        while_up(f"network: {gateways} NAT gateways", nat, use.nat_gib * account.nat_gateway_gib.usd),
        while_up(
            f"network: {endpoints} endpoints in {zones} zones",
            endpoints * zones * hours * account.interface_endpoint_hour.usd,
        ),
        while_up("network: public addresses", (gateways + zones) * hours * account.public_address_hour.usd),
        while_up("network: load balancer", balancer, unit),
    ]


def _firewalls(environment: Environment, account: AccountPrices) -> list[Line]:
    if not environment.web.firewall.enabled:
        return []
    # Kept beside the rules themselves by a test: the limit, the managed groups, and a rule for each list of the knobs.
    chosen = 1 + bool(environment.web.countries) + bool(environment.web.addresses)
    web, api = (account.firewall_month.usd + (groups + chosen) * account.firewall_rule_month.usd for groups in (3, 2))
    requests = environment.use.requests_million * account.firewall_requests_million.usd
    return [Line("firewall: web app", web, web + requests, web, web), while_up("firewall: API", api, requests)]


def _web(environment: Environment, account: AccountPrices, free: FreeAmounts) -> list[Line]:
    use = environment.use
    stored = account.site_gib_month.usd * _SITE_GIB
    sent = max(0.0, use.transfer_gib - free.distribution_gib) * account.distribution_gib.usd
    asked = max(0.0, use.requests_million - free.distribution_requests_million)
    routed = max(0.0, use.requests_million - free.distribution_functions_million)  # every request is routed by one
    requests = asked * account.distribution_requests_million.usd + routed * account.distribution_functions_million.usd
    busy = stored + sent + requests
    transfer = max(0.0, use.transfer_gib - free.transfer_gib) * account.transfer_gib.usd
    return [
        Line("web app: bucket and distribution", stored, busy, stored, stored),
        Line("API: data sent to the internet", 0.0, transfer, 0.0),
    ]


_SITE_GIB: Final = 0.1


def _tables(environment: Environment, table: PriceTable) -> list[Line]:
    use = environment.use
    if not use.instances:
        return []
    reads = (use.answers * _READS_PER_ANSWER) / _MILLION + use.requests_million / 10
    writes = (use.answers * _WRITES_PER_ANSWER) / _MILLION + use.requests_million / 10
    spec = _instance()
    wanted = ("tables",)
    idle = [item for item in monthly(spec, Usage(use.data_gib, 0, 0), table) if item.what.startswith(wanted)]
    busy = [item for item in monthly(spec, Usage(use.data_gib, reads, writes), table) if item.what.startswith(wanted)]
    return [
        Line(one.what, zero.awake, one.awake, zero.hibernated, zero.hibernated)
        for zero, one in zip(idle, busy, strict=True)
    ]


def _model(environment: Environment) -> Line:
    use = environment.use
    price = model_prices.price_of(use.model, use.model)
    given = use.answers * (use.input_tokens * price.input + use.output_tokens * price.output)
    cost = given / model_prices.PER / _MILLION
    return Line(f"models: {use.answers} answers of {use.model}", 0.0, cost, 0.0)


def _instance() -> RecallInstanceSpec:
    return RecallInstanceSpec.model_validate({"hostname": "example.org"})


def document(environment: Environment, table: PriceTable, today: date) -> dict[str, Any]:
    """Return the bill for programs, with a warning when the prices are old `today`."""
    found = lines(environment, table)
    warning = too_old(table.as_of, today)
    prices = [*table.prices, *(table.account or ())]
    return {
        "environment": environment.name,
        "currency": "USD",
        "pricesAsOf": table.as_of,
        "pricesOfRegion": table.region,
        "warnings": [warning] if warning else [],
        "parts": [
            {"part": line.part, **dict(zip(STATES, (round(amount, 2) for amount in line.amounts()), strict=True))}
            for line in found
        ],
        "budget": environment.budget.monthly_usd,
        "together": {
            state: round(sum(line.amounts()[number] for line in found), 2) for number, state in enumerate(STATES)
        },
        "models": [
            {
                "provider": price.provider,
                "model": price.model,
                "input": price.input,
                "output": price.output,
                "monthly": round(price.monthly(environment), 2),
                "asOf": price.as_of,
                "source": price.source,
                "note": price.note,
            }
            for price in sorted([*bedrock_models(), *other_models()], key=lambda item: item.monthly(environment))
        ],
        "assumptions": list(ASSUMPTIONS),
        "sources": sorted({price.source for _, price in prices}),
    }


def text(found: dict[str, Any]) -> str:
    """Return the bill for people."""
    rows = [*found["parts"], {"part": "together", **found["together"]}]
    width = max(len(row["part"]) for row in rows)
    titles = ("idle", "busy", "hibernated", "torn down")
    out = [
        f"{found['environment']}: US dollars a month, prices of {found['pricesOfRegion']} as of {found['pricesAsOf']}",
        *found["warnings"],
        f"{'':{width}}" + "".join(f"  {title:>10}" for title in titles),
        *(f"{row['part']:{width}}" + "".join(f"  {row[state]:10.2f}" for state in STATES) for row in rows),
        f"The budget alarms at {found['budget']} US dollars a month.",
        "",
        "The same answers by other models (US dollars per million tokens in and out, then a month):",
        *(
            f"  {row['provider']:15} {row['model']:32} {row['input']:7.3f} {row['output']:7.3f} {row['monthly']:10.2f}"
            f"  as of {row['asOf']}{', ' + row['note'] if row['note'] else ''}"
            for row in found["models"]
        ),
        "Assumed:",
        *(f"  - {line}" for line in found["assumptions"]),
        "Prices from:",
        *(f"  - {line}" for line in sorted({*found["sources"], *(row["source"] for row in found["models"])})),
    ]
    return "\n".join(out)
