"""Bedrock's shapes of an answer: the events of ConverseStream, and the one body of Converse. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recall_local.bedrock.generation import Break, Citation, Finish, Item, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = tuple[str, dict[str, Any]]


def citation(item: Citation) -> dict[str, Any]:
    """Return a citation; `start` and `end` (exclusive) count blocks in the search result's content."""
    memory = item.memory
    return {
        "source": memory.source,
        "title": memory.title,
        "sourceContent": [{"text": memory.texts[item.block]}],
        "location": {
            "searchResultLocation": {"searchResultIndex": memory.index, "start": item.block, "end": item.block + 1}
        },
    }


def usage(finish: Finish) -> dict[str, int]:
    """Return the token usage."""
    return {
        "inputTokens": finish.input_tokens,
        "outputTokens": finish.output_tokens,
        "totalTokens": finish.input_tokens + finish.output_tokens,
    }


class StreamEvents:
    """Turns items into events, one at a time; the block that is open is its only state."""

    def __init__(self) -> None:
        self._block = 0
        self._open = False
        self._cited = False

    def start(self) -> Event:
        """Return the first event."""
        return "messageStart", {"role": "assistant"}

    def of(self, item: Item, latency_milliseconds: int) -> Iterator[Event]:
        """Yield the events of `item`."""
        match item:
            case Text(text):
                if self._cited:  # a citation is about the text before it: what follows is another block
                    yield from self._close()
                self._open = True
                yield "contentBlockDelta", {"contentBlockIndex": self._block, "delta": {"text": text}}
            case Citation():
                self._open = self._cited = True
                yield "contentBlockDelta", {"contentBlockIndex": self._block, "delta": {"citation": citation(item)}}
            case Break():
                yield from self._close()
            case Finish():
                yield from self._close()
                yield "messageStop", {"stopReason": item.stop_reason}
                yield "metadata", {"usage": usage(item), "metrics": {"latencyMs": latency_milliseconds}}

    def _close(self) -> Iterator[Event]:
        if self._open:
            yield "contentBlockStop", {"contentBlockIndex": self._block}
            self._block += 1
            self._open = self._cited = False


def whole(items: list[Item], latency_milliseconds: int) -> dict[str, Any]:
    """Return the body of Converse for a complete answer."""
    blocks: list[tuple[str, list[dict[str, Any]]]] = []
    text = ""
    citations: list[dict[str, Any]] = []

    def close() -> None:
        nonlocal text, citations
        if text or citations:
            blocks.append((text, citations))
        text, citations = "", []

    for item in items:
        match item:
            case Text():
                if citations:
                    close()
                text += item.text
            case Citation():
                citations.append(citation(item))
            case Break():
                close()
            case Finish():
                close()
    finish = items[-1]
    if not isinstance(finish, Finish):
        raise TypeError(f"an answer ends with Finish, not {finish!r}")
    content = [
        {"citationsContent": {"content": [{"text": text}], "citations": found}} if found else {"text": text}
        for text, found in blocks
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": finish.stop_reason,
        "usage": usage(finish),
        "metrics": {"latencyMs": latency_milliseconds},
    }
