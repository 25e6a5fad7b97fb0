"""Proposals from what a user wrote to another assistant: statements about themselves, in their own messages only.

Nothing of this is stored before the user chooses it: most of what one writes to an assistant is no memory, and what the
assistant answered, or what was pasted, is never one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import ijson  # type: ignore[import-untyped]
from pydantic import ValidationError

from recall_api.imports.formats import Candidate, Found, Rejected, as_dictionary
from recall_api.imports.schemas import MemoryLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORTEST, LONGEST = 12, 300
"""Characters of a sentence that can be a proposal."""
MOST_VALUES: Final = 500_000
"""Values of one conversation, names and ends counted too: some thousands of messages, and 40 MB when they are held."""
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


class Conversations:
    """Puts conversations together from a parser's events, one at a time, and lets go of one that is too large.

    A parser that makes whole values turns some bytes of `[],` into a hundred times as many in memory.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._values = 0
        self._builder: ijson.ObjectBuilder | None = ijson.ObjectBuilder()

    def feed(self, event: str, value: Any) -> Iterator[Any]:
        """Take an event and yield the conversation that it ends, None in place of one that is too large."""
        opens, closes = event in {"start_array", "start_map"}, event in {"end_array", "end_map"}
        if self._depth == 0:
            if event != "start_array":
                raise ValueError("no list of conversations")
            self._depth = 1
            return
        self._depth += opens - closes
        if self._depth == 0:
            return
        self._values += 1
        if self._values > MOST_VALUES:
            self._builder = None
        elif self._builder is not None:
            self._builder.event(event, value)
        if self._depth == 1:
            yield self._builder.value if self._builder is not None else None
            self._values, self._builder = 0, ijson.ObjectBuilder()


def candidates(number: int, conversation: Any, messages: Callable[[Any], Iterator[tuple[str, Any]]]) -> Iterator[Found]:
    """Yield proposals from the `messages` of a conversation, the file's `number`."""
    if conversation is None:
        yield Rejected(number, None, "the conversation is too large")
        return
    for text, time in messages(conversation):
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
