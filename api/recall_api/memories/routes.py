"""`/v1/memories`."""

import re
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import invalid, problem_responses
from recall_api.identifiers import ULID_PATTERN, MemoryId
from recall_api.memories.model import Source
from recall_api.memories.schemas import MemoryCreate, MemoryPage, MemoryStored, MemoryUpdate, MemoryView, Tag
from recall_api.memories.service import MemoryService, etag
from recall_api.pages import MAX_CURSOR_LENGTH, CursorSealer, invalid_cursor

if TYPE_CHECKING:
    from recall_api.instance import InstanceKeys

router = APIRouter(prefix="/v1/memories", tags=["memories"], responses=problem_responses(401, 422, 503))

_ETAGS: Final = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*')


def _service(request: Request) -> MemoryService:
    return cast("MemoryService", request.app.state.memories)


async def _cursors(request: Request) -> CursorSealer:
    return await cast("InstanceKeys", request.app.state.instance_keys).cursors()


def expected_etags(header: str | None) -> frozenset[str] | None:
    """Return the ETags of an `If-Match` header; none when it asks for nothing (absent, or `*`).

    Weak ETags never match (RFC 9110, 13.1.1).

    Raises:
        ProblemError: it is no list of ETags (422).
    """
    if header is None or header.strip() == "*":
        return None
    if not _ETAGS.fullmatch(header):
        raise invalid("header.If-Match", 'If-Match must be * or a list of ETags such as "3".', "etag_invalid")
    return frozenset(tag.strip() for tag in header.split(","))


Service = Annotated[MemoryService, Depends(_service)]
MemoryIdPath = Annotated[str, Path(alias="memoryId", description="Id of the memory.", max_length=64)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=1024, description="ETag that the memory must still have.")
]


def _memory_id(text: str) -> MemoryId:
    # What can't be an id names no memory: a 404 like any other, and never a part of a key.
    return MemoryId(text if re.fullmatch(ULID_PATTERN, text) else "0" * 26)


@router.post(
    "",
    status_code=201,
    operation_id="createMemory",
    responses={200: {"model": MemoryStored, "description": "It was there already."}, **problem_responses(413)},
)
async def create(body: MemoryCreate, user: CurrentUser, service: Service, response: Response) -> MemoryStored:
    """Store a memory. One that says the same is returned as it is, with status 200."""
    memory, is_new = await service.create(user.user_id, body.content(), Source.TYPED)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"{router.prefix}/{memory.id}"
    response.headers["ETag"] = etag(memory)
    return MemoryStored(**dict(MemoryView.of(memory)), duplicate=not is_new)


@router.get("", operation_id="listMemories")
async def list_memories(
    user: CurrentUser,
    service: Service,
    cursors: Annotated[CursorSealer, Depends(_cursors)],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=20, description="Only memories with all of these tags.")] = None,
) -> MemoryPage:
    """List memories, the newest first."""
    after = cursors.open(user.user_id, "memories", cursor) if cursor is not None else None
    if after is not None and not re.fullmatch(ULID_PATTERN, after):
        raise invalid_cursor()
    page = await service.page(
        user.user_id, limit=limit, after=MemoryId(after) if after else None, tags=frozenset(tag or ())
    )
    return MemoryPage(
        items=[MemoryView.of(memory) for memory in page.memories],
        next_cursor=cursors.seal(user.user_id, "memories", page.last) if page.last else None,
    )


@router.get("/{memoryId}", operation_id="getMemory", responses=problem_responses(404))
async def read(memory_id: MemoryIdPath, user: CurrentUser, service: Service, response: Response) -> MemoryView:
    """Return one memory."""
    memory = await service.get(user.user_id, _memory_id(memory_id))
    response.headers["ETag"] = etag(memory)
    return MemoryView.of(memory)


@router.patch("/{memoryId}", operation_id="updateMemory", responses=problem_responses(404, 409, 412, 413))
async def update(
    memory_id: MemoryIdPath,
    body: MemoryUpdate,
    user: CurrentUser,
    service: Service,
    response: Response,
    if_match: IfMatch = None,
) -> MemoryView:
    """Change a memory; with `If-Match` only if it is still what you read."""
    memory = await service.update(user.user_id, _memory_id(memory_id), body, expected_etags(if_match))
    response.headers["ETag"] = etag(memory)
    return MemoryView.of(memory)


@router.delete("/{memoryId}", status_code=204, operation_id="deleteMemory", responses=problem_responses(404, 412))
async def delete(memory_id: MemoryIdPath, user: CurrentUser, service: Service, if_match: IfMatch = None) -> None:
    """Delete a memory; with `If-Match` only if it is still what you read."""
    await service.delete(user.user_id, _memory_id(memory_id), expected_etags(if_match))
