"""Every operation of the OpenAPI document with generated requests, good and bad: no 500, every answer as documented.

A few examples for each operation; `RECALL_LONG=1` tries a hundred.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .test_isolation import DOCUMENT, OWN_END

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = 100 if os.environ.get("RECALL_LONG") else 4
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
STREAMS = {"/v1/chat", "/v1/openai/chat/completions"}

schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(operation_id=list(OWN_END))


@pytest.fixture(scope="module")
def token(new_tokens: Callable[[], dict[str, str]]) -> str:
    return new_tokens()["access_token"]


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_generated_requests_are_answered_as_documented(case: Any, pod: Any, token: str) -> None:
    # The checker takes each event of a stream for an answer; what events look like is tested with the chat.
    checks = CHECKS[:-1] if case.operation.path in STREAMS else CHECKS
    headers = {"Authorization": f"Bearer {token}"}
    answer = case.call_and_validate(base_url=pod.url, headers=headers, checks=checks, timeout=30)
    assert answer.status_code != 500
