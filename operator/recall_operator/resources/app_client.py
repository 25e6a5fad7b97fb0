"""The instance's app client in the shared Cognito user pool.

Cognito makes the ids and lets two clients have one name, so a client is found by its name, which holds the
instance's uid: a crash after "create" finds its own work, and a successor of the same name knows what it adopts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_api import contract
from recall_operator.aws.account_lists import AccountList, find
from recall_operator.errors import is_not_found
from recall_operator.models.spec import Adoption, DeletionPolicy
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import derived_name
from recall_operator.requests.asking import NotReadError
from recall_operator.resources.plan import Action, Assessment, AwsCall, Change, PartState, appearing, differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.resources.part import Clients, Subject

CLIENT_ID: Final = "signIn.clientId"
"""Output: the id that access tokens are made for."""

_NAME_LIMIT: Final = 128
_UID_CHARACTERS: Final = 36
_UNORDERED: Final = frozenset(
    {
        "CallbackURLs",
        "LogoutURLs",
        "AllowedOAuthScopes",
        "AllowedOAuthFlows",
        "ExplicitAuthFlows",
        "SupportedIdentityProviders",
    }
)
"""Lists whose order Cognito does not keep."""


def _words(client: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the word under which a client is looked up: what `client_prefix` says of its instance."""
    name: str = client["ClientName"]
    return (name[: name.index("@") + 1],) if "@" in name else ()


CLIENTS: Final = AccountList("cognito-idp", "list_user_pool_clients", "UserPoolClients", _words, 60)
"""All clients of a pool that bear names of Recall's kind."""


@dataclass(frozen=True)
class ObservedClient:
    """One app client as Cognito describes it."""

    client_id: str
    name: str
    created: float
    settings: Mapping[str, Any] | None
    """None where they were not read and are taken to be as they were left."""
    has_secret: bool = False


@dataclass(frozen=True)
class ObservedClients:
    """The clients that bear the instance's name, oldest first."""

    own: tuple[ObservedClient, ...]
    namesakes: tuple[ObservedClient, ...]
    """Those of former instances of the same name."""


def client_prefix(subject: Subject) -> str:
    """Return what the names of all clients of this instance and its namesakes begin with."""
    owner = subject.owner
    limit = _NAME_LIMIT - _UID_CHARACTERS - 1
    return derived_name("recall", owner.cluster, owner.namespace, owner.name, limit=limit) + "@"


def client_name(subject: Subject) -> str:
    """Return the name of the instance's client."""
    return client_prefix(subject) + subject.owner.uid


def wanted_settings(subject: Subject) -> dict[str, Any]:
    """Return all settings of the client: a public one, code flow with PKCE, no secret.

    All, because AWS's UpdateUserPoolClient resets every field that a request leaves out.
    """
    spec, web = subject.instance.spec.sign_in, subject.platform.web
    origin = web.origin(subject.instance.spec.hostname)
    return {
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthScopes": sorted(contract.SIGN_IN_SCOPES),
        "CallbackURLs": sorted({f"{origin}/callback", *spec.callback_urls}),
        "LogoutURLs": sorted({f"{origin}/", *spec.logout_urls}),
        "SupportedIdentityProviders": sorted(spec.identity_providers),
        "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
        "AccessTokenValidity": spec.access_token_minutes,
        "IdTokenValidity": spec.id_token_minutes,
        "RefreshTokenValidity": spec.refresh_token_days,
        "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
        "EnableTokenRevocation": spec.token_revocation,
        "PreventUserExistenceErrors": "ENABLED" if spec.prevent_user_existence_errors else "LEGACY",
    }


