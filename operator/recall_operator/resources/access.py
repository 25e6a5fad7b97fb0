"""What the API's pods may do on AWS: an IAM role of exactly their needs, tied to their service account.

The tie is EKS Pod Identity: an association of cluster, namespace and service account with the role.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_operator.errors import is_not_found
from recall_operator.models.spec import DeletionPolicy
from recall_operator.models.status import ResourceStatus
from recall_operator.ownership import Owner, Standing, derived_name, name_prefix, refusal, standing
from recall_operator.requests.asking import NotReadError
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.plan import (
    Action,
    Assessment,
    AwsCall,
    Change,
    Difference,
    PartState,
    appearing,
    differences,
)
from recall_operator.resources.workload_manifests import object_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.resources.part import Clients, Subject

ROLE_ARN: Final = "access.roleArn"
"""Output: there once a pod that starts now gets the role."""

ROLE_PREFIX: Final = "recall"
"""Names of instances' roles begin with this and a dot."""

POLICY_NAME: Final = "recall-api"
_NAME_LIMIT: Final = 64
"""Source: IAM, quotas and name requirements."""


@dataclass(frozen=True)
class ObservedRole:
    """The role as IAM describes it."""

    arn: str
    tags: Mapping[str, str]
    trust: Mapping[str, Any]
    policy: Mapping[str, Any] | None
    boundary: str | None
    foreign: tuple[str, ...] = ()
    """Policies that others put on it, as far as the look told: only the account-wide list of settled instances does."""


@dataclass(frozen=True)
class ObservedAssociation:
    """The Pod Identity association as EKS describes it."""

    association_id: str
    arn: str
    role_arn: str | None
    """None, as the tags, where it was not read and is taken to be as it was left."""
    tags: Mapping[str, str] | None


@dataclass(frozen=True)
class ObservedAccess:
    """Both halves."""

    role: ObservedRole | None
    association: ObservedAssociation | None


def role_name(subject: Subject) -> str:
    """Return the name of the instance's role."""
    owner = subject.owner
    return derived_name(ROLE_PREFIX, owner.cluster, owner.namespace, owner.name, limit=_NAME_LIMIT)


def role_prefix(cluster: str) -> str:
    """Return what the names of all roles of a `cluster` begin with; the operator's own policy is bounded by it."""
    return name_prefix(ROLE_PREFIX, cluster, limit=_NAME_LIMIT)


def role_arn(subject: Subject) -> str:
    """Return the ARN of the instance's role, whether it exists or not."""
    return f"arn:aws:iam::{subject.platform.aws.account_id}:role/{role_name(subject)}"


def trust_policy(subject: Subject) -> dict[str, Any]:
    """Return who may take the role: EKS Pod Identity, for this one service account of this one cluster.

    Source of the tags: EKS user guide, "Grant Pods access based on tags" (session tags of Pod Identity).
    """
    tag = "aws:RequestTag/"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        f"{tag}eks-cluster-name": subject.platform.cluster.name,
                        f"{tag}kubernetes-namespace": subject.owner.namespace,
                        f"{tag}kubernetes-service-account": object_name(subject),
                    }
                },
            }
        ],
    }


