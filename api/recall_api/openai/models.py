"""Names of models at this door: the instance's own, and each again with a suffix that switches memories off."""

from __future__ import annotations

from typing import Final

WITHOUT_MEMORIES: Final = "@no-memory"
"""A suffix, because many programs let people choose a model and nothing else. No id of Bedrock has an `@`."""


def chosen(name: str) -> tuple[str, bool]:
    """Return the model that `name` means, and whether memories are recalled for it."""
    model = name.removesuffix(WITHOUT_MEMORIES)
    return model, model == name
