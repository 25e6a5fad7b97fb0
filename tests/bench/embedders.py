"""Embedders for measurements, without Bedrock: `--embedder tests.bench.embedders:wordllama`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recall_local.bedrock.language import DIMENSIONS, WordLlama

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WordLlamaEmbedder:
    """The small static model that the local stack's Bedrock answers with, in this process."""

    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self._model = WordLlama()

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of `text`."""
        return np.asarray(self._model.embed([text], normalize=True)[0], np.float32)

    def embed_many(self, texts: list[str]) -> list[NDArray[np.float32]]:
        """Return the vectors of many texts."""
        return [np.asarray(vector, np.float32) for vector in self._model.embed(texts, normalize=True)]


def wordllama() -> WordLlamaEmbedder:
    """Return the embedder."""
    return WordLlamaEmbedder()
