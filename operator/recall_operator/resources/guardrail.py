"""The Bedrock guardrail of an instance: made from the spec's policy, or one that exists already and is only looked at.

Bedrock makes the ids, so a guardrail of ours is found by its name in the account's list. Its working draft follows
the policy; the API gets a numbered version, which nobody can edit. A version tells in its description the digest of
the definition that it was made from: after a crash, and when a policy comes back, it is found by that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.aws.account_lists import AccountList, find
from recall_operator.errors import is_not_found
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import RELEASED_TAG, Owner, Standing, digested_name, refusal, standing
from recall_operator.resources import guardrail_definition
from recall_operator.resources.plan import (
    NOT_ASKED,
    Action,
    Assessment,
    AwsCall,
    Change,
    Difference,
    PartState,
    appearing,
    differences,
    progressing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.models.guardrail_spec import GuardrailPolicy
    from recall_operator.resources.guardrail_definition import Definition
    from recall_operator.resources.part import Clients, Subject

GUARDRAIL_ID: Final = "models.guardrailId"
"""Output: id of the instance's guardrail, as soon as there is one."""
GUARDRAIL_VERSION: Final = "models.guardrailVersion"
"""Output: its version, once that holds what the spec asks for and can be used."""
GUARDRAIL_VERSION_IN_USE: Final = "workload.guardrailVersion"
"""Output of the workload: the version that all of its pods use; absent while they roll."""

GUARDRAILS: Final = AccountList(
    "bedrock", "list_guardrails", "guardrails", lambda item: (item["name"], item["id"]), 1000
)
"""All guardrails of the account, by name and by id."""

DRAFT: Final = "DRAFT"
_READY: Final = "READY"
_FAILED: Final = "FAILED"

_NAME_LIMIT: Final = 50
"""Source: Bedrock's service model, GuardrailName."""
_MOST_VERSIONS: Final = 20
"""Source: AWS General Reference, Amazon Bedrock endpoints and quotas: versions per guardrail."""
VERSIONS_KEPT: Final = 10
"""How many versions stay, for policies that come back; the rest of the quota is for changes while pods roll."""
_DEFINITION: Final = "definition "
"""What stands before the digest in descriptions."""


@dataclass(frozen=True)
class ObservedVersion:
    """One version of a guardrail as the list of its versions shows it; the working draft is one of them."""

    version: str
    state: str
    description: str


@dataclass(frozen=True)
class ObservedGuardrail:
    """The instance's own guardrail as Bedrock describes it."""

    id: str
    arn: str
    state: str
    description: str
    definition: Definition
    reasons: tuple[str, ...]
    """Why it failed, and what AWS recommends."""
    tags: Mapping[str, str]
    versions: tuple[ObservedVersion, ...]
    """Numbered ones only, oldest first."""

    @property
    def owner(self) -> Owner | None:
        """The instance whose tags it bears."""
        return Owner.from_tags(self.tags)


@dataclass(frozen=True)
class ObservedGuardrails:
    """What there is: under the instance's name, and under the id that the spec names."""

    own: ObservedGuardrail | None = None
    named: tuple[ObservedVersion, ...] = ()
    """All versions of the guardrail that the spec names by id, its draft among them; none: there is no such thing."""


def guardrail_name(subject: Subject) -> str:
    """Return the name of the guardrail that is made for the instance."""
    owner = subject.owner
    return digested_name("recall", owner.cluster, owner.namespace, owner.name, limit=_NAME_LIMIT)


def guardrail_id(subject: Subject, outputs: Mapping[str, str]) -> str | None:
    """Return the id of the guardrail that the spec asks for, as far as it is known."""
    spec = subject.instance.spec.models.guardrail
    return None if spec is None else spec.id or outputs.get(GUARDRAIL_ID)


def _marked(definition: Definition) -> str:
    return _DEFINITION + guardrail_definition.digest(definition)


async def _observe_versions(clients: Clients, identifier: str) -> tuple[ObservedVersion, ...]:
    """Return the draft and all numbered versions, oldest first; there are never more than a page of them."""
    answer = await clients.aws.call("bedrock", "list_guardrails", guardrailIdentifier=identifier, maxResults=1000)
    found = [
        ObservedVersion(item["version"], item["status"], item.get("description", "")) for item in answer["guardrails"]
    ]
    return tuple(sorted(found, key=lambda item: 0 if item.version == DRAFT else int(item.version)))


