"""Reading a Converse request: the question, the memories given with it, and what Bedrock would refuse."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recall_local.bedrock.errors import invalid

if TYPE_CHECKING:
    from recall_local.bedrock.models import Model

_MARKED_LINE = re.compile(r"^\s*(?:[-*]\s*)?\[(?P<marker>m\d+)\]\s*(?P<text>\S.*)$")


@dataclass(frozen=True)
class Memory:
    """A memory given to the model: a `searchResult` block, or a line of text that starts with a marker like `[m1]`."""

    texts: tuple[str, ...]
    """Its text, block by block."""
    source: str = ""
    title: str = ""
    index: int = 0
    """Its place among the search results of the request."""
    marker: str = ""
    """How an answer refers to it when it came as text."""
    cited: bool = False
    """Citations are enabled for it."""


@dataclass(frozen=True)
class Conversation:
    """A Converse request as a generator needs it."""

    system: str
    turns: tuple[tuple[str, str], ...]
    """Role and text of each message, without the memories."""
    memories: tuple[Memory, ...]
    max_tokens: int
    stop_sequences: tuple[str, ...]
    temperature: float | None

    @property
    def question(self) -> str:
        """The text of the last message."""
        return self.turns[-1][1]

    @property
    def text(self) -> str:
        """Everything that was sent, for counting tokens."""
        remembered = [text for memory in self.memories for text in memory.texts]
        return "\n".join([self.system, *(text for _, text in self.turns), *remembered])


DEFAULT_MAX_TOKENS = 4096


def read(model: Model, request: dict[str, Any]) -> Conversation:
    """Return the conversation in the body of a Converse or ConverseStream request.

    Raises:
        BedrockError: a ValidationException that names what is wrong, where Bedrock has such a rule.
    """
    messages = request.get("messages") or []
    if not messages or messages[0].get("role") != "user":
        raise invalid(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    if messages[-1].get("role") != "user":
        raise invalid("This emulator does not continue an assistant's message: the last message must be the user's.")
    memories: list[Memory] = []
    system, marked = _split_marked("\n".join(block["text"] for block in request.get("system") or [] if "text" in block))
    memories += marked
    turns: list[tuple[str, str]] = []
    results = 0
    for place, message in enumerate(messages):
        if turns and message.get("role") == turns[-1][0]:
            raise invalid(f"messages.{place}.role: roles must alternate between user and assistant.")
        lines: list[str] = []
        for number, block in enumerate(message.get("content") or []):
            field = f"messages.{place}.content.{number}"
            if "searchResult" in block:
                memories.append(_search_result(block["searchResult"], results, field, model))
                results += 1
            elif "text" in block:
                if not block["text"].strip():
                    raise invalid(
                        f"The text field in the ContentBlock object at {field} is blank. "
                        "Add text to the text field, and try again."
                    )
                text, marked = _split_marked(block["text"])
                memories += marked
                lines.append(text)
        turns.append((message["role"], "\n".join(line for line in lines if line)))
    inference = request.get("inferenceConfig") or {}
    return Conversation(
        system=system,
        turns=tuple(turns),
        memories=tuple(memories),
        max_tokens=inference.get("maxTokens") or DEFAULT_MAX_TOKENS,
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        temperature=inference.get("temperature"),
    )


def _search_result(block: dict[str, Any], index: int, field: str, model: Model) -> Memory:
    if not model.cites:
        raise invalid(f"{field}.searchResult: model {model.id} does not support search results. Send the text itself.")
    missing = [name for name in ("source", "title", "content") if not block.get(name)]
    if missing:
        raise invalid(f"{field}.searchResult.{missing[0]}: field required")
    return Memory(
        texts=tuple(part["text"] for part in block["content"]),
        source=block["source"],
        title=block["title"],
        index=index,
        cited=bool((block.get("citations") or {}).get("enabled")),
    )


def _split_marked(text: str) -> tuple[str, list[Memory]]:
    """Return `text` without its marked lines, and the memories on those lines."""
    kept: list[str] = []
    memories: list[Memory] = []
    for line in text.splitlines():
        matched = _MARKED_LINE.match(line)
        if matched:
            memories.append(_marked_memory(matched["marker"], matched["text"].strip()))
        else:
            kept.append(line)
    return "\n".join(kept).strip(), memories


def _marked_memory(marker: str, words: str) -> Memory:
    """Return the memory on a marked line: plain words, or a JSON object with its `text`, as a model would read it."""
    try:
        fields = json.loads(words)
    except ValueError:
        fields = None
    if isinstance(fields, dict) and isinstance(fields.get("text"), str):
        return Memory(texts=(fields["text"],), title=str(fields.get("title", "")), marker=marker)
    return Memory(texts=(words,), marker=marker)
