"""An answer while it is being written: what came so far, and what it will have cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from recall_api.chat.bedrock import TruncatedError
from recall_api.chat.conversation import Status
from recall_api.chat.model import Citation, Delta, Done
from recall_api.models.registry import Tokens
from recall_api.usage.model import likely_tokens

if TYPE_CHECKING:
    from recall_api.chat.model import ChatEvent

BLOCKING: frozenset[str] = frozenset({"guardrail_intervened", "content_filtered"})
"""Stop reasons of answers that were held back."""


@dataclass
class Answer:
    """What a model has said so far."""

    asked: bool = False
    """Whether a request went out to Bedrock."""
    begun: bool = False
    """Whether Bedrock has answered with anything."""
    free: bool = False
    """Whether Bedrock refused before it did anything."""
    pieces: list[str] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    done: Done | None = None
    settled: bool = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)

    def complete(self) -> Done:
        """Return the end of a complete answer.

        Raises:
            TruncatedError: it is not complete.
        """
        if self.done is None:
            raise TruncatedError
        return self.done

    def note(self, event: ChatEvent) -> None:
        """Take an event down."""
        self.begun = True
        match event:
            case Delta(text):
                self.pieces.append(text)
            case Citation():
                self.citations.append(event)
            case Done():
                self.done = event

    def fail(self, error: Exception) -> None:
        """Note how it ended: what Bedrock refused before the first event is not paid for."""
        refused = isinstance(error, ClientError | ConnectTimeoutError | EndpointConnectionError)
        self.free = refused and not self.begun

    def status(self, *, failed: bool) -> Status:
        """Return how it ended."""
        if self.done is None:
            return Status.FAILED if failed else Status.STOPPED
        return Status.BLOCKED if self.done.stop_reason in BLOCKING else Status.COMPLETE

    def tokens(self, prompt_length: int) -> tuple[Tokens, bool]:
        """Return what it took, and whether that is an estimate (of `prompt_length` characters and what was said)."""
        if self.done is not None:
            usage = self.done.usage
            return (
                Tokens(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens),
                False,
            )
        if self.free or not self.asked:
            return Tokens(), False
        return Tokens(likely_tokens(prompt_length), likely_tokens(len(self.text))), True


def text_length(request: dict[str, Any]) -> int:
    """Return the number of characters of all texts in a request of Converse."""

    def length(value: Any) -> int:
        if isinstance(value, dict):
            return sum(len(part) if name == "text" else length(part) for name, part in value.items())
        return sum(map(length, value)) if isinstance(value, list) else 0

    return length([request["messages"], request.get("system", [])])
