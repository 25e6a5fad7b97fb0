"""The second judge's own rules: AWS's documented examples, and the same verdicts as an implementation by others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from ministack.core import iam_evaluator as theirs

from tests.privilege.evaluator import Request, allows, matches, without


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | item for item in statements]}


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("arn:aws:iam::1:role/recall.*", "arn:aws:iam::1:role/recall.prod.a", True),
        ("arn:aws:iam::1:role/recall.*", "arn:aws:iam::1:role/recall-prod", False),
        ("arn:aws:iam::1:role/recall.*", "arn:aws:iam::1:role/admin", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*", "", True),
        ("a+b", "aab", False),
        ("table/A", "table/a", False),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) == fits


@pytest.mark.parametrize(
    ("operator", "expected", "found", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringNotEquals", "a", "a", False),
        ("StringLike", ["x", "recall/*"], "recall/name", True),
        ("ForAllValues:StringLike", "recall/*", ("recall/a", "recall/b"), True),
        ("ForAllValues:StringLike", "recall/*", ("recall/a", "team"), False),
        ("ForAllValues:StringLike", "recall/*", None, True),
        ("ForAnyValue:StringLike", "recall/*", ("recall/a", "team"), True),
        ("ForAnyValue:StringLike", "recall/*", None, False),
    ],
)
def test_conditions(operator: str, expected: Any, found: Any, holds: bool) -> None:
    document = policy({"Action": "s:Do", "Condition": {operator: {"aws:TagKeys": expected}}})
    assert allows(document, Request("s:Do", "r", {"aws:tagkeys": found} if found else {})) == holds


def test_a_denial_wins_and_nothing_is_allowed_by_default() -> None:
    assert not allows(policy(), Request("s:Do"))
    assert not allows(policy({"Action": "s:*"}, {"Action": "s:Do", "Effect": "Deny"}), Request("s:Do"))


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s:*", "NotResource": "x"},
        {"Action": "s:*", "Condition": {"NumericEquals": {"a": "1"}}},
        {"Action": "s:*", "Condition": {"ForOneValue:StringEquals": {"a": "1"}}},
        {"Action": "s:*", "Resource": "table/${aws:username}"},
    ],
)
def test_what_is_not_understood_is_not_passed_over(statement: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        allows(policy(statement), Request("s:Do", "r", {"a": "1"}))


def test_an_action_is_left_out_of_its_own_statement_only() -> None:
    document = policy({"Sid": "A", "Action": ["s:Do", "s:Go"]}, {"Sid": "B", "Action": ["s:Do"]})
    assert [item["Action"] for item in without(document, "A", "s:Do")["Statement"]] == [["s:Go"], ["s:Do"]]
    assert [item["Sid"] for item in without(document, "B", "s:Do")["Statement"]] == ["A"]


words = some.sampled_from(["a", "b", "ab", "aa", "ba"])
patterns = some.sampled_from(["a", "b", "a*", "*", "?b", "ab", "b?"])
operators = some.builds(
    lambda quantifier, name, ending: f"{quantifier}{name}{ending}",
    some.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    some.sampled_from(["StringEquals", "StringLike", "StringNotEquals", "StringNotLike"]),
    some.sampled_from(["", "IfExists"]),
)
conditions = some.dictionaries(
    operators, some.dictionaries(some.sampled_from(["k:One", "k:Two"]), some.lists(patterns, min_size=1), max_size=2)
)
statements = some.fixed_dictionaries(
    {
        "Effect": some.sampled_from(["Allow", "Allow", "Deny"]),
        "Action": some.lists(patterns, min_size=1, max_size=2),
        "Resource": some.lists(patterns, min_size=1, max_size=2),
        "Condition": conditions,
    }
)


def single(operator: str) -> bool:
    return ":" not in operator


@given(
    chosen=some.lists(statements, max_size=4),
    action=words,
    resource=words,
    context=some.dictionaries(some.sampled_from(["k:One", "k:Two"]), some.lists(words, min_size=1, max_size=3)),
)
def test_others_decide_alike(
    chosen: list[dict[str, Any]], action: str, resource: str, context: dict[str, list[str]]
) -> None:
    """ministack's evaluator shares no line with this one. Keys with several values are for set operators only."""
    for statement in chosen:
        for operator, keys in statement["Condition"].items():
            for key in keys if single(operator) else ():
                if key in context:
                    context[key] = context[key][:1]
    known = {key: values[0] if len(values) == 1 else tuple(values) for key, values in context.items()}
    ours = allows({"Statement": chosen}, Request(action, resource, known))
    parsed = [
        theirs.ParsedStatement("", item["Effect"], item["Action"], [], item["Resource"], [], item["Condition"])
        for item in chosen
    ]
    theirs_known = {key.lower(): list(value) if isinstance(value, tuple) else value for key, value in known.items()}
    asked = theirs.EvalContext("", "AssumedRole", "", action, resource, "", service_context=theirs_known)
    assert ours == (theirs.evaluate(asked, [parsed]).decision == "Allow")
