"""Proposals from what a user wrote to another assistant: statements about themselves, in their own messages only.

Nothing of this is stored before the user chooses it: most of what one writes to an assistant is no memory, and what the
assistant answered, or what was pasted, is never one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from recall_api.imports.formats import Candidate, as_dictionary
from recall_api.imports.schemas import MemoryLine

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST, LONGEST = 12, 300
"""Characters of a sentence that can be a proposal."""
LONGEST_MESSAGE: Final = 4_000
"""A longer message is something pasted."""

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_ABOUT_ONESELF: Final = re.compile(
    r"\b(?:I am|I was|I have|I['\u2019](?:m|ve)|I (?:always|never|usually|like|love|hate|prefer|live|work|moved|own"
    r"|need|want|use|study|speak|eat|drink|play)|[Mm]y \w+(?: \w+)? (?:is|are|was|has|have|lives?|works?|likes?|loves?)"
    r"|[Rr]emember that|[Ii]ch (?:bin|habe|mag|liebe|wohne|arbeite|esse|trinke|spreche)"
    r"|[Mm]eine? \w+ (?:ist|sind|heißt|hat|wohnt))\b"
)


def proposals(message: str) -> Iterator[str]:
    """Yield the sentences of a user's message that say something about the user."""
    if len(message) > LONGEST_MESSAGE or "```" in message:
        return
    for sentence in _SENTENCE.split(message):
        text = sentence.strip()
        if SHORTEST <= len(text) <= LONGEST and not text.endswith("?") and _ABOUT_ONESELF.search(text):
            yield text


def chatgpt_messages(conversation: Any) -> Iterator[tuple[str, Any]]:
    """Yield the user's own texts of one conversation of ChatGPT's export, with their times."""
    for node in as_dictionary(as_dictionary(conversation).get("mapping")).values():
        message = as_dictionary(as_dictionary(node).get("message"))
        content = as_dictionary(message.get("content"))
        parts = content.get("parts")
        if as_dictionary(message.get("author")).get("role") != "user" or content.get("content_type") != "text":
            continue
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, str):
                yield part, message.get("create_time")


def claude_messages(conversation: Any) -> Iterator[tuple[str, Any]]:
    """Yield the user's own texts of one conversation of Claude's export, with their times."""
    messages = as_dictionary(conversation).get("chat_messages")
    for message in messages if isinstance(messages, list) else ():
        found = as_dictionary(message)
        if found.get("sender") == "human" and isinstance(found.get("text"), str):
            yield found["text"], found.get("created_at")


def candidates(number: int, messages: Iterator[tuple[str, Any]]) -> Iterator[Candidate]:
    """Yield proposals from the messages of the conversation `number`."""
    for text, time in messages:
        for sentence in proposals(text):
            try:
                yield Candidate(number, MemoryLine(text=sentence, occurred_at=_moment(time)))
            except ValidationError:
                continue  # half a character, or the like: nothing that could be stored


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return None if value is None else datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
