"""Memories as lines of JSON and as Markdown, written so that `recall_api.imports` reads back exactly the same."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final

from recall_api.imports.formats import MARK
from recall_api.imports.schemas import MemoryLine

if TYPE_CHECKING:
    from recall_api.memories.model import Memory
    from recall_api.storage import Item

_MARKED: Final = re.compile(rf"^\\*{re.escape(MARK)}", re.MULTILINE)


def as_line(memory: Memory) -> MemoryLine:
    """Return a memory as it is exported: everything but its version, which counts one account's changes."""
    content = memory.content
    return MemoryLine(
        id=memory.id,
        text=content.text,
        tags=list(content.tags),
        occurred_at=content.occurred_at,
        pinned=content.pinned,
        never_send_to=list(content.never_send_to),
        source=memory.source,
        origin=memory.origin,
        created_at=memory.created_at,
        updated_at=memory.updated_at,
    )


def to_ndjson(memory: Memory) -> str:
    """Return a memory as one line of JSON."""
    return as_line(memory).model_dump_json(by_alias=True) + "\n"


def to_markdown(memory: Memory) -> str:
    """Return a memory as Markdown: a comment with all that is not text, then the text.

    A line of the text that looks like such a comment gets a backslash, which reading takes away.
    """
    facts = as_line(memory).model_dump_json(by_alias=True, exclude={"text"}).replace(">", "\\u003e")
    text = _MARKED.sub(lambda found: "\\" + found[0], memory.content.text)
    return f"{MARK}{facts} -->\n{text}\n\n"


def item_to_ndjson(item: Item) -> str:
    """Return any stored item as one line of JSON; bytes in base 64."""
    return json.dumps(item, ensure_ascii=False, default=_bytes, sort_keys=True) + "\n"


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
