"""From bytes to candidates for memories, line by line: no file is ever held whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from recall_api.imports.schemas import MemoryLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

MARK: Final = "<!-- recall "
"""How the line begins that stands before each memory in Recall's own Markdown."""
MAX_LINE_BYTES: Final = 262_144
"""More than a memory of the greatest length takes when every character is escaped."""

_ITEM: Final = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)", re.DOTALL)
_HEADING: Final = re.compile(r"#{1,6}\s|(?:-{3,}|={3,}|\*{3,})\s*$")


@dataclass(frozen=True)
class Candidate:
    """A memory that was found in a file."""

    line: int
    memory: MemoryLine


@dataclass(frozen=True)
class Rejected:
    """A part of a file that is no memory."""

    line: int
    field: str | None
    message: str


Found = Candidate | Rejected


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes | None]]:
    """Yield each line with its number, without its end; none in place of one that is too long."""
    buffer, number, too_long = b"", 1, False
    async for chunk in chunks:
        *whole, buffer = (buffer + chunk).split(b"\n")
        for line in whole:
            yield number, None if too_long or len(line) > MAX_LINE_BYTES else line
            number, too_long = number + 1, False
        if len(buffer) > MAX_LINE_BYTES:
            buffer, too_long = b"", True
    if buffer or too_long:
        yield number, None if too_long else buffer


def read_json(line: int, raw: bytes | str) -> Found:
    """Return the memory in one line of JSON, or why there is none."""
    try:
        return Candidate(line, MemoryLine.model_validate_json(raw))
    except ValidationError as error:
        return rejected(line, error)


def read_text(line: int, text: str, tags: Iterable[str] = ()) -> Found:
    """Return the memory that a text is, or why it is none."""
    try:
        return Candidate(line, MemoryLine(text=text, tags=list(tags)))
    except ValidationError as error:
        return rejected(line, error)


def rejected(line: int, error: ValidationError) -> Rejected:
    """Return the first thing that is wrong, without what was sent."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or None
    return Rejected(line, name and name.encode(errors="backslashreplace").decode()[:200], first["msg"][:200])


async def ndjson(chunks: AsyncIterator[bytes]) -> AsyncIterator[Found]:
    """Read lines of JSON; empty ones don't count."""
    async for number, line in lines_of(chunks):
        if line is None:
            yield Rejected(number, None, "the line is too long")
        elif line.strip():
            yield read_json(number, line)


async def text_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, str] | Rejected]:
    """Yield the lines of a text in UTF-8."""
    async for number, line in lines_of(chunks):
        try:
            if line is None:
                yield Rejected(number, None, "the line is too long")
            else:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield Rejected(number, None, "the line is not UTF-8")


async def plain(chunks: AsyncIterator[bytes]) -> AsyncIterator[Found]:
    """Read a text of which each line is a memory."""
    async for line in text_lines(chunks):
        if isinstance(line, Rejected):
            yield line
        elif line[1].strip():
            yield read_text(line[0], line[1].strip())


class MarkdownReader:
    """Reads Markdown line by line: Recall's own, or any, of which each paragraph and list item is a memory."""

    def __init__(self, tags: Iterable[str] = (), *, items: bool = True) -> None:
        self._tags = tuple(tags)
        self._items = items
        self._facts: str | None = None
        self._start = 1
        self._lines: list[str] = []
        self._size = 0

    def feed(self, number: int, line: str) -> Iterator[Found]:
        """Take a line, and yield what it completes."""
        if line.startswith(MARK) and line.rstrip().endswith("-->"):
            yield from self.end()
            self._facts = line.rstrip().removeprefix(MARK).removesuffix("-->")
            self._start = number
            return
        if self._facts is None:
            line = line.rstrip("\r")
            if not line.strip() or (self._items and (_HEADING.match(line) or _ITEM.match(line))):
                yield from self.end()
                if not line.strip() or _HEADING.match(line):
                    return
        elif line.lstrip("\\").startswith(MARK):
            line = line.removeprefix("\\")
        if not self._lines and self._facts is None:
            self._start = number
        self._size += len(line)
        if self._size <= MAX_LINE_BYTES:
            self._lines.append(line)

    def end(self) -> Iterator[Found]:
        """Yield what is left."""
        facts, lines, size, self._facts, self._lines, self._size = self._facts, self._lines, self._size, None, [], 0
        if size > MAX_LINE_BYTES:
            yield Rejected(self._start, "text", "the text is too long")
        elif facts is not None:
            # Each memory ends with an empty line of its own.
            text = "\n".join(lines).removesuffix("\n")
            try:
                values = json.loads(facts)
            except (ValueError, RecursionError):
                yield Rejected(self._start, None, "the comment before the text is not as Recall writes it")
                return
            raw = values | {"text": text} if isinstance(values, dict) else values
            yield read_json(self._start, json.dumps(raw))
        elif lines:
            item = _ITEM.fullmatch(lines[0]) if self._items else None
            text = "\n".join([item[1] if item else lines[0], *lines[1:]]).strip()
            yield read_text(self._start, text, self._tags)


async def markdown(chunks: AsyncIterator[bytes], *, items: bool = True) -> AsyncIterator[Found]:
    """Read Markdown; without `items` a text whose paragraphs are memories."""
    reader = MarkdownReader(items=items)
    async for line in text_lines(chunks):
        if isinstance(line, Rejected):
            yield line
        else:
            for found in reader.feed(*line):
                yield found
    for found in reader.end():
        yield found


def as_dictionary(value: Any) -> dict[str, Any]:
    """Return `value` if it is a dictionary, else an empty one: exports of others hold anything."""
    return value if isinstance(value, dict) else {}
