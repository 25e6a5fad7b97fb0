"""What other people's hands do to an instance's things, behind the operator's back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from recall_operator.models.base import KIND
from recall_operator.ownership import RELEASED_TAG, UID_TAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_operator.kubernetes.client import ObjectKey
    from tests.unit.operator.fakes import World

THEIR_GUARDRAIL = "gr0"
"""One that a spec may name by id: others change it as they like."""
DRIFTS = (
    "lose a table", "untag a table", "switch recovery off", "lose expiry", "lose the client", "edit the client",
    "double the client", "lose the role", "empty the role", "lose the association", "point elsewhere", "lose a record",
    "lose an owner record", "lose an object", "edit an object", "lose the status", "lose the finalizer",
    "lose the guardrail", "edit the guardrail", "untag the guardrail", "lose its versions", "edit the look",
    "lose the certificate", "release the certificate", "edit the proof",
)  # fmt: skip


def drift(world: World, key: ObjectKey, what: str, choose: Callable[[list[Any]], Any]) -> None:
    """Do one such thing, if there is something to do it to."""
    aws, objects = world.aws, world.kubernetes.objects
    live = objects.get(key)

    def any_of(things: Any) -> Any:
        return choose(sorted(things, key=str)) if things else None

    table, client, role = any_of(aws.tables), any_of(aws.clients), any_of(aws.roles)
    address = any_of([place for place in aws.records if place[1] == "A"])
    mark = any_of([place for place in aws.records if place[1] == "TXT"])
    proof = any_of([place for place in aws.records if place[1] == "CNAME"])
    certificate = any_of(aws.certificates)
    child = any_of([place for place in objects if place.kind != KIND])
    guardrail = any_of([name for name in aws.guardrails if name != THEIR_GUARDRAIL])
    style = any_of(aws.styles)
    match what:
        case "lose a table" if table:
            del aws.tables[table]
        case "untag a table" if table:
            aws.tables[table]["tags"].pop(UID_TAG, None)
        case "switch recovery off" if table and aws.tables[table]["TableStatus"] == "ACTIVE":
            aws.tables[table]["recovery"] = False
        case "lose expiry" if table:
            aws.tables[table]["expiry"] = None
        case "lose the client" if client:
            del aws.clients[client]
        case "edit the client" if client:
            aws.clients[client]["CallbackURLs"] = ["https://evil.example"]
        case "double the client" if client:
            double = copy.deepcopy(aws.clients[client])
            aws.clients["double"] = double | {"CreationDate": double["CreationDate"].replace(year=2030)}
        case "lose the role" if role:
            del aws.roles[role]
        case "empty the role" if role:
            aws.roles[role]["policies"].clear()
        case "lose the association":
            aws.associations.clear()
        case "point elsewhere" if address:
            aws.records[address].get("AliasTarget", {})["DNSName"] = "evil.example."
        case "lose a record" if address:
            del aws.records[address]
        case "lose an owner record" if mark:
            del aws.records[mark]
        case "lose the guardrail" if guardrail:
            del aws.guardrails[guardrail]
        case "edit the guardrail" if guardrail:
            aws.guardrails[guardrail]["settings"]["wordPolicy"] = {"words": []}
        case "untag the guardrail" if guardrail:
            aws.guardrails[guardrail]["tags"].pop(UID_TAG, None)
        case "lose its versions" if guardrail:
            aws.guardrails[guardrail]["versions"].clear()
        case "edit the look" if style:
            aws.styles[style] |= {"UseCognitoProvidedValues": False, "Settings": {"theirs": 1}}
        case "lose the certificate" if certificate:
            del aws.certificates[certificate]
        case "release the certificate" if certificate:
            aws.certificates[certificate]["tags"][RELEASED_TAG] = "2026-01-01T00:00:00Z"
        case "edit the proof" if proof:
            aws.records[proof]["ResourceRecords"] = [{"Value": "evil.example."}]
        case "lose an object" if child:
            del objects[child]
        case "edit an object" if child:
            objects[child]["metadata"]["labels"] = {}
        case "lose the status" if live:
            live.pop("status", None)
        case "lose the finalizer" if live and "deletionTimestamp" not in live["metadata"]:
            live["metadata"]["finalizers"] = []