class AppClient:
    """Keeps exactly one client for the instance."""

    name = "signIn"
    condition = "IdentityReady"
    deleted_after = ("workload", "dns")

    async def observe(self, subject: Subject, clients: Clients) -> ObservedClients:
        """Find the clients by name and read their settings."""
        pool = subject.platform.identity.user_pool_id
        prefix = client_prefix(subject)
        listed = await find(clients.aws, CLIENTS, (prefix,), UserPoolId=pool)
        described = await asyncio.gather(*(_describe(clients, pool, item) for item in listed))
        found = sorted((item for item in described if item), key=lambda item: (item.created, item.client_id))
        own = client_name(subject)
        return ObservedClients(
            own=tuple(item for item in found if item.name == own),
            namesakes=tuple(item for item in found if item.name != own),
        )

    def outputs(self, subject: Subject, observed: ObservedClients) -> Mapping[str, str]:
        """Tell the id as soon as the client is there."""
        del subject
        return {CLIENT_ID: observed.own[0].client_id} if observed.own else {}

    def plan(self, subject: Subject, observed: ObservedClients, outputs: Mapping[str, str]) -> Assessment:
        """Create, adopt or mend the client; of two with the same name the oldest is kept."""
        del outputs
        name, wanted = client_name(subject), wanted_settings(subject)
        pool = subject.platform.identity.user_pool_id
        if not observed.own:
            return self._first(subject, observed, name, wanted)
        kept, *doubles = observed.own
        resources = (ResourceStatus(kind="UserPoolClient", name=name, id=kept.client_id, state="ACTIVE"),)
        if kept.has_secret:
            message = (
                f"App client {name} ({kept.client_id}) was given a secret, which browsers can't keep: nobody can sign "
                "in. Delete its secrets (cognito-idp delete-user-pool-client-secret); or delete the client, and a new "
                "one is made, to which everybody signs in again."
            )
            return Assessment(PartState.BROKEN, "HasSecret", message, resources=resources, terminal=True)
        changes = [self._removal(pool, double) for double in doubles]
        changed = differences(wanted, kept.settings) if kept.settings is not None else ()
        if changed:
            call = AwsCall(
                "cognito-idp",
                "update_user_pool_client",
                {"UserPoolId": pool, "ClientId": kept.client_id, "ClientName": name, **wanted},
            )
            changes.append(Change(self.name, Action.UPDATE, "UserPoolClient", name, (call,), changed))
        if changes:
            message = f"App client {name} is being mended."
            return Assessment(PartState.PROGRESSING, "Updating", message, tuple(changes), resources)
        return Assessment(PartState.READY, "Available", "The app client is as it should be.", resources=resources)

    def _first(self, subject: Subject, observed: ObservedClients, name: str, wanted: Mapping[str, Any]) -> Assessment:
        pool = subject.platform.identity.user_pool_id
        if observed.namesakes and subject.instance.spec.adoption is Adoption.ADOPT:
            old = observed.namesakes[0]
            call = AwsCall(
                "cognito-idp",
                "update_user_pool_client",
                {"UserPoolId": pool, "ClientId": old.client_id, "ClientName": name, **wanted},
            )
            changed = differences({"ClientName": name, **wanted}, {"ClientName": old.name, **(old.settings or {})})
            change = Change(self.name, Action.ADOPT, "UserPoolClient", name, (call,), changed)
            return Assessment(PartState.PROGRESSING, "Adopting", f"App client {old.name} is taken over.", (change,))
        call = AwsCall(
            "cognito-idp",
            "create_user_pool_client",
            {"UserPoolId": pool, "ClientName": name, "GenerateSecret": False, **wanted},
        )
        change = Change(self.name, Action.CREATE, "UserPoolClient", name, (call,), appearing(wanted))
        return Assessment(PartState.PROGRESSING, "Creating", f"App client {name} is being created.", (change,))

    def delete(self, subject: Subject, observed: ObservedClients) -> tuple[Change, ...] | None:
        """Delete the instance's own client, or keep it, as the policy says."""
        if subject.instance.spec.deletion_policy.sign_in is DeletionPolicy.RETAIN:
            return ()
        return tuple(self._removal(subject.platform.identity.user_pool_id, item) for item in observed.own)

    def _removal(self, pool: str, found: ObservedClient) -> Change:
        call = AwsCall("cognito-idp", "delete_user_pool_client", {"UserPoolId": pool, "ClientId": found.client_id})
        return Change(self.name, Action.DELETE, "UserPoolClient", found.name, (call,), destructive=True)


async def _describe(clients: Clients, pool: str, listed: Mapping[str, Any]) -> ObservedClient | None:
    client_id = listed["ClientId"]
    try:
        answer = await clients.aws.call("cognito-idp", "describe_user_pool_client", UserPoolId=pool, ClientId=client_id)
    except NotReadError:
        return ObservedClient(client_id, listed["ClientName"], 0.0, None)
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    found = answer["UserPoolClient"]
    # The secret itself goes no further: settings are shown in plans.
    settings = {
        key: sorted(value) if key in _UNORDERED else value for key, value in found.items() if key != "ClientSecret"
    }
    created = found["CreationDate"].timestamp()
    return ObservedClient(client_id, found["ClientName"], created, settings, bool(found.get("ClientSecret")))
