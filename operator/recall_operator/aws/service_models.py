"""boto3's descriptions of services without the words for people, which are most of what they take in memory.

A client keeps its service's description, parsed, for as long as it lives. Nobody reads its documentation in a running
operator.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.session
from botocore.loaders import JSONFileLoader, Loader

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = "documentation"


def _without_words(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return one object of a description with its documentation empty, for some of botocore insists on the key.

    A member that is itself called `documentation` is no text and stays.
    """
    return {key: "" if key == _WORDS and isinstance(value, str) else value for key, value in pairs}


class _WordlessFiles(JSONFileLoader):
    """Reads the files that `botocore.loaders.JSONFileLoader` finds."""

    def _load_file(self, full_path: str, open_method: Callable[..., Any]) -> dict[str, Any] | None:
        if not Path(full_path).is_file():
            return None
        with open_method(full_path, "rb") as file:
            found: dict[str, Any] = json.loads(file.read(), object_pairs_hook=_without_words)
        return found


def lean_session(region: str) -> boto3.session.Session:
    """Return a boto3 session whose clients know what to send and to read, and nothing to tell people."""
    core = botocore.session.get_session()
    core.register_component("data_loader", Loader(file_loader=_WordlessFiles()))
    return boto3.session.Session(region_name=region, botocore_session=core)
