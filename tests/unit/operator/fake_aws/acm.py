"""Certificates: idempotent requests, validation by the records of the zone, and what shows them."""

# ruff: noqa: N803 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, Numbered, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    Records = dict[tuple[str, str], dict[str, Any]]


class FakeAcm(Numbered):
    records: Records

    def __init__(self) -> None:
        super().__init__()
        self.certificates: dict[str, dict[str, Any]] = {}
        """By ARN. `tags` and `token` are not shown to those who describe one."""
        self.tokens: dict[str, str] = {}
        """ARN by idempotency token, for an hour."""
        self.shown: Callable[[], set[str]] = set
        """ARNs of the certificates that load balancers show now."""
        self.proved_elsewhere: set[str] = set()
        """Names of validation records that stand in other zones."""

    def _certificate(self, arn: str) -> dict[str, Any]:
        if arn not in self.certificates:
            raise refused("ResourceNotFoundException")
        return self.certificates[arn]

    def _request_certificate(
        self, DomainName: str, ValidationMethod: str, IdempotencyToken: str, Tags: list[dict[str, str]]
    ) -> dict[str, Any]:
        assert ValidationMethod == "DNS"
        if len(DomainName) > 64:
            raise refused("InvalidParameterException")
        arn = self.tokens.get(IdempotencyToken)
        if arn not in self.certificates:
            number = next(self._ids)
            arn = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{number}"
            self.tokens[IdempotencyToken] = arn
            self.certificates[arn] = {
                "CertificateArn": arn,
                "DomainName": DomainName,
                "Status": "PENDING_VALIDATION",
                "CreatedAt": datetime.now(UTC) + timedelta(milliseconds=number),
                "DomainValidationOptions": [{"DomainName": DomainName}],
                "tags": {tag["Key"]: tag["Value"] for tag in Tags},
            }
        return {"CertificateArn": arn}

    def _list_certificates(self) -> dict[str, Any]:
        fields = ("CertificateArn", "DomainName", "Status")
        found = [{field: item[field] for field in fields} for item in self.certificates.values()]
        return {"CertificateSummaryList": found}

    def _describe_certificate(self, CertificateArn: str) -> dict[str, Any]:
        found = self._certificate(CertificateArn)
        users = [f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:loadbalancer/app/k8s/1"]
        seen = {name: value for name, value in found.items() if name != "tags"}
        seen["InUseBy"] = users if CertificateArn in self.shown() else []
        if found["Status"] == "PENDING_VALIDATION":
            self._pass_time(found)
        return {"Certificate": seen}

    def _pass_time(self, found: dict[str, Any]) -> None:
        """Do what ACM does by itself between two looks: name the record, then see it."""
        (option,) = found["DomainValidationOptions"]
        name = found["DomainName"]
        record = {"Name": f"_proof.{name}.", "Type": "CNAME", "Value": f"_value-of-{name}.acm-validations.aws."}
        if "ResourceRecord" not in option:
            # The same for every certificate of a name in an account; a list of its own, because it was shown before.
            found["DomainValidationOptions"] = [{"DomainName": name, "ResourceRecord": record}]
            return
        live = self.records.get((f"_proof.{name}", "CNAME"), {}).get("ResourceRecords", [])
        if f"_proof.{name}" in self.proved_elsewhere or {"Value": record["Value"]} in live:
            found["Status"], found["IssuedAt"] = "ISSUED", datetime.now(UTC)

    def _list_tags_for_certificate(self, CertificateArn: str) -> dict[str, Any]:
        tags = self._certificate(CertificateArn)["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _add_tags_to_certificate(self, CertificateArn: str, Tags: list[dict[str, str]]) -> None:
        self._certificate(CertificateArn)["tags"] |= {tag["Key"]: tag["Value"] for tag in Tags}

    def _remove_tags_from_certificate(self, CertificateArn: str, Tags: list[dict[str, str]]) -> None:
        for tag in Tags:
            self._certificate(CertificateArn)["tags"].pop(tag["Key"], None)

    def _delete_certificate(self, CertificateArn: str) -> None:
        self._certificate(CertificateArn)
        if CertificateArn in self.shown():
            raise refused("ResourceInUseException")
        del self.certificates[CertificateArn]

    def tagged_certificates(self) -> dict[str, dict[str, str]]:
        """Return the tags of each, by ARN, as the tagging API knows them."""
        return {arn: item["tags"] for arn, item in self.certificates.items()}
