"""InvokeModel of Amazon Titan Text Embeddings V2, with wordllama's vectors."""

from __future__ import annotations

import json
from typing import Any

from recall_local.bedrock.errors import invalid
from recall_local.bedrock.language import DIMENSIONS, Language

_TITAN_DEFAULT_DIMENSIONS = 1024
_TITAN_DIMENSIONS = (256, 512, 1024)
_LONGEST_INPUT = 50_000
_FIELDS = frozenset({"inputText", "dimensions", "normalize", "embeddingTypes"})


def embed(body: bytes, language: Language) -> dict[str, Any]:
    """Return the answer to one request.

    Raises:
        BedrockError: ValidationException for what Titan refuses, and for the lengths that this emulator has no
            vectors for: it does not make them up.
    """
    try:
        request = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(
            "Malformed input request: the body is not JSON, please reformat your input and try again."
        ) from error
    if not isinstance(request, dict) or set(request) - _FIELDS or not isinstance(request.get("inputText"), str):
        raise invalid(
            "Malformed input request: expected inputText (string) and optionally dimensions, normalize, "
            "embeddingTypes, please reformat your input and try again."
        )
    text = request["inputText"]
    if not 1 <= len(text) <= _LONGEST_INPUT or not text.strip():
        raise invalid(
            f"Malformed input request: expected 1 to {_LONGEST_INPUT} characters in inputText, got {len(text)}."
        )
    dimensions = request.get("dimensions", _TITAN_DEFAULT_DIMENSIONS)
    if dimensions not in _TITAN_DIMENSIONS:
        raise invalid(f"Malformed input request: dimensions must be one of {_TITAN_DIMENSIONS}, got {dimensions!r}.")
    if dimensions != DIMENSIONS:
        raise invalid(
            f"dimensions={dimensions}: this emulator's model has vectors of {DIMENSIONS} numbers only. Set dimensions "
            f"to {DIMENSIONS} (RecallInstance: spec.models.embedding.dimensions), which Titan on AWS offers too."
        )
    if request.get("embeddingTypes", ["float"]) != ["float"]:
        raise invalid('embeddingTypes: this emulator offers ["float"] only; leave the field out.')
    vector = language.embed([text], normalize=request.get("normalize", True))[0]
    return {
        "embedding": vector,
        "embeddingsByType": {"float": vector},
        "inputTextTokenCount": language.count_tokens(text),
    }
