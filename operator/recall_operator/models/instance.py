"""A RecallInstance as a whole: what the operator reads from the API server."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from recall_operator.models.base import API_VERSION, GROUP, KIND
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.models.status import RecallInstanceStatus

FINALIZER = f"{GROUP}/finalizer"
RECONCILE_REQUESTED_ANNOTATION = f"{GROUP}/reconcile-requested-at"


class Metadata(BaseModel):
    """The parts of Kubernetes' metadata that the operator uses."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] = Field(default_factory=list)
    annotations: dict[str, str] = Field(default_factory=dict)


class RecallInstance(BaseModel):
    """One RecallInstance."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    metadata: Metadata
    spec: RecallInstanceSpec
    status: RecallInstanceStatus = Field(default_factory=RecallInstanceStatus)

    @property
    def key(self) -> str:
        """`<namespace>/<name>`: the instance's name in logs and in the queue."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def deleting(self) -> bool:
        """Whether the instance has been deleted and waits for the operator's finalizer."""
        return self.metadata.deletion_timestamp is not None

    @property
    def api_hostname(self) -> str:
        """Host name of the API."""
        return f"api.{self.spec.hostname}"

    def reference(self) -> dict[str, Any]:
        """Return the owner reference for the instance's Kubernetes objects."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.metadata.name,
            "uid": self.metadata.uid,
            "controller": True,
        }
