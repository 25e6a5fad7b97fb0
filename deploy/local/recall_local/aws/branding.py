"""Gives ministack's user pools managed login branding: styles are kept and told, but pages don't change.

Source of the rules: Cognito's API reference (CreateManagedLoginBranding, UpdateManagedLoginBranding,
DescribeManagedLoginBrandingByClient).
"""

from __future__ import annotations

import uuid
from typing import Any, Final

_STYLE: Final = "_ManagedLoginBranding"
"""Where a client keeps its style: it is saved with the client, and goes with it."""

_OPERATIONS: Final = frozenset(
    {"CreateManagedLoginBranding", "UpdateManagedLoginBranding", "DescribeManagedLoginBrandingByClient"}
)


def _restyled(style: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return the style after a request; None when the request asks for both looks or for neither.

    Settings that a request leaves out are kept; Cognito's own look drops all of them.
    """
    provided = bool(asked.get("UseCognitoProvidedValues"))
    if provided == ("Settings" in asked):
        return None
    kept = {} if provided else {**style.get("Settings", {}), **asked["Settings"]}
    return {**style, "UseCognitoProvidedValues": provided, "Settings": kept}


def install() -> None:
    """Add the operations to ministack's Cognito."""
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import cognito

    others = cognito._dispatch_idp

    def answer(action: str, asked: dict[str, Any]) -> Any:
        pool, problem = cognito._resolve_pool(asked.get("UserPoolId"))
        if problem:
            return problem
        clients = list(pool["_clients"].values())
        if action == "UpdateManagedLoginBranding":
            wanted = asked.get("ManagedLoginBrandingId")
            client = next(
                (item for item in clients if item.get(_STYLE, {}).get("ManagedLoginBrandingId") == wanted), None
            )
        else:
            client = pool["_clients"].get(asked.get("ClientId"))
        if client is None or (action.startswith("Describe") and _STYLE not in client):
            return error_response_json("ResourceNotFoundException", "There is no such style or client.", 400)
        if action.startswith("Create") and _STYLE in client:
            return error_response_json("ManagedLoginBrandingExistsException", "The client has a style.", 400)
        if not action.startswith("Describe"):
            new = {"ManagedLoginBrandingId": str(uuid.uuid4()), "UserPoolId": asked["UserPoolId"]}
            style = _restyled(client.get(_STYLE, new), asked)
            if style is None:
                return error_response_json(
                    "InvalidParameterException", "Give either UseCognitoProvidedValues or Settings.", 400
                )
            client[_STYLE] = style
        return json_response({"ManagedLoginBranding": client[_STYLE]})

    async def dispatch(action: str, asked: dict[str, Any]) -> Any:
        return answer(action, asked) if action in _OPERATIONS else await others(action, asked)

    cognito._dispatch_idp = dispatch
