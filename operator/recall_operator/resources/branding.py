"""The look of the sign-in pages for the instance's client: Cognito's managed login branding, when the spec asks for it.

A style belongs to an app client and goes with it, so there is nothing to delete here and nobody else's to adopt.
Images are not managed: they would make a manifest larger than Kubernetes takes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recall_operator.aws.account_lists import find
from recall_operator.errors import is_not_found
from recall_operator.models.status import ResourceStatus
from recall_operator.resources.app_client import CLIENT_ID, CLIENTS, client_name, client_prefix
from recall_operator.resources.plan import (
    NOT_ASKED,
    Action,
    Assessment,
    AwsCall,
    Change,
    Difference,
    PartState,
    appearing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recall_operator.resources.part import Clients, Subject


@dataclass(frozen=True)
class ObservedStyle:
    """One client's style as Cognito describes it."""

    id: str
    cognito_provided: bool
    settings: Mapping[str, Any]


ObservedStyles = dict[str, ObservedStyle | None]
"""By the id of each client that bears the instance's name."""


class Branding:
    """Keeps the client's style as the spec says, and does not look at it when the spec says nothing."""

    name = "branding"
    condition = "BrandingReady"
    deleted_after = ()

    async def observe(self, subject: Subject, clients: Clients) -> ObservedStyles:
        """Read the styles of the instance's clients; there is one client, but for a moment after a crash."""
        if subject.instance.spec.sign_in.branding is None:
            return {}
        pool, name = subject.platform.identity.user_pool_id, client_name(subject)
        listed = await find(clients.aws, CLIENTS, (client_prefix(subject),), UserPoolId=pool)
        ids = [item["ClientId"] for item in listed if item["ClientName"] == name]
        styles = await asyncio.gather(*(_describe(clients, pool, client_id) for client_id in ids))
        return dict(zip(ids, styles, strict=True))

    def outputs(self, subject: Subject, observed: ObservedStyles) -> Mapping[str, str]:
        """Nobody needs to know of it."""
        del subject, observed
        return {}

    def plan(self, subject: Subject, observed: ObservedStyles, outputs: Mapping[str, str]) -> Assessment:
        """Make or mend the style of the client that is in use."""
        if subject.instance.spec.sign_in.branding is None:
            return NOT_ASKED
        client_id = outputs.get(CLIENT_ID)
        wanted = _wanted(subject)
        if client_id is None:
            change = self._creation(subject, None, wanted)
            message = "Waits for signIn."
            return Assessment(PartState.PROGRESSING, "Waiting", message, (change,), waits_for_others=True)
        style = observed.get(client_id)
        if style is None:
            change = self._creation(subject, client_id, wanted)
            return Assessment(PartState.PROGRESSING, "Creating", "The sign-in pages get their look.", (change,))
        resources = (
            ResourceStatus(kind="ManagedLoginBranding", name=client_name(subject), id=style.id, state="ACTIVE"),
        )
        found = {"UseCognitoProvidedValues": style.cognito_provided, "Settings": style.settings}
        changed = tuple(_differences(wanted, found))
        if not changed:
            return Assessment(
                PartState.READY, "Available", "The sign-in pages look as the spec asks.", resources=resources
            )
        pool = subject.platform.identity.user_pool_id
        where = {"UserPoolId": pool, "ManagedLoginBrandingId": style.id}
        call = AwsCall("cognito-idp", "update_managed_login_branding", {**where, **_parameters(wanted)})
        change = Change(self.name, Action.UPDATE, "ManagedLoginBranding", client_name(subject), (call,), changed)
        message = "The look of the sign-in pages is being changed."
        return Assessment(PartState.PROGRESSING, "Updating", message, (change,), resources)

    def _creation(self, subject: Subject, client_id: str | None, wanted: Mapping[str, Any]) -> Change:
        where = {"UserPoolId": subject.platform.identity.user_pool_id, "ClientId": client_id}
        call = AwsCall("cognito-idp", "create_managed_login_branding", {**where, **_parameters(wanted)})
        name, waits_for = client_name(subject), None if client_id else "signIn"
        fields = appearing(wanted)
        return Change(self.name, Action.CREATE, "ManagedLoginBranding", name, (call,), fields, waits_for=waits_for)

    def delete(self, subject: Subject, observed: ObservedStyles) -> tuple[Change, ...] | None:
        """Nothing: the style goes or stays with its client."""
        del subject, observed
        return ()


def _wanted(subject: Subject) -> dict[str, Any]:
    spec = subject.instance.spec.sign_in.branding
    settings = spec.settings if spec else None
    return {"UseCognitoProvidedValues": settings is None} | ({} if settings is None else {"Settings": settings})


def _parameters(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's parameters: Cognito takes one of the two, not both."""
    return {"Settings": wanted["Settings"]} if "Settings" in wanted else {"UseCognitoProvidedValues": True}


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[Difference]:
    """Yield the settings that are not as wanted; Cognito keeps settings that a request leaves out, and so do we."""
    for key, value in wanted.items():
        there = found.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            yield from _differences(value, there, f"{path}{key}.")
        elif there != value:
            yield Difference(f"{path}{key}", there, value)


async def _describe(clients: Clients, pool: str, client_id: str) -> ObservedStyle | None:
    try:
        answer = await clients.aws.call(
            "cognito-idp", "describe_managed_login_branding_by_client", UserPoolId=pool, ClientId=client_id
        )
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    found = answer["ManagedLoginBranding"]
    return ObservedStyle(
        found["ManagedLoginBrandingId"], bool(found.get("UseCognitoProvidedValues")), found.get("Settings") or {}
    )