class Access:
    """Keeps the role and its association."""

    name = "access"
    condition = "AccessReady"
    deleted_after = ("workload",)

    async def observe(self, subject: Subject, clients: Clients) -> ObservedAccess:
        """Read the role, its policy and the association."""
        role, association = await asyncio.gather(
            _observe_role(clients, role_name(subject)),
            _observe_association(clients, subject.platform.cluster.name, subject.owner.namespace, object_name(subject)),
        )
        return ObservedAccess(role, association)

    def outputs(self, subject: Subject, observed: ObservedAccess) -> Mapping[str, str]:
        """Tell the role once it is tied to the service account."""
        del subject
        role, association = observed.role, observed.association
        ready = role and role.policy is not None and association and association.role_arn in (None, role.arn)
        return {ROLE_ARN: role.arn} if role and ready else {}

    def plan(self, subject: Subject, observed: ObservedAccess, outputs: Mapping[str, str]) -> Assessment:
        """Create or mend both; refuse what is another's."""
        name = role_name(subject)
        resources = _resources(name, subject, observed)
        adoption = subject.instance.spec.adoption
        found = [
            (f"IAM role {name}", observed.role),
            (f"The association of {object_name(subject)}", observed.association),
        ]
        for what, item in found:
            if item is None or item.tags is None:
                continue
            owner = Owner.from_tags(item.tags)
            if standing(owner, subject.owner, adoption) is Standing.REFUSED:
                message = refusal(what, owner, "delete it")
                return Assessment(PartState.BROKEN, "NotOwned", message, resources=resources, terminal=True)
        changes = (
            *self._role_changes(subject, observed.role, outputs),
            *self._association_changes(
                subject, observed.association, observed.role.arn if observed.role else role_arn(subject)
            ),
        )
        if changes:
            return Assessment(PartState.PROGRESSING, "Updating", "The API's role is being set up.", changes, resources)
        if observed.role and observed.role.foreign:
            message = (
                f"The API's service account has its role, and IAM role {name} also has policies that are not Recall's: "
                f"{', '.join(observed.role.foreign)}. The pods have their rights too, and with them on the role can't "
                "be deleted. Take them off unless you put them there on purpose."
            )
            return Assessment(PartState.READY, "ForeignPolicies", message, resources=resources)
        return Assessment(PartState.READY, "Available", "The API's service account has its role.", resources=resources)

    def _role_changes(
        self, subject: Subject, found: ObservedRole | None, outputs: Mapping[str, str]
    ) -> tuple[Change, ...]:
        name, tags = role_name(subject), subject.owner.tags()
        trust, policy = trust_policy(subject), access_policy(subject, outputs, found.policy if found else None)
        boundary = subject.platform.access.permissions_boundary_arn
        put = AwsCall(
            "iam",
            "put_role_policy",
            {"RoleName": name, "PolicyName": POLICY_NAME, "PolicyDocument": _document(policy)},
        )
        if found is None:
            parameters: dict[str, Any] = {
                "RoleName": name,
                "Description": f"Recall's API of {subject.instance.key}",
                "AssumeRolePolicyDocument": _document(trust),
                "Tags": _tag_list(tags),
            }
            if boundary:
                parameters["PermissionsBoundary"] = boundary
            fields = appearing({"trust": trust, "policy": policy})
            return (
                Change(
                    self.name, Action.CREATE, "Role", name, (AwsCall("iam", "create_role", parameters), put), fields
                ),
            )
        adopted = Owner.from_tags(found.tags) != subject.owner
        wrong_tags = differences(tags, found.tags)
        steps: list[AwsCall] = []
        changed: list[Difference] = list(wrong_tags)
        if wrong_tags:
            steps.append(AwsCall("iam", "tag_role", {"RoleName": name, "Tags": _tag_list(tags)}))
        if found.trust != trust:
            changed.append(Difference("trust", found.trust, trust))
            update = {"RoleName": name, "PolicyDocument": _document(trust)}
            steps.append(AwsCall("iam", "update_assume_role_policy", update))
        if found.policy != policy:
            changed.append(Difference("policy", found.policy, policy))
            steps.append(put)
        if boundary and found.boundary != boundary:
            changed.append(Difference("permissionsBoundary", found.boundary, boundary))
            bound = {"RoleName": name, "PermissionsBoundary": boundary}
            steps.append(AwsCall("iam", "put_role_permissions_boundary", bound))
        action = Action.ADOPT if adopted else Action.UPDATE
        return (Change(self.name, action, "Role", name, tuple(steps), tuple(changed)),) if steps else ()

    def _association_changes(self, subject: Subject, found: ObservedAssociation | None, arn: str) -> tuple[Change, ...]:
        cluster, account = subject.platform.cluster.name, object_name(subject)
        tags = subject.owner.tags()
        name = f"{subject.owner.namespace}/{account}"
        if found is None:
            call = AwsCall(
                "eks",
                "create_pod_identity_association",
                {
                    "clusterName": cluster,
                    "namespace": subject.owner.namespace,
                    "serviceAccount": account,
                    "roleArn": arn,
                    "tags": tags,
                },
            )
            fields = appearing({"roleArn": arn})
            return (Change(self.name, Action.CREATE, "PodIdentityAssociation", name, (call,), fields),)
        if found.tags is None:
            return ()
        steps: list[AwsCall] = []
        wrong_tags = differences(tags, found.tags)
        changed = list(wrong_tags)
        if wrong_tags:
            steps.append(AwsCall("eks", "tag_resource", {"resourceArn": found.arn, "tags": tags}))
        if found.role_arn != arn:
            changed.append(Difference("roleArn", found.role_arn, arn))
            update = {"clusterName": cluster, "associationId": found.association_id, "roleArn": arn}
            steps.append(AwsCall("eks", "update_pod_identity_association", update))
        action = Action.ADOPT if Owner.from_tags(found.tags) != subject.owner else Action.UPDATE
        return (
            (Change(self.name, action, "PodIdentityAssociation", name, tuple(steps), tuple(changed)),) if steps else ()
        )

    def delete(self, subject: Subject, observed: ObservedAccess) -> tuple[Change, ...] | None:
        """Delete the association, then the role; keep both if the policy says so; leave another's alone."""
        if subject.instance.spec.deletion_policy.access is DeletionPolicy.RETAIN:
            return ()
        changes: list[Change] = []
        association, role = observed.association, observed.role
        if association and Owner.from_tags(association.tags or {}) == subject.owner:
            where = {"clusterName": subject.platform.cluster.name, "associationId": association.association_id}
            call = AwsCall("eks", "delete_pod_identity_association", where)
            name = f"{subject.owner.namespace}/{object_name(subject)}"
            changes.append(Change(self.name, Action.DELETE, "PodIdentityAssociation", name, (call,)))
        if role and Owner.from_tags(role.tags) == subject.owner:
            name = role_name(subject)
            inline = AwsCall("iam", "delete_role_policy", {"RoleName": name, "PolicyName": POLICY_NAME})
            steps = (*((inline,) if role.policy is not None else ()), AwsCall("iam", "delete_role", {"RoleName": name}))
            changes.append(Change(self.name, Action.DELETE, "Role", name, steps))
        return tuple(changes)


