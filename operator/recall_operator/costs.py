"""What an instance costs a month, from a dated table of prices: for `kubectl recall cost` and the account's bill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Final

import yaml
from kubernetes.utils.quantity import parse_quantity
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from pathlib import Path

    from recall_operator.models.api_spec import Api
    from recall_operator.models.spec import RecallInstanceSpec
    from recall_operator.models.tables_spec import Billing

GIB: Final = 1024**3
OLD_AFTER: Final = timedelta(days=180)
"""Age of a table of prices from which it should be looked at again: AWS changes some prices every few months."""
REQUESTS_WITH_KMS: Final = 0.1
"""Calls to KMS for each read or write: a pod keeps a user's key for five minutes."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Price(_Model):
    """One price and the page that it is from."""

    usd: float = Field(ge=0)
    source: str


class Prices(_Model):
    """What one unit of each thing costs."""

    vcpu_hour: Price
    gib_hour: Price
    load_balancer_hour: Price
    load_balancer_capacity_unit_hour: Price
    table_read_million: Price
    table_write_million: Price
    table_gib_month: Price
    recovery_gib_month: Price
    table_read_unit_hour: Price
    table_write_unit_hour: Price
    backup_gib_month: Price
    kms_key_month: Price
    kms_request_million: Price


class AccountPrices(_Model):
    """What one unit costs of the things that all instances of an account share."""

    cluster_hour: Price
    nat_gateway_hour: Price
    nat_gateway_gib: Price
    public_address_hour: Price
    interface_endpoint_hour: Price
    node_disk_gib_month: Price
    log_gib: Price
    image_gib_month: Price
    zone_month: Price
    site_gib_month: Price
    distribution_gib: Price
    distribution_requests_million: Price
    distribution_functions_million: Price
    firewall_month: Price
    firewall_rule_month: Price
    firewall_requests_million: Price
    user_month: Price
    transfer_gib: Price


class FreeAmounts(_Model):
    """What an account gets free of charge every month, for ever."""

    users: int = Field(ge=0)
    distribution_gib: float = Field(ge=0)
    distribution_requests_million: float = Field(ge=0)
    distribution_functions_million: float = Field(ge=0)
    transfer_gib: float = Field(ge=0)


class PriceTable(_Model):
    """Prices with their date and region."""

    as_of: str = Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")
    """Year and month."""
    region: str
    hours_per_month: float = Field(gt=0)
    prices: Prices
    account: AccountPrices | None = None
    """Only the bill of the whole account needs it."""
    free: FreeAmounts | None = None


@dataclass(frozen=True)
class Usage:
    """What the tables hold and do in a month."""

    data_gib: float
    reads_million: float
    writes_million: float
    backups_gib: float = 0.0
    """Size of the on-demand backups of its living RecallBackups, as AWS told it."""


@dataclass(frozen=True)
class Line:
    """One thing that costs, in dollars a month."""

    what: str
    awake: float
    hibernated: float


def read_prices(path: Path | None) -> PriceTable:
    """Return the prices at `path`, or those that come with this release.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: the file can't be read or is no such table.
    """
    text = path.read_text() if path else resources.files(__package__).joinpath("prices.yaml").read_text()
    return PriceTable.model_validate(yaml.safe_load(text))


def too_old(as_of: str, today: date) -> str | None:
    """Return what to say of prices of the month `as_of` (`2025-12`); None while they are young enough."""
    age = today - date.fromisoformat(f"{as_of}-01")
    if age <= OLD_AFTER:
        return None
    return f"The prices are of {as_of}, {age.days} days ago: look at the pages named below before you rely on them."


def monthly(spec: RecallInstanceSpec, usage: Usage, table: PriceTable) -> list[Line]:
    """Return what an instance of this `spec` costs a month, thing by thing."""
    price, hours = table.prices, table.hours_per_month
    stored = usage.data_gib * price.table_gib_month.usd
    backups = usage.data_gib * price.recovery_gib_month.usd if spec.tables.point_in_time_recovery else 0.0
    balancer = hours * price.load_balancer_hour.usd
    unit = hours * price.load_balancer_capacity_unit_hour.usd
    kept = usage.backups_gib * price.backup_gib_month.usd
    return [
        _pods(spec.api, price, hours),
        Line("load balancer", balancer + unit, balancer),
        _traffic(spec.tables.billing, usage, price, hours),
        Line(f"tables: {usage.data_gib:g} GiB stored", stored, stored),
        Line("tables: point-in-time recovery", backups, backups),
        *(_user_keys(usage, price) if spec.encryption.per_user_keys else []),
        *([Line(f"RecallBackups: {usage.backups_gib:.3g} GiB", kept, kept)] if usage.backups_gib else []),
    ]


def _user_keys(usage: Usage, price: Prices) -> list[Line]:
    key = price.kms_key_month.usd
    requests = (usage.reads_million + usage.writes_million) * REQUESTS_WITH_KMS * price.kms_request_million.usd
    return [Line("users' data keys: a KMS key and its requests", key + requests, key)]


def _pods(api: Api, price: Prices, hours: float) -> Line:
    requests = api.resources.requests
    replicas = api.autoscaling.min_replicas if api.autoscaling else api.replicas
    processor = float(parse_quantity(requests.cpu)) * price.vcpu_hour.usd
    memory = float(parse_quantity(requests.memory)) / GIB * price.gib_hour.usd
    what = f"pods: {replicas} x {requests.cpu} processor, {requests.memory} memory"
    return Line(what, replicas * (processor + memory) * hours, 0.0)


def _traffic(billing: Billing | None, usage: Usage, price: Prices, hours: float) -> Line:
    if billing is not None and billing.read_capacity and billing.write_capacity:
        reads = billing.read_capacity * price.table_read_unit_hour.usd
        writes = billing.write_capacity * price.table_write_unit_hour.usd
        each = (reads + writes) * hours
        what = f"tables: 2 x {billing.read_capacity} read units, {billing.write_capacity} write units"
        return Line(what, 2 * each, 2 * each)
    on_demand = (
        usage.reads_million * price.table_read_million.usd + usage.writes_million * price.table_write_million.usd
    )
    return Line(f"tables: {usage.reads_million:g} M reads, {usage.writes_million:g} M writes", on_demand, 0.0)
