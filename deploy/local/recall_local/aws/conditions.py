"""What the emulated AWS can't evaluate of a policy: left in, it would refuse for ever what AWS allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEVER_THERE: Final = ("iam:PermissionsBoundary", "acm:ValidationMethod")
"""Condition keys that ministack finds in no request."""
_NEVER_THERE_FOR: Final = {"acm": "aws:ResourceTag/"}
"""By the prefix of a service's actions, the beginning of keys that ministack finds in no request to it."""


def _is_known(key: str, actions: list[str]) -> bool:
    services = {action.split(":")[0] for action in actions}
    return key not in _NEVER_THERE and not any(
        key.startswith(_NEVER_THERE_FOR[service]) for service in services & _NEVER_THERE_FOR.keys()
    )


def evaluable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an IAM policy without the conditions that the emulated AWS can't evaluate."""

    def known(statement: Mapping[str, Any]) -> dict[str, Any]:
        condition = {
            operator: kept
            for operator, keys in statement.get("Condition", {}).items()
            if (kept := {key: value for key, value in keys.items() if _is_known(key, statement["Action"])})
        }
        rest = {name: value for name, value in statement.items() if name != "Condition"}
        return rest | ({"Condition": condition} if condition else {})

    return {**document, "Statement": [known(statement) for statement in document["Statement"]]}
