"""What the built-in model knows of language: sentence vectors and tokens, both from wordllama's small static model."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np

DIMENSIONS: Final = 256
"""Length of the vectors; Titan Text Embeddings V2 offers it too."""


class Language(Protocol):
    """Vectors and token counts of texts."""

    def embed(self, texts: list[str], *, normalize: bool) -> list[list[float]]:
        """Return one vector for each text."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens in `text`."""
        ...


class WordLlama:
    """The model that comes inside the wordllama package; nothing is downloaded."""

    def __init__(self) -> None:
        """Load the weights (0.2 s)."""
        # Imported here, because the import alone sets up logging for whoever does it.
        import wordllama

        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, dim=DIMENSIONS, disable_download=True)

    def embed(self, texts: list[str], *, normalize: bool) -> list[list[float]]:
        """Return one vector for each text; the zero vector for one without any known token."""
        vectors = np.asarray(self._model.embed(texts), dtype=np.float64)
        if normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return [[float(number) for number in vector] for vector in np.nan_to_num(vectors)]

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens in `text`."""
        return len(self._model.tokenizer.encode(text, add_special_tokens=False).ids)
