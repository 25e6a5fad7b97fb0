"""From a request's body to candidates, whatever the format: streams where it can, a temporary file where it must."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Final

import ijson  # type: ignore[import-untyped]

from recall_api.errors import ProblemError, invalid
from recall_api.imports import chats, formats
from recall_api.imports.schemas import ImportFormat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MAX_ZIP_BYTES: Final = 25_165_824
"""The pod's temporary folder has 64 MiB, and `ZIPS_AT_ONCE` share it."""
ZIPS_AT_ONCE: Final = 2
MAX_UNPACKED_BYTES: Final = 536_870_912
"""What one ZIP may unpack to, so that a small one can't keep a pod busy for hours."""
MAX_ZIP_FILES: Final = 20_000
"""Files of one ZIP: its table of contents is read whole, at some ten times its size."""
_ZIP_ENTRY: Final = b"PK\x01\x02"
"""Before each file in the table of contents. Source: PKWARE's APPNOTE.TXT, 4.3.12."""
MAX_TEXT_BYTES: Final = 16_777_216
"""The longest text in an export of chats: a parser holds it whole."""
IN_MEMORY_BYTES: Final = 1_048_576
STEP: Final = 200
"""Candidates taken at once from a file that is read on a thread."""


class Reader:
    """Reads bodies."""

    def __init__(self) -> None:
        self._zips = asyncio.Semaphore(ZIPS_AT_ONCE)

    async def candidates(self, kind: ImportFormat, body: AsyncIterator[bytes]) -> AsyncIterator[formats.Found]:
        """Yield what a body holds.

        Raises:
            ProblemError: it is not of the format at all (422), or too large a ZIP (413).
        """
        body = _with_content(body)
        first = await anext(body, b"")
        whole = _chain(first, body)
        if first.startswith(b"PK"):
            async for found in self._from_zip(kind, whole):
                yield found
            return
        match kind:
            case ImportFormat.NDJSON:
                found_in = formats.ndjson(whole)
            case ImportFormat.TEXT:
                found_in = formats.plain(whole)
            case ImportFormat.PARAGRAPHS:
                found_in = formats.markdown(whole, items=False)
            case ImportFormat.MARKDOWN:
                found_in = formats.markdown(whole)
            case ImportFormat.CHATGPT | ImportFormat.CLAUDE:
                found_in = _conversations(kind, whole)
        async for found in found_in:
            yield found

    async def _from_zip(self, kind: ImportFormat, body: AsyncIterator[bytes]) -> AsyncIterator[formats.Found]:
        async with self._zips:
            with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                size, files, before = 0, 0, b""
                async for chunk in body:
                    size += len(chunk)
                    if size > MAX_ZIP_BYTES:
                        raise _too_large(f"A ZIP may have {MAX_ZIP_BYTES:,} bytes; unpack it.")
                    files += (before + chunk).count(_ZIP_ENTRY)
                    if files > MAX_ZIP_FILES:
                        raise _too_large(f"A ZIP may have {MAX_ZIP_FILES:,} files; send parts of it.")
                    before = (before + chunk)[1 - len(_ZIP_ENTRY) :]
                    await asyncio.to_thread(file.write, chunk)
                found = _from_file(kind, file)
                while step := await asyncio.to_thread(lambda: list(itertools.islice(found, STEP))):
                    for candidate in step:
                        yield candidate


def _too_large(detail: str) -> ProblemError:
    return ProblemError(413, "too-large", "Request too large", detail)


def _unreadable(kind: ImportFormat) -> ProblemError:
    return invalid("body", f"The body is no {kind.value} export.", "import_unreadable")


async def _with_content(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in body:
        if chunk:
            yield chunk


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


class _Bounded:
    """Bytes on their way to a parser, which holds a text until its end: no more of them than `MAX_TEXT_BYTES`."""

    def __init__(self) -> None:
        self.unparsed = 0
        """Bytes since the parser made something of them."""

    def count(self, chunk: bytes) -> bytes:
        """Return `chunk`.

        Raises:
            ValueError: it belongs to a text that is too long.
        """
        self.unparsed += len(chunk)
        if self.unparsed > MAX_TEXT_BYTES:
            raise ValueError("a text is too long")
        return chunk


class _Stream(_Bounded):
    """A body as ijson reads one."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks

    async def read(self, size: int) -> bytes:
        """Return the next chunk, whatever `size`; ijson asks for 0 to learn that these are bytes."""
        return self.count(await anext(self._chunks, b"")) if size else b""


class _File(_Bounded):
    """A file as ijson reads one."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        return self.count(self._file.read(size))


async def _conversations(kind: ImportFormat, body: AsyncIterator[bytes]) -> AsyncIterator[formats.Found]:
    messages = chats.chatgpt_messages if kind is ImportFormat.CHATGPT else chats.claude_messages
    try:
        source, found, number = _Stream(body), chats.Conversations(), 0
        async for event, value in ijson.basic_parse_async(source):
            source.unparsed = 0
            for conversation in found.feed(event, value):
                number += 1
                for candidate in chats.candidates(number, conversation, messages):
                    yield candidate
    except (ijson.JSONError, UnicodeDecodeError, ValueError):
        raise _unreadable(kind) from None


def _from_file(kind: ImportFormat, file: IO[bytes]) -> Iterator[formats.Found]:
    with _as_problem(kind), zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise _too_large("The ZIP unpacks to too much; send parts of it.")
        if kind.is_chat:
            member = next((m for m in members if PurePosixPath(m.filename).name == "conversations.json"), None)
            if member is None:
                raise _unreadable(kind)
            messages = chats.chatgpt_messages if kind is ImportFormat.CHATGPT else chats.claude_messages
            with archive.open(member) as unpacked:
                bounded, found, number = _File(unpacked), chats.Conversations(), 0
                for event, value in ijson.basic_parse(bounded):
                    bounded.unparsed = 0
                    for conversation in found.feed(event, value):
                        number += 1
                        yield from chats.candidates(number, conversation, messages)
        elif kind is ImportFormat.MARKDOWN:
            notes = [member for member in members if member.filename.endswith((".md", ".markdown"))]
            for number, member in enumerate(notes, 1):
                with archive.open(member) as source:
                    yield from _note(number, PurePosixPath(member.filename).stem, source)
        else:
            raise _unreadable(kind)


@contextmanager
def _as_problem(kind: ImportFormat) -> Iterator[None]:
    """Answer for a ZIP that can't be read: broken, encrypted, or packed in a way that is not known."""
    try:
        yield
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OSError, zlib.error):
        raise _unreadable(kind) from None


def _note(number: int, name: str, source: IO[bytes]) -> Iterator[formats.Found]:
    reader = formats.MarkdownReader([name[:50]] if name.strip() else ())
    while line := source.readline(formats.MAX_LINE_BYTES):
        try:
            text = line.rstrip(b"\n").decode()
        except UnicodeDecodeError:
            yield formats.Rejected(number, None, "a line is not UTF-8")
            continue
        yield from reader.feed(number, text)
    yield from reader.end()
