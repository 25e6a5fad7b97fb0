"""Models in another region than the tables: every call is signed for the region that it is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recall_api.contract import Environment
from tests.integration.api.test_chat import MARKING, answer_of, ask

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = "us-east-1"


def test_chat_and_embeddings_are_signed_for_the_region_of_bedrock(
    start_pod: Callable[..., Any], new_tokens: Callable[[], dict[str, str]], bedrock: Any
) -> None:
    pod = start_pod(**{Environment.BEDROCK_REGION.value: AWAY})
    before = len(bedrock.requests())
    with pod.client(new_tokens()["access_token"]) as user:
        # The tables and the user pool are at home; a call that went astray would find neither.
        user.post("/v1/memories", json={"text": "The blue bicycle stands in the cellar."}).raise_for_status()
        assert "cellar" in answer_of(ask(user, "Where is the blue bicycle?", model=MARKING))
    sent = [item for item in bedrock.requests()[before:] if item["status"] == 200]
    assert {item["operation"] for item in sent} == {"ConverseStream", "InvokeModel"}
    assert {item["region"] for item in sent} == {AWAY}
    # The profile of that region's geography, or none, but never that of the instance's own.
    assert {item["model"] for item in sent if item["operation"] == "ConverseStream"} <= {MARKING, f"us.{MARKING}"}
