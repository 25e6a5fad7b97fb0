"""Citation markers such as `[m2]` in a stream of text, for models that do not cite natively.

Markers are taken out of the text and become citations. A marker may be cut anywhere between two deltas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MARKER: Final = re.compile(r"\[m(\d{1,3})(?:\s*[,;]\s*m(\d{1,3}))*\]")
_NUMBER: Final = re.compile(r"m(\d{1,3})")
_MAY_BECOME_MARKER: Final = re.compile(r" ?(?:\[(?:m[m\d,; ]{0,60})?)?$")
"""The end of a text that the next delta may turn into a marker, with the space before it."""


@dataclass(frozen=True)
class Marker:
    """A citation of the memory with this number."""

    number: int


def marker_of(number: int) -> str:
    """Return how a model writes that it rests on memory `number`."""
    return f"[m{number}]"


class MarkerParser:
    """Splits a stream of text into text and markers."""

    def __init__(self, known: int) -> None:
        """Make a parser for markers of the numbers 1 to `known`; others are text like any other."""
        self._known = known
        self._held = ""

    def feed(self, text: str) -> list[str | Marker]:
        """Return what is certain after `text`."""
        text = self._held + text
        match = _MAY_BECOME_MARKER.search(text)
        cut = match.start() if match else len(text)
        self._held = text[cut:]
        return self._split(text[:cut])

    def finish(self) -> list[str | Marker]:
        """Return what was held back; nothing more comes."""
        held, self._held = self._held, ""
        return self._split(held)

    def _split(self, text: str) -> list[str | Marker]:
        parts: list[str | Marker] = []
        position = 0
        for match in _MARKER.finditer(text):
            numbers = [int(number) for number in _NUMBER.findall(match[0])]
            if not all(1 <= number <= self._known for number in numbers):
                continue
            # "peanuts [m1]." reads "peanuts." without its marker.
            if before := text[position : match.start()].removesuffix(" "):
                parts.append(before)
            parts.extend(Marker(number) for number in numbers)
            position = match.end()
        if rest := text[position:]:
            parts.append(rest)
        return parts
