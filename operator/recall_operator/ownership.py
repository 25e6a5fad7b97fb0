"""Whose is it: names that a crashed operator finds again, tags and labels that say whose, and who may take it over."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from recall_operator.models.base import GROUP
from recall_operator.models.spec import Adoption

if TYPE_CHECKING:
    from collections.abc import Mapping

CLUSTER_TAG: Final = f"{GROUP}/cluster"
NAMESPACE_TAG: Final = f"{GROUP}/namespace"
NAME_TAG: Final = f"{GROUP}/name"
UID_TAG: Final = f"{GROUP}/uid"
RELEASED_TAG: Final = f"{GROUP}/released"
"""Set on what a deleted instance left behind, with the time of its deletion: anybody may adopt it."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "recall-operator"
INSTANCE_LABEL: Final = f"{GROUP}/instance"
"""On Kubernetes objects; their owner reference says the uid."""

_DIGEST_CHARACTERS: Final = 16


@dataclass(frozen=True)
class Place:
    """Where a RecallInstance is, or will be: all that is known of one that does not exist yet."""

    cluster: str
    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Return the place that `<cluster>/<namespace>/<name>` names; None when no instance could be there.

        Sources: EKS, CreateCluster (name); RFC 1123 (namespace); the CRD's own rule (name).
        """
        found = _PLACE.fullmatch(text)
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.name}"


_PLACE: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_-]{0,99})/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/([a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?)"
)


@dataclass(frozen=True)
class Owner:
    """One RecallInstance, in all clusters and at all times."""

    cluster: str
    namespace: str
    name: str
    uid: str

    def tags(self) -> dict[str, str]:
        """Return the tags that mark a resource as this owner's."""
        return {CLUSTER_TAG: self.cluster, NAMESPACE_TAG: self.namespace, NAME_TAG: self.name, UID_TAG: self.uid}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Owner | None:
        """Return the owner that `tags` name; None when they name none."""
        if UID_TAG not in tags:
            return None
        return cls(tags.get(CLUSTER_TAG, ""), tags.get(NAMESPACE_TAG, ""), tags.get(NAME_TAG, ""), tags[UID_TAG])

    @property
    def place(self) -> Place:
        """Where it is: what it shares with its namesakes."""
        return Place(self.cluster, self.namespace, self.name)

    def is_namesake(self, other: Owner) -> bool:
        """Whether `other` has the same cluster, namespace and name: one of the two can't be alive any more."""
        return self.place == other.place

    def __str__(self) -> str:
        return f"RecallInstance {self.namespace}/{self.name} of cluster {self.cluster} (uid {self.uid})"


class Standing(StrEnum):
    """What an instance may do with an existing resource of the right name."""

    OURS = "ours"
    ADOPT = "adopt"
    REFUSED = "refused"


def standing(found: Owner | None, us: Owner, adoption: Adoption, *, released: bool = False) -> Standing:
    """Say what `us` may do with a resource that `found` owns (None: nobody that it names).

    What belongs to another living instance is refused whatever `adoption` says.
    """
    if found is not None and found.uid == us.uid:
        return Standing.OURS
    free = found is None or released or us.is_namesake(found)
    return Standing.ADOPT if free and adoption is Adoption.ADOPT else Standing.REFUSED


def refusal(what: str, found: Owner | None, remedy: str) -> str:
    """Return the sentence for a resource that may not be touched, with its remedy."""
    owner = f"belongs to {found}" if found else "exists and is not marked as this instance's"
    return (
        f"{what} {owner}. Set spec.adoption to Adopt to take it over (never from another living instance), or {remedy}."
    )


def digested_name(*parts: str, limit: int) -> str:
    """Return a name as `derived_name`, of a-z, A-Z, 0-9, `-` and `_` only: for services that take no dots.

    It always ends in a digest of the parts, because joined by `_` they can't be told apart.
    """
    digest = hashlib.sha256(".".join(parts).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{'_'.join(parts)[: limit - _DIGEST_CHARACTERS - 1]}_{digest}"


def derived_name(*parts: str, limit: int) -> str:
    """Return a name made of `parts` (none empty, none with a dot) of at most `limit` characters.

    Requirements: the same parts always give the same name; different parts never the same; people recognise it.
    Joined by dots the parts can be told apart, so short names stay as they are. A longer one is cut and ends in
    `..` and a digest of the whole; as no part is empty, no short name holds `..`.
    """
    whole = ".".join(parts)
    if len(whole) <= limit:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{whole[: limit - _DIGEST_CHARACTERS - 2].rstrip('.')}..{digest}"


def name_prefix(*parts: str, limit: int) -> str:
    """Return what all names begin with that `derived_name` makes of these parts and further ones."""
    return f"{'.'.join(parts)}."[: limit - _DIGEST_CHARACTERS - 2]