async def _observe_own(clients: Clients, identifier: str, arn: str) -> ObservedGuardrail | None:
    try:
        draft, tags, versions = await asyncio.gather(
            clients.aws.call("bedrock", "get_guardrail", guardrailIdentifier=identifier),
            clients.aws.call("bedrock", "list_tags_for_resource", resourceARN=arn),
            _observe_versions(clients, identifier),
        )
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    return ObservedGuardrail(
        id=identifier,
        arn=arn,
        state=draft["status"],
        description=draft.get("description", ""),
        definition=guardrail_definition.found(draft),
        reasons=(*draft.get("statusReasons", ()), *draft.get("failureRecommendations", ())),
        tags={tag["key"]: tag["value"] for tag in tags.get("tags", ())},
        versions=tuple(item for item in versions if item.version != DRAFT),
    )


class Guardrail:
    """Keeps the guardrail, its versions, and what the API is told of them."""

    name = "guardrail"
    condition = "GuardrailReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedGuardrails:
        """Look for both; an instance that asks for no guardrail makes no request at all."""
        spec = subject.instance.spec.models.guardrail
        if spec is None:
            return ObservedGuardrails()
        name = guardrail_name(subject)
        listed = await find(clients.aws, GUARDRAILS, (name, *([spec.id] if spec.id else [])))
        mine = next((item for item in listed if item["name"] == name), None)
        named: tuple[ObservedVersion, ...] = ()
        if spec.id and any(item["id"] == spec.id for item in listed):
            named = await _observe_versions(clients, spec.id)
        own = await _observe_own(clients, mine["id"], mine["arn"]) if mine else None
        return ObservedGuardrails(own, named)

    def outputs(self, subject: Subject, observed: ObservedGuardrails) -> Mapping[str, str]:
        """Tell the id of what there is, and the version once the API can use it."""
        spec, own = subject.instance.spec.models.guardrail, observed.own
        if spec is None:
            return {}
        if spec.policy is None:
            chosen = _chosen(observed.named, spec.version)
            return {GUARDRAIL_VERSION: chosen.version} if chosen and chosen.state == _READY else {}
        if own is None or own.owner is None or own.owner.uid != subject.owner.uid:
            return {}
        version = _version_of(own, guardrail_definition.wanted(spec.policy))
        ready = version is not None and version.state == _READY
        return {GUARDRAIL_ID: own.id} | ({GUARDRAIL_VERSION: version.version} if version and ready else {})

    def plan(self, subject: Subject, observed: ObservedGuardrails, outputs: Mapping[str, str]) -> Assessment:
        """Create, adopt or mend the guardrail and make the version that the spec asks for; look at another's only."""
        spec = subject.instance.spec.models.guardrail
        if spec is None:
            return NOT_ASKED
        if spec.policy is None:
            return _look(str(spec.id), spec.version, observed.named, subject.platform.aws.bedrock_region)
        own, name = observed.own, guardrail_name(subject)
        if own is None:
            message = f"Guardrail {name} is being created."
            return Assessment(PartState.PROGRESSING, "Creating", message, (self._creation(subject, spec.policy),))
        definition = guardrail_definition.wanted(spec.policy)
        resources = _resources(name, own, _version_of(own, definition))
        rights = standing(own.owner, subject.owner, subject.instance.spec.adoption, released=RELEASED_TAG in own.tags)
        if rights is Standing.REFUSED:
            message = refusal(f"Guardrail {name} ({own.id})", own.owner, "delete it or give it another name")
            return Assessment(PartState.BROKEN, "NotOwned", message, resources=resources, terminal=True)
        failure = _failure(name, own, definition)
        if failure:
            return Assessment(PartState.BROKEN, "GuardrailFailed", failure, resources=resources, terminal=True)
        if own.state not in (_READY, _FAILED):
            return progressing("Waiting", f"Guardrail {name} is {own.state}.", resources)
        changes = self._changes(subject, own, definition, rights, outputs)
        if changes:
            message = " ".join((f"Guardrail {name} is being changed.", *own.reasons))
            return Assessment(PartState.PROGRESSING, "Updating", message, changes, resources)
        version = _version_of(own, definition)
        if version is None or version.state != _READY:
            return progressing("Waiting", f"A version of guardrail {name} is being made.", resources)
        message = f"Version {version.version} of the guardrail holds what the spec asks for."
        return Assessment(PartState.READY, "Available", message, resources=resources)

    def _creation(self, subject: Subject, policy: GuardrailPolicy) -> Change:
        name, definition = guardrail_name(subject), guardrail_definition.wanted(policy)
        parameters = {"name": name, **_settings(definition), "tags": _tag_list(subject.owner.tags())}
        call = AwsCall("bedrock", "create_guardrail", parameters)
        fields = appearing({key: value for key, value in definition.items() if value})
        return Change(self.name, Action.CREATE, "Guardrail", name, (call,), fields)

    def _changes(
        self,
        subject: Subject,
        own: ObservedGuardrail,
        definition: Definition,
        rights: Standing,
        outputs: Mapping[str, str],
    ) -> tuple[Change, ...]:
        name, tags = guardrail_name(subject), subject.owner.tags()
        changes: list[Change] = []
        waits_for = None
        wrong_tags = differences(tags, own.tags)
        if wrong_tags or RELEASED_TAG in own.tags:
            steps = [AwsCall("bedrock", "tag_resource", {"resourceARN": own.arn, "tags": _tag_list(tags)})]
            if RELEASED_TAG in own.tags:
                forget = {"resourceARN": own.arn, "tagKeys": [RELEASED_TAG]}
                steps.append(AwsCall("bedrock", "untag_resource", forget))
            action = Action.ADOPT if rights is Standing.ADOPT else Action.UPDATE
            changes.append(Change(self.name, action, "Guardrail", name, tuple(steps), wrong_tags))
            # The operator's rights go by these tags.
            waits_for = "its tags"
        wrong = differences(definition, own.definition)
        if wrong or own.description != _marked(definition):
            marked = Difference("description", own.description, _marked(definition))
            call = AwsCall(
                "bedrock", "update_guardrail", {"guardrailIdentifier": own.id, "name": name, **_settings(definition)}
            )
            steps_of = (call,)
            changes.append(
                Change(self.name, Action.UPDATE, "Guardrail", name, steps_of, wrong or (marked,), waits_for=waits_for)
            )
            waits_for = "its draft"
        version = _version_of(own, definition)
        if version is None:
            call = AwsCall(
                "bedrock",
                "create_guardrail_version",
                {"guardrailIdentifier": own.id, "description": _marked(definition)},
            )
            fields = appearing({"description": _marked(definition)})
            changes.append(
                Change(self.name, Action.CREATE, "GuardrailVersion", name, (call,), fields, waits_for=waits_for)
            )
        elif outputs.get(GUARDRAIL_VERSION_IN_USE) == version.version:
            changes += [self._pruning(name, own.id, item) for item in _superfluous(own, version)]
        return tuple(changes)

    def _pruning(self, name: str, identifier: str, found: ObservedVersion) -> Change:
        where = {"guardrailIdentifier": identifier, "guardrailVersion": found.version}
        call = AwsCall("bedrock", "delete_guardrail", where)
        return Change(self.name, Action.DELETE, "GuardrailVersion", f"{name}:{found.version}", (call,))

    def delete(self, subject: Subject, observed: ObservedGuardrails) -> tuple[Change, ...] | None:
        """Delete or release the guardrail that was made for the instance, as the policy says."""
        own, name = observed.own, guardrail_name(subject)
        if own is None or own.owner is None or own.owner.uid != subject.owner.uid:
            return ()
        if own.state == "DELETING":
            return None
        if subject.instance.spec.deletion_policy.guardrail is DeletionPolicy.DELETE:
            call = AwsCall("bedrock", "delete_guardrail", {"guardrailIdentifier": own.id})
            return (Change(self.name, Action.DELETE, "Guardrail", name, (call,)),)
        if RELEASED_TAG in own.tags:
            return ()
        when = subject.instance.metadata.deletion_timestamp or ""
        mark = AwsCall("bedrock", "tag_resource", {"resourceARN": own.arn, "tags": _tag_list({RELEASED_TAG: when})})
        released = (Difference(RELEASED_TAG, None, when),)
        return (Change(self.name, Action.RELEASE, "Guardrail", name, (mark,), released),)


