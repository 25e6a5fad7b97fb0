"""App clients of one user pool."""

# ruff: noqa: N803, ARG002 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.unit.operator.fake_aws.answers import POOL, Numbered, refused


class FakeCognito(Numbered):
    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[str, dict[str, Any]] = {}
        self.styles: dict[str, dict[str, Any]] = {}
        """Managed login branding by client."""

    def _list_user_pool_clients(self, UserPoolId: str) -> dict[str, Any]:
        assert UserPoolId == POOL
        return {"UserPoolClients": [{"ClientId": key, **item} for key, item in self.clients.items()]}

    def _client(self, client_id: str) -> dict[str, Any]:
        if client_id not in self.clients:
            raise refused("ResourceNotFoundException")
        return self.clients[client_id]

    def _describe_user_pool_client(self, UserPoolId: str, ClientId: str) -> dict[str, Any]:
        return {"UserPoolClient": self._client(ClientId)}

    def _create_user_pool_client(self, UserPoolId: str, GenerateSecret: bool, **settings: Any) -> None:
        assert not GenerateSecret
        number = next(self._ids)
        self.clients[f"client{number}"] = {"CreationDate": datetime.fromtimestamp(number, UTC), **settings}

    def _update_user_pool_client(self, UserPoolId: str, ClientId: str, **settings: Any) -> None:
        # As on AWS: what a request leaves out is reset.
        self.clients[ClientId] = {"CreationDate": self._client(ClientId)["CreationDate"], **settings}

    def _delete_user_pool_client(self, UserPoolId: str, ClientId: str) -> None:
        self._client(ClientId)
        del self.clients[ClientId]
        self.styles.pop(ClientId, None)

    def _describe_managed_login_branding_by_client(self, UserPoolId: str, ClientId: str) -> dict[str, Any]:
        self._client(ClientId)
        if ClientId not in self.styles:
            raise refused("ResourceNotFoundException")
        return {"ManagedLoginBranding": self.styles[ClientId]}

    def _create_managed_login_branding(self, UserPoolId: str, ClientId: str, **look: Any) -> None:
        self._client(ClientId)
        if ClientId in self.styles:
            raise refused("ManagedLoginBrandingExistsException")
        self.styles[ClientId] = {"ManagedLoginBrandingId": f"style{next(self._ids)}"}
        self._style(self.styles[ClientId], **look)

    def _update_managed_login_branding(self, UserPoolId: str, ManagedLoginBrandingId: str, **look: Any) -> None:
        found = [item for item in self.styles.values() if item["ManagedLoginBrandingId"] == ManagedLoginBrandingId]
        if not found:
            raise refused("ResourceNotFoundException")
        self._style(found[0], **look)

    @staticmethod
    def _style(
        style: dict[str, Any], UseCognitoProvidedValues: bool = False, Settings: dict[str, Any] | None = None
    ) -> None:
        if UseCognitoProvidedValues == (Settings is not None):
            raise refused("InvalidParameterException")
        # As on AWS: settings that a request leaves out are kept; Cognito's own look drops all.
        kept = {} if UseCognitoProvidedValues else style.get("Settings", {})
        style |= {"UseCognitoProvidedValues": UseCognitoProvidedValues, "Settings": kept | (Settings or {})}
