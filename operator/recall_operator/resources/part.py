"""What every part of an instance is: something that can be observed, planned, applied and deleted.

A new part is a new module with a class of this protocol and one line in `resources.catalogue`; the core knows no
part by name. `observe` only reads. `plan` and `delete` are pure: they return changes that hold the very calls to
make. `apply` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from recall_operator.models.hibernation_spec import HibernationMode
from recall_operator.models.hibernation_windows import is_asleep
from recall_operator.ownership import Owner
from recall_operator.resources.plan import AwsCall, KubernetesApply, KubernetesDelete
from recall_operator.telemetry.metrics import CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recall_operator.aws.client import AwsCaller
    from recall_operator.kubernetes.client import KubernetesCaller
    from recall_operator.models.instance import RecallInstance
    from recall_operator.platform import Platform
    from recall_operator.resources.plan import Assessment, Change


@dataclass(frozen=True)
class Subject:
    """The instance that a pass is about, and where it lives."""

    instance: RecallInstance
    platform: Platform
    owner: Owner
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the pass is made: what the windows of sleep are held against."""

    @classmethod
    def of(cls, instance: RecallInstance, platform: Platform) -> Subject:
        """Return what a pass over `instance`, as the platform's cluster holds it, is about."""
        metadata = instance.metadata
        return cls(instance, platform, Owner(platform.cluster.name, metadata.namespace, metadata.name, metadata.uid))

    @property
    def asleep(self) -> bool:
        """Whether the pods are to be gone now."""
        wanted = self.instance.spec.hibernation
        if wanted.mode is HibernationMode.SCHEDULED:
            return is_asleep(self.now, wanted.times, wanted.time_zone)
        return wanted.mode is HibernationMode.ASLEEP


@dataclass(frozen=True)
class Clients:
    """The two doors to the outside."""

    aws: AwsCaller
    kubernetes: KubernetesCaller


Observed = TypeVar("Observed")


class Part(Protocol[Observed]):
    """One part of an instance."""

    @property
    def name(self) -> str:
        """Name in plans and metrics, such as `tables`."""
        ...

    @property
    def condition(self) -> str:
        """Its condition in the status, such as `TablesReady`."""
        ...

    @property
    def deleted_after(self) -> tuple[str, ...]:
        """Names of the parts that must be gone before this one may go."""
        ...

    async def observe(self, subject: Subject, clients: Clients) -> Observed:
        """Read what is there.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ApiServerError: it could not be read.
        """
        ...

    def outputs(self, subject: Subject, observed: Observed) -> Mapping[str, str]:
        """Return what other parts need to know of this one, such as the app client's id, as far as it is there."""
        ...

    def plan(self, subject: Subject, observed: Observed, outputs: Mapping[str, str]) -> Assessment:
        """Say how the part is and what has to change, given the `outputs` of all parts."""
        ...

    def delete(self, subject: Subject, observed: Observed) -> tuple[Change, ...] | None:
        """Return what to change because the instance is deleted.

        Nothing (an empty tuple) means that the part is gone, or kept as its policy says; None, that it is still going.
        """
        ...


AnyPart = Part[Any]


async def apply(change: Change, clients: Clients) -> None:
    """Carry out the steps of a `change`, in order.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ApiServerError: a step failed; later ones
            were not tried. The next pass sees what the earlier ones did.
    """
    for step in change.steps:
        match step:
            case AwsCall(service, operation, parameters):
                await clients.aws.call(service, operation, **parameters)
            case KubernetesApply(manifest):
                await clients.kubernetes.apply(dict(manifest))
            case KubernetesDelete(key, uid, version):
                await clients.kubernetes.delete(key, uid, version)
    CHANGES.labels(change.part, change.action).inc()