def _settings(definition: Definition) -> dict[str, Any]:
    return {"description": _marked(definition), **guardrail_definition.request(definition)}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _chosen(versions: tuple[ObservedVersion, ...], version: str | None) -> ObservedVersion | None:
    return next((item for item in versions if item.version == version), None)


def _version_of(own: ObservedGuardrail, definition: Definition) -> ObservedVersion | None:
    """Return the oldest version that was made from `definition`, one that works before one that does not."""
    made = [item for item in own.versions if item.description == _marked(definition)]
    return next((item for item in made if item.state == _READY), made[-1] if made else None)


def _superfluous(own: ObservedGuardrail, kept: ObservedVersion) -> list[ObservedVersion]:
    """Return the oldest versions beyond those that are kept, and doubles, but never the one in use.

    Doubles come of two operators that worked at a time, or of a read that was older than the version. Versions that
    people made by hand stay.
    """
    made = [item for item in own.versions if item.description.startswith(_DEFINITION)]
    firsts = {item.description: item for item in reversed(made)}
    beyond = made[: max(len(made) - VERSIONS_KEPT, 0)]
    return [item for item in made if item != kept and (item in beyond or item != firsts[item.description])]


def _failure(name: str, own: ObservedGuardrail, definition: Definition) -> str | None:
    """Return why nothing can be done with what AWS made of this very definition; None when something can."""
    remedy = "Correct spec.models.guardrail.policy; or delete it, and it is made again"
    said = " ".join((*own.reasons, f"{remedy}."))
    if own.state == _FAILED and own.description == _marked(definition) and own.definition == definition:
        return f"Guardrail {name} ({own.id}) is FAILED: {said}"
    version = _version_of(own, definition)
    if version and version.state == _FAILED:
        return f"Version {version.version} of guardrail {name} ({own.id}) is FAILED: {said}"
    if version is None and len(own.versions) >= _MOST_VERSIONS:
        return (
            f"Guardrail {name} ({own.id}) has {len(own.versions)} versions, as many as AWS allows, and pods may still "
            f"use them. Delete versions that nobody uses, or mend the rollout of the pods, after which they are pruned."
        )
    return None


