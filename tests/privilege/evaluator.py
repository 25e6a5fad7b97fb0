"""IAM's decision about one request, by one policy document: the second judge, beside the emulated AWS.

Only what Recall's policies use; anything else raises, so that nothing is let through unread.
Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = str | tuple[str, ...]
"""What a condition key holds in a request: one text, or several."""


@dataclass(frozen=True)
class Request:
    """One question that AWS asks of a caller's policies."""

    action: str
    resource: str = "*"
    context: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@lru_cache(maxsize=4096)
def _pattern(text: str, *, ignore_case: bool) -> re.Pattern[str]:
    if "${" in text:
        raise ValueError(f"policy variables are not understood here: {text}")
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one character."""
    return _pattern(pattern, ignore_case=ignore_case).fullmatch(text) is not None


def _equal(pattern: str, text: str) -> bool:
    if "${" in pattern:
        raise ValueError(f"policy variables are not understood here: {pattern}")
    return pattern == text


_OPERATORS = {"StringEquals": (_equal, True), "StringNotEquals": (_equal, False),
              "StringLike": (matches, True), "StringNotLike": (matches, False)}  # fmt: skip
"""How a value is compared, and whether one that fits is wanted or is not."""


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _condition_holds(operator: str, expected: Iterable[str], found: Value | None) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (found is None) == (list(expected) == ["true"])
    if_exists = name.endswith("IfExists")
    compare, wanted = _OPERATORS[name.removesuffix("IfExists")]

    def fits(text: str) -> bool:
        return any(compare(pattern, text) for pattern in expected) == wanted

    if quantifier == "ForAllValues":
        return all(fits(text) for text in _listed(found or ()))
    if found is None:
        # A key that is not there fits nothing: that is wanted by the operators that say "not".
        return if_exists or (not wanted and quantifier != "ForAnyValue")
    if quantifier == "ForAnyValue":
        return any(fits(text) for text in _listed(found))
    if quantifier:
        raise ValueError(f"{operator} is not understood here")
    if not isinstance(found, str):
        raise TypeError(f"{operator} compares one value, but the request has several: {found}")
    return fits(found)


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise ValueError(f"{sorted(unknown)} of a statement is not understood here")
    context = {name.lower(): value for name, value in request.context.items()}
    return (
        any(matches(pattern, request.action, ignore_case=True) for pattern in _listed(statement["Action"]))
        and any(matches(pattern, request.resource) for pattern in _listed(statement["Resource"]))
        and all(
            _condition_holds(operator, _listed(expected), context.get(key.lower()))
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def allows(document: Mapping[str, Any], request: Request) -> bool:
    """Whether `document`, a role's only policy, allows `request`.

    Raises:
        KeyError, TypeError, ValueError: the document has something that is not understood here.
    """
    effects = {statement["Effect"] for statement in document["Statement"] if _applies(statement, request)}
    return effects == {"Allow"}


def without(document: Mapping[str, Any], sid: str, action: str) -> dict[str, Any]:
    """Return `document` without one action of one statement."""
    statements = [
        statement | {"Action": [item for item in statement["Action"] if (statement["Sid"], item) != (sid, action)]}
        for statement in document["Statement"]
    ]
    return {**document, "Statement": [statement for statement in statements if statement["Action"]]}
