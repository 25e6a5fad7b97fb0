"""The knobs: what can't be used is refused with field, value and remedy, before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recall_infra.cli import main
from recall_infra.environment import Environment, Knobs
from tests.infra.conftest import ENVIRONMENTS, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

BETA = FOLDER / "environments" / "beta.yaml"

REFUSED = [
    ({"region": "eu-west"}, ["region", "'eu-west'"]),
    ({"region": "eu-west-9", "zones": ["eu-west-9a", "eu-west-9b"]}, ["loadBalancerZoneId", "eu-west-9"]),
    ({"zones": ["eu-west-1a"]}, ["zones", "at least 2"]),
    ({"zones": ["eu-west-1a", "eu-west-2b"]}, ["zones", "eu-west-2b"]),
    ({"accountId": 111122223333}, ["accountId", "111122223333"]),
    ({"accountid": "111122223333"}, ["accountid", "not a knob"]),
    ({"logDays": 8}, ["logDays", "got 8"]),
    ({"network": {"natGateways": 3}}, ["network.natGateways", "2 zones", "lower it"]),
    ({"network": {"natGateways": 0}}, ["network.natGateways", "got 0"]),
    ({"network": {"addressRange": "10.0.0.0/8"}}, ["network.addressRange", "10.0.0.0/8", "/16 to /20"]),
    ({"network": {"interfaceEndpoints": ["route53"]}}, ["network.interfaceEndpoints.0", "'route53'"]),
    ({"cluster": {"name": "recall-beta", "access": []}}, ["cluster.access", "at least 1"]),
    (
        {"cluster": {"name": "recall-beta", "access": [{"principal": "somebody", "policy": "View"}]}},
        ["cluster.access.0.principal", "'somebody'"],
    ),
    ({"cluster": {"endpointAddresses": ["0.0.0.0/0"]}}, ["endpointAddresses", "0.0.0.0/0", "your own"]),
    ({"cluster": {"version": "latest"}}, ["cluster.version", "'latest'"]),
    ({"dns": {"zoneName": "example.org", "hostnames": ["beta.example.com"]}}, ["dns.hostnames", "beta.example.com"]),
    ({"identity": {"domainPrefix": "my-cognito"}}, ["identity", "domainPrefix", "choose another"]),
    (
        {"identity": {"social": [{"kind": "Google", "name": "Google", "clientId": "x"}]}},
        ["identity.social.0", "secretArn", "Secrets Manager"],
    ),
    ({"web": {"countries": ["Germany"]}}, ["web.countries.0", "'Germany'"]),
    (
        {"web": {"addresses": ["192.0.2.0/24"], "firewall": {"enabled": False}}},
        ["web", "addresses", "firewall.enabled to true"],
    ),
    ({"web": {"addresses": ["192.0.2.0/33"]}}, ["web.addresses.0", "192.0.2.0/33"]),
    ({"budget": {"monthlyUsd": 0}}, ["budget.monthlyUsd", "got 0"]),
    ({"budget": {"monthlyUsd": 10, "emails": ["nobody"]}}, ["budget.emails.0", "'nobody'"]),
    (
        {"delivery": {"repository": "example/recall", "branch": "main", "environment": "beta"}},
        ["delivery", "exactly one"],
    ),
    ({"models": {"residency": "planet"}}, ["models.residency", "'planet'"]),
    ({"models": {"bedrockRegion": "us-east"}}, ["models.bedrockRegion", "'us-east'"]),
    (
        {"models": {"bedrockRegion": "us-east-1"}, "network": {"interfaceEndpoints": ["bedrock-runtime"]}},
        ["network.interfaceEndpoints", "us-east-1", "leave it out", "NAT"],
    ),
]


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(BETA.read_text())
    for field, value in changes.items():
        old = document.get(field)
        document[field] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    return document


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[str(changes) for changes, _ in REFUSED])
def test_a_wrong_value_is_refused_by_name_and_nothing_is_written(
    changes: dict[str, Any], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(changed(changes)))
    assert main(["synth", str(file), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert str(file) in said.err
    for word in words:
        assert word in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["name: [", "", "- a list"])
def test_what_is_no_document_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert main(["cost", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_an_environment_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "nowhere"]) == 2
    assert "infra/environments" in capsys.readouterr().err


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_environments_that_come_along_can_be_used(name: str) -> None:
    assert Environment.load(FOLDER / "environments" / f"{name}.yaml").name == name


def fields(model: type[Knobs], prefix: str = "") -> list[str]:
    found = []
    for field in model.model_fields.values():
        name = f"{prefix}{field.alias}"
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Knobs)]
        found += fields(inner[0], f"{name}.") if inner else [name]
    return found


def test_every_knob_is_documented() -> None:
    page = (FOLDER.parent / "docs" / "reference" / "infra.md").read_text()
    missing = [name for name in fields(Environment) if f"`{name}`" not in page]
    assert not missing
