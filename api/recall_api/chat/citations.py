"""From what a model streams to text and citations that point to a memory and a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from recall_api.chat.markers import Marker, MarkerParser
from recall_api.chat.model import ChatEvent, Citation, Delta
from recall_api.chat.prompt import source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_api.memories.model import Memory
    from recall_api.models.registry import Capabilities
    from recall_api.search.index import Hit


class Citations:
    """Turns the model's stream into text and citations, in order."""

    def __init__(self, hits: Sequence[Hit], abilities: Capabilities) -> None:
        self._memories = [hit.memory for hit in hits]
        self._numbers = {source_of(memory): number for number, memory in enumerate(self._memories, 1)}
        self._markers = None if abilities.search_results else MarkerParser(len(self._memories))
        self._length = 0

    def feed(self, delta: dict[str, Any]) -> list[ChatEvent]:
        """Return the events that one `contentBlockDelta` makes."""
        if "text" in delta:
            return self._pieces(self._markers.feed(delta["text"]) if self._markers else [delta["text"]])
        if "citation" in delta:
            number = self._number(delta["citation"])
            if number is not None:
                return [self._cite(number, *self._span(self._memories[number - 1], delta["citation"]))]
        return []

    def finish(self) -> list[ChatEvent]:
        """Return the events of what was held back."""
        return self._pieces(self._markers.finish() if self._markers else [])

    def _pieces(self, pieces: Sequence[str | Marker]) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        for piece in pieces:
            match piece:
                case Marker(number):
                    events.append(self._cite(number, 0, len(self._memories[number - 1].content.text)))
                case str():
                    self._length += len(piece)
                    events.append(Delta(piece))
                case _:
                    assert_never(piece)
        return events

    def _number(self, citation: dict[str, Any]) -> int | None:
        number = self._numbers.get(citation.get("source", ""))
        if number is None:
            index = citation.get("location", {}).get("searchResultLocation", {}).get("searchResultIndex")
            number = index + 1 if isinstance(index, int) and 0 <= index < len(self._memories) else None
        return number

    @staticmethod
    def _span(memory: Memory, citation: dict[str, Any]) -> tuple[int, int]:
        """Return where the quoted part stands; the whole memory when it is not quoted literally."""
        quoted = "".join(part.get("text", "") for part in citation.get("sourceContent", ()))
        start = memory.content.text.find(quoted) if quoted else -1
        return (start, start + len(quoted)) if start >= 0 else (0, len(memory.content.text))

    def _cite(self, number: int, start: int, end: int) -> Citation:
        return Citation(number, self._memories[number - 1].id, start, end, self._length)
