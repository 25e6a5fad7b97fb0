"""What imports read and exports write: nothing is lost between the two."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_api.errors import ProblemError
from recall_api.exports.formats import to_markdown, to_ndjson
from recall_api.identifiers import MemoryId
from recall_api.imports.chats import MOST_VALUES, proposals
from recall_api.imports.formats import Candidate, Found, Rejected
from recall_api.imports.reader import MAX_TEXT_BYTES, MAX_ZIP_FILES, Reader
from recall_api.imports.schemas import ImportFormat
from recall_api.imports.service import draft_of
from recall_api.memories.model import Draft, Memory, MemoryContent, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
_said = _words.filter(str.strip)
_awkward = st.lists(
    st.sampled_from(
        ["<!-- recall {} -->", "\\<!-- recall ", "-->", "\r", "", " ", "# a", "- b", "\u2028", "```", "\\"]
    ),
    min_size=1,
    max_size=6,
).map("\n".join)
_SPAN = datetime(2, 1, 1), datetime(9000, 1, 1)  # noqa: DTZ001 - hypothesis adds the zones
_moments = st.datetimes(*_SPAN, timezones=st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))]
))  # fmt: skip
_contents = st.builds(
    MemoryContent,
    text=st.one_of(_said, _awkward.filter(str.strip)),
    tags=st.lists(_said.map(lambda tag: tag.strip()[:50].strip()).filter(bool), max_size=4, unique=True).map(tuple),
    occurred_at=st.none() | _moments,
    pinned=st.booleans(),
    never_send_to=st.lists(st.sampled_from(["*", "amazon.nova-lite-v1:0"]), max_size=2, unique=True).map(tuple),
)
_memories = st.builds(
    Memory,
    id=st.integers(0, 2**120).map(lambda number: MemoryId(f"{number:026d}"[-26:].replace("8", "7").replace("9", "7"))),
    content=_contents,
    version=st.just(1),
    created_at=_moments,
    updated_at=_moments,
    source=st.sampled_from(Source),
    origin=st.sampled_from(["", "chatgpt", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]),
)


async def _chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(kind: ImportFormat, data: bytes | str, size: int = 7) -> list[Found]:
    return [found async for found in Reader().candidates(kind, _chunks(as_bytes(data), size))]


def as_bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def as_draft(memory: Memory) -> Draft:
    return Draft(memory.id, memory.content, memory.source, memory.origin, memory.created_at, memory.updated_at)


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json").replace("_md", ".md"), text)
    return buffer.getvalue()


async def texts(kind: ImportFormat, data: bytes | str) -> list[str]:
    return [found.memory.text for found in await read(kind, data) if isinstance(found, Candidate)]


@pytest.mark.parametrize(("kind", "write"), [(ImportFormat.NDJSON, to_ndjson), (ImportFormat.MARKDOWN, to_markdown)])
@given(memories=st.lists(_memories, max_size=5), size=st.integers(1, 500))
async def test_what_is_exported_is_read_back_the_same(
    kind: ImportFormat, write: type, memories: list[Memory], size: int
) -> None:
    exported = "".join(map(write, memories))
    found = await read(kind, exported, size)
    assert [draft_of(one, kind) for one in found if isinstance(one, Candidate)] == list(map(as_draft, memories))
    assert not [one for one in found if isinstance(one, Rejected)]


@given(data=st.binary(max_size=300), kind=st.sampled_from(ImportFormat))
async def test_no_bytes_break_a_reader(data: bytes, kind: ImportFormat) -> None:
    try:
        await read(kind, data)
    except ProblemError as problem:
        assert problem.status == 422  # noqa: PT017 - either is right


async def test_bad_lines_are_told_by_their_number() -> None:
    lines = [
        '{"text": "one"}',
        "",
        "{",
        '{"text": ""}',
        '{"text": "two", "id": "x"}',
        '{"txt": 1}',
        '{"text": "three"}',
    ]
    found = await read(ImportFormat.NDJSON, "\r\n".join(lines))
    assert [(one.line, type(one).__name__) for one in found] == [
        (1, "Candidate"),
        (3, "Rejected"),
        (4, "Rejected"),
        (5, "Rejected"),
        (6, "Rejected"),
        (7, "Candidate"),
    ]
    assert [one.field for one in found if isinstance(one, Rejected)] == [None, "text", "id", "text"]


async def test_a_line_that_never_ends_is_refused_and_not_held() -> None:
    found = await read(ImportFormat.NDJSON, '{"text": "' + "x" * 3_000_000 + '"}\n{"text": "next"}', 65_536)
    assert [(one.line, type(one).__name__) for one in found] == [(1, "Rejected"), (2, "Candidate")]


@pytest.mark.parametrize("packed", [False, True])
async def test_a_conversation_that_would_fill_the_memory_is_left_out_and_the_others_are_read(packed: bool) -> None:
    good = json.dumps({"chat_messages": [{"sender": "human", "text": "I live in Graz."}]})
    export = f'[{good},{{"chat_messages":[{"[]," * MOST_VALUES}0]}},7,{good}]'
    data = zipped(conversations_json=export) if packed else export
    tracemalloc.start()
    try:
        found = [one async for one in Reader().candidates(ImportFormat.CLAUDE, _chunks(as_bytes(data), 65_536))]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(one.line, type(one).__name__) for one in found] == [(1, "Candidate"), (2, "Rejected"), (4, "Candidate")]
    assert most < 60_000_000


@pytest.mark.parametrize("size", [65_536, 7])
async def test_a_zip_of_very_many_files_is_refused_before_its_contents_are_read(size: int) -> None:
    entry = zipped(a_md="x")
    entry = entry[entry.index(b"PK\x01\x02") : entry.index(b"PK\x05\x06")]
    with pytest.raises(ProblemError) as refused:
        await read(ImportFormat.MARKDOWN, b"PK" + entry * (MAX_ZIP_FILES + 1), size)
    assert refused.value.status == 413


@pytest.mark.parametrize("packed", [False, True])
async def test_a_text_that_never_ends_is_refused_and_not_held(packed: bool) -> None:
    export = '[{"chat_messages": "' + "x" * (MAX_TEXT_BYTES + 100_000) + '"}]'
    with pytest.raises(ProblemError) as refused:
        await read(ImportFormat.CLAUDE, zipped(conversations_json=export) if packed else export, 65_536)
    assert refused.value.status == 422


async def test_texts_are_lines_or_paragraphs() -> None:
    text = "\ufeffThe cat is Mizzi.\r\n\r\n- She is nine.\nAnd grey.\n"
    assert await texts(ImportFormat.TEXT, text) == ["The cat is Mizzi.", "- She is nine.", "And grey."]
    assert await texts(ImportFormat.PARAGRAPHS, text) == ["The cat is Mizzi.", "- She is nine.\nAnd grey."]


async def test_any_markdown_is_paragraphs_and_items() -> None:
    text = "# Home\n\nThe key is\nunder the pot.\n\n- one\n- two\n  goes on\n1. three\n---\n"
    assert await texts(ImportFormat.MARKDOWN, text) == ["The key is\nunder the pot.", "one", "two\n  goes on", "three"]


async def test_a_folder_of_notes_gets_its_names_as_tags() -> None:
    found = await read(
        ImportFormat.MARKDOWN, zipped(notes__Home_md="The key is here.", notes__pic="x", Trip_md="- Graz")
    )
    assert [(one.memory.text, one.memory.tags) for one in found if isinstance(one, Candidate)] == [
        ("The key is here.", ["Home"]),
        ("Graz", ["Trip"]),
    ]


CHATGPT = json.dumps(
    [
        {
            "title": "a",
            "mapping": {
                "1": {"message": {"author": {"role": "user"}, "create_time": 1700000000.5, "content":
                    {"content_type": "text", "parts": ["I am allergic to peanuts. What can I eat?", {"image": 1}]}}},
                "2": {"message": {"author": {"role": "assistant"}, "content":
                    {"content_type": "text", "parts": ["I am a model and I live in a cloud."]}}},
                "3": {"message": None},
                "4": None,
            },
        },
        {"mapping": {"1": {"message": {"author": {"role": "user"}, "create_time": 1e300, "content":
            {"content_type": "text", "parts": ["My sister is called Eva."]}}}}},
        17,
    ]
)  # fmt: skip
CLAUDE = json.dumps(
    [
        {
            "chat_messages": [
                {"sender": "human", "text": "I live in Graz.", "created_at": "2025-01-02T03:04:05Z"},
                {"sender": "assistant", "text": "I like Graz very much."},
            ]
        }
    ]
)


@pytest.mark.parametrize("pack", [str.encode, lambda text: zipped(export__conversations_json=text)])
async def test_only_what_users_said_of_themselves_is_proposed(pack: type) -> None:
    found = await read(ImportFormat.CHATGPT, pack(CHATGPT))
    assert [(one.line, one.memory.text) for one in found if isinstance(one, Candidate)] == [
        (1, "I am allergic to peanuts."),
        (2, "My sister is called Eva."),
    ]
    assert await texts(ImportFormat.CLAUDE, pack(CLAUDE)) == ["I live in Graz."]


@pytest.mark.parametrize("text", ["I am a function:\n```\nx\n```", "Am I right?", "I am", "x" * 5000 + " I am here."])
def test_what_is_no_statement_is_not_proposed(text: str) -> None:
    assert list(proposals(text)) == []


@pytest.mark.parametrize("kind", [ImportFormat.CHATGPT, ImportFormat.CLAUDE])
@pytest.mark.parametrize("data", [b"", b"{}", b"[", b"PK\3\4 no zip", zipped(other_json="[]"), b"nothing"])
async def test_what_is_no_export_is_refused_or_empty(kind: ImportFormat, data: bytes) -> None:
    try:
        assert await read(kind, data) == []
    except ProblemError as problem:
        assert problem.status == 422  # noqa: PT017 - either is right