def _document(policy: Mapping[str, Any]) -> str:
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _resources(name: str, subject: Subject, observed: ObservedAccess) -> tuple[ResourceStatus, ...]:
    found: list[ResourceStatus] = []
    if observed.role:
        found.append(ResourceStatus(kind="Role", name=name, arn=observed.role.arn, state="ACTIVE"))
    if observed.association:
        found.append(
            ResourceStatus(
                kind="PodIdentityAssociation",
                name=f"{subject.owner.namespace}/{object_name(subject)}",
                id=observed.association.association_id,
                arn=observed.association.arn,
                state="ACTIVE",
            )
        )
    return tuple(found)


async def _observe_role(clients: Clients, name: str) -> ObservedRole | None:
    try:
        role = (await clients.aws.call("iam", "get_role", RoleName=name))["Role"]
    except Exception as error:
        if is_not_found(error):
            return None
        raise
    try:
        policy = await clients.aws.call("iam", "get_role_policy", RoleName=name, PolicyName=POLICY_NAME)
    except Exception as error:
        if not is_not_found(error):
            raise
        policy = {}
    return ObservedRole(
        arn=role["Arn"],
        tags={tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
        trust=role["AssumeRolePolicyDocument"],
        policy=policy.get("PolicyDocument"),
        boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        foreign=tuple(
            sorted(
                item["PolicyName"]
                for item in (*role.get("RolePolicyList", ()), *role.get("AttachedManagedPolicies", ()))
                if item["PolicyName"] != POLICY_NAME
            )
        ),
    )


async def _observe_association(
    clients: Clients, cluster: str, namespace: str, service_account: str
) -> ObservedAssociation | None:
    listed = await clients.aws.pages(
        "eks",
        "list_pod_identity_associations",
        "associations",
        clusterName=cluster,
        namespace=namespace,
        serviceAccount=service_account,
    )
    if not listed:
        return None
    first = listed[0]
    try:
        answer = await clients.aws.call(
            "eks", "describe_pod_identity_association", clusterName=cluster, associationId=first["associationId"]
        )
    except NotReadError:
        return ObservedAssociation(first["associationId"], first["associationArn"], None, None)
    except Exception as error:
        if is_not_found(error):  # Deleted already, and listed for a moment longer.
            return None
        raise
    found = answer["association"]
    return ObservedAssociation(found["associationId"], found["associationArn"], found["roleArn"], found.get("tags", {}))
