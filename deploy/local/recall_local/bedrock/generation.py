"""What a model produces, before it is put into Bedrock's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recall_local.bedrock.conversation import Conversation, Memory


@dataclass(frozen=True)
class Text:
    """Some more text."""

    text: str


@dataclass(frozen=True)
class Citation:
    """The text since the last `Break` or `Citation` rests on this memory (its content block `block`)."""

    memory: Memory
    block: int = 0


@dataclass(frozen=True)
class Break:
    """What follows is a content block of its own."""


@dataclass(frozen=True)
class Finish:
    """The end: always the last item."""

    stop_reason: str
    input_tokens: int
    output_tokens: int


Item = Text | Citation | Break | Finish


class Generator(Protocol):
    """A model."""

    name: str

    def generate(self, conversation: Conversation) -> AsyncIterator[Item]:
        """Answer; closing the iterator stops the model."""
        ...
