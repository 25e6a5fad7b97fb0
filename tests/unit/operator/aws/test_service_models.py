"""Clients with lean descriptions send what boto3's own clients send, and keep nothing to read for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

from recall_operator.aws.client import RATES
from recall_operator.aws.service_models import lean_session

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"
CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("describe_table", {"TableName": "memories"}),
    "cognito-idp": ("list_user_pool_clients", {"UserPoolId": "eu-west-1_example"}),
    "iam": ("get_role", {"RoleName": "recall"}),
    "eks": ("list_pod_identity_associations", {"clusterName": "recall"}),
    "acm": ("list_certificates", {}),
    "resourcegroupstaggingapi": ("get_resources", {}),
    "route53": ("list_resource_record_sets", {"HostedZoneId": "Z123"}),
    "bedrock": ("list_guardrails", {}),
}


def _request(client: Any, operation: str, parameters: dict[str, Any]) -> tuple[str, str, Any]:
    """Return method, address and body of the request that the client would send."""
    sent: list[tuple[str, str, Any]] = []

    def instead(request: Any, **_: Any) -> Any:
        sent.append((request.method, request.url, request.body))
        raise InterruptedError

    client.meta.events.register_first("before-send", instead)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**parameters)
    return sent[0]


def _texts(description: object) -> Iterator[str]:
    if isinstance(description, dict):
        for key, value in description.items():
            if key == "documentation" and isinstance(value, str):
                yield value
            yield from _texts(value)
    elif isinstance(description, list):
        for each in description:
            yield from _texts(each)


@pytest.mark.parametrize("service", sorted(RATES))
def test_a_lean_client_sends_what_boto3s_own_sends(service: str) -> None:
    operation, parameters = ASKED[service]
    lean = lean_session(REGION).client(service, **CREDENTIALS)  # type: ignore[call-overload]
    own = boto3.session.Session(region_name=REGION).client(service, **CREDENTIALS)  # type: ignore[call-overload]
    assert _request(lean, operation, parameters) == _request(own, operation, parameters)


@pytest.mark.parametrize("service", sorted(RATES))
def test_a_lean_description_has_no_words(service: str) -> None:
    session = lean_session(REGION)
    client = session.client(service, **CREDENTIALS)  # type: ignore[call-overload]
    assert not any(_texts(client.meta.service_model._service_description))