def _look(identifier: str, version: str | None, found: tuple[ObservedVersion, ...], region: str) -> Assessment:
    """Say how a guardrail is that the spec names by id and nobody changes here."""
    if not found:
        message = (
            f"Guardrail {identifier} does not exist in this account in {region}. Correct spec.models.guardrail.id, or "
            "write spec.models.guardrail.policy in its place to let the operator make one."
        )
        return Assessment(PartState.BROKEN, "Missing", message, terminal=True)
    chosen = _chosen(found, version)
    if chosen is None:
        there = ", ".join(item.version for item in found)
        message = (
            f"Guardrail {identifier} has no version {version}; it has {there}. Correct spec.models.guardrail.version."
        )
        return Assessment(PartState.BROKEN, "Missing", message, terminal=True)
    resources = (ResourceStatus(kind="Guardrail", name=identifier, id=identifier, state=chosen.state),)
    if chosen.state == _FAILED:
        message = (
            f"Version {version} of guardrail {identifier} is FAILED. Look at it in the Bedrock console, and set "
            "spec.models.guardrail.version to one that works."
        )
        return Assessment(PartState.BROKEN, "GuardrailFailed", message, resources=resources, terminal=True)
    if chosen.state != _READY:
        return progressing("Waiting", f"Guardrail {identifier} is {chosen.state}.", resources)
    message = f"Version {version} of guardrail {identifier} is there; it is looked at and never changed."
    return Assessment(PartState.READY, "Available", message, resources=resources)


def _resources(name: str, own: ObservedGuardrail, version: ObservedVersion | None) -> tuple[ResourceStatus, ...]:
    guardrail = ResourceStatus(kind="Guardrail", name=name, id=own.id, arn=own.arn, state=own.state)
    if version is None:
        return (guardrail,)
    return guardrail, ResourceStatus(kind="GuardrailVersion", name=version.version, id=own.id, state=version.state)
