"""Text to vectors: Amazon Titan Text Embeddings V2 on Bedrock.

Source of the shapes: Amazon Bedrock user guide, "Amazon Titan Embeddings G1 - Text" (V2 parameters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from botocore.exceptions import ClientError

from recall_api.errors import error_code, unavailable
from recall_api.search.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from recall_api.aws import Aws

REFUSALS: Final = frozenset({"ValidationException", "AccessDeniedException", "ResourceNotFoundException"})
"""Codes that another attempt will not change."""


class EmbeddingRefusedError(Exception):
    """Bedrock will not embed this text, now or later; the message is AWS's code."""


class Embedder(Protocol):
    """What makes vectors of texts."""

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        ...

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of `text`.

        Raises:
            EmbeddingRefusedError: this text or this model is refused.
            ProblemError: no answer (503).
        """
        ...


def titan_body(text: str, dimensions: int) -> dict[str, Any]:
    """Return InvokeModel's body for one text."""
    return {"inputText": text, "dimensions": dimensions, "normalize": True}


def titan_vector(document: Mapping[str, Any], dimensions: int) -> NDArray[np.float32]:
    """Return the unit vector in InvokeModel's answer.

    Raises:
        EmbeddingRefusedError: it has another length.
    """
    vector = np.asarray(document["embedding"], np.float32)
    if vector.shape != (dimensions,):
        raise EmbeddingRefusedError(f"a vector of {vector.shape} instead of {dimensions} numbers")
    return unit(vector)


class TitanEmbedder:
    """An embedding model of the instance's."""

    def __init__(self, aws: Aws, model: str, dimensions: int) -> None:
        self._aws = aws
        self._model = model
        self.dimensions = dimensions

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of `text`.

        Raises:
            EmbeddingRefusedError: Bedrock refuses this text or this model.
            ProblemError: it does not answer, or has too much to do (503).
        """
        try:
            document = await self._aws.invoke_model(self._model, titan_body(text, self.dimensions))
        except ClientError as error:
            if error_code(error) in REFUSALS:
                raise EmbeddingRefusedError(error_code(error)) from None
            raise unavailable("The embedding model") from error
        return titan_vector(document, self.dimensions)


def embedder_of(aws: Aws, space: str) -> TitanEmbedder | None:
    """Return the embedder of a space of vectors (`model/dimensions`); none when its name is not one."""
    model, _, dimensions = space.rpartition("/")
    return TitanEmbedder(aws, model, int(dimensions)) if model and dimensions.isdecimal() else None
