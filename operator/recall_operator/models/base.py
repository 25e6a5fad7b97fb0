"""Base of the resource's models, and the helpers that put Kubernetes' own schema extensions on a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from pydantic.config import JsonDict

GROUP = "recall.kug.la"
VERSION = "v1beta1"
KIND = "RecallInstance"
PLURAL = "recallinstances"
API_VERSION = f"{GROUP}/{VERSION}"


class ResourceModel(BaseModel):
    """Base of all parts of the resource: camelCase in manifests, unknown fields refused, frozen once read."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def validations(*rules: tuple[str, str]) -> JsonDict:
    """Return the schema extension with CEL `rules`, each (expression, message); the API server checks them.

    A message names the field and says what to write instead: it is all that the user of a refused manifest sees.
    """
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def immutable_when_set(path: str, message: str) -> tuple[str, str]:
    """Return the rule that the optional field at `path` is neither changed, added nor removed.

    Kubernetes skips a transition rule whose own field is absent on either side, so the rule belongs on an object
    that is always there (one with a default).
    """
    return (
        f"has(self.{path}) == has(oldSelf.{path}) && (!has(self.{path}) || self.{path} == oldSelf.{path})",
        message,
    )


def _quantity_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    BeforeValidator(_quantity_text),
    Field(max_length=32),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
            "maxLength": 32,
            "x-kubernetes-int-or-string": True,
        }
    ),
]
"""An amount as Kubernetes writes it, such as `250m` or `512Mi`; never negative."""

KmsKeyArn = Annotated[
    str,
    Field(
        max_length=256,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
    ),
]
"""ARN of a KMS key; an alias would name another key tomorrow."""
