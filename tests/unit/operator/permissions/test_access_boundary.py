"""The boundary of instances' roles: it holds what the API may ever need, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_operator.models.models_spec import Residency
from recall_operator.permissions.access_boundary import boundary_document
from recall_operator.resources.access import access_policy
from tests.unit.operator.fakes import platform
from tests.unit.operator.permissions.test_policies import subject


def covers(outer: str, inner: str) -> bool:
    """Whether an IAM pattern matches everything that another does."""
    return re.fullmatch(re.escape(outer).replace(r"\*", ".*"), inner) is not None


@given(widest=st.sampled_from(Residency), chosen=st.sampled_from(Residency))
def test_it_holds_every_instance_of_its_residency_and_no_wider_one(widest: Residency, chosen: Residency) -> None:
    one = subject(residency=chosen.value, guardrail={"id": "gr1", "version": "1"})
    bounds = boundary_document(platform(), widest.value)["Statement"]

    def within(action: str, resource: str) -> bool:
        return any(
            action in statement["Action"] and any(covers(item, resource) for item in statement["Resource"])
            for statement in bounds
        )

    wanted = [
        (action, resource)
        for statement in access_policy(one, {})["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    ]
    order = list(Residency)
    assert all(within(*each) for each in wanted) is (order.index(chosen) <= order.index(widest))


@pytest.mark.parametrize(
    "action", ["iam:CreateRole", "dynamodb:DeleteTable", "s3:GetObject", "cognito-idp:AdminGetUser"]
)
def test_it_holds_nothing_that_the_api_does_not_do(action: str) -> None:
    document = boundary_document(platform(), "global")
    assert action not in {item for statement in document["Statement"] for item in statement["Action"]}
    assert all(statement["Effect"] == "Allow" for statement in document["Statement"])
