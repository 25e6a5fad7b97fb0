"""`/v1/memories`."""

import re
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from recall_api.auth.dependencies import CurrentUser
from recall_api.auth.schemas import Principal
from recall_api.errors import ProblemError, invalid, problem_responses
from recall_api.identifiers import ULID_PATTERN, MemoryId, new_memory_id
from recall_api.memories.model import Draft, Source
from recall_api.memories.schemas import (
    CreatedItem,
    DeletedItem,
    DeletedMemoryPage,
    DeletedMemoryView,
    ListFilter,
    MemoryBatch,
    MemoryBatchResult,
    MemoryChange,
    MemoryCounts,
    MemoryCreate,
    MemoryHistory,
    MemoryPage,
    MemoryStored,
    MemoryUpdate,
    MemoryView,
)
from recall_api.memories.service import MemoryService, etag
from recall_api.pages import MAX_CURSOR_LENGTH, CursorSealer, invalid_cursor

if TYPE_CHECKING:
    from recall_api.instance import InstanceKeys

router = APIRouter(prefix="/v1/memories", tags=["memories"], responses=problem_responses(401, 422, 503))

_ETAGS: Final = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*')


async def _service(request: Request) -> MemoryService:
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


Cursors = Annotated[CursorSealer, Depends(_cursors)]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)]


def _position(cursors: CursorSealer, user: Principal, kind: str, cursor: str | None) -> MemoryId | None:
    """Return the id in a cursor of the list `kind`, none without one."""
    if cursor is None:
        return None
    position = cursors.open(user.user_id, kind, cursor)
    if not re.fullmatch(ULID_PATTERN, position):
        raise invalid_cursor()
    return MemoryId(position)


@router.get("", operation_id="listMemories")
async def list_memories(
    user: CurrentUser, service: Service, cursors: Cursors, asked: Annotated[ListFilter, Query()]
) -> MemoryPage:
    """List memories, the newest first. A page may hold fewer than `limit` and still have a next one."""
    after = _position(cursors, user, "memories", asked.cursor)
    page = await service.page(user.user_id, limit=asked.limit, after=after, accepted=asked.accepted())
    return MemoryPage(
        items=[MemoryView.of(memory) for memory in page.memories],
        next_cursor=cursors.seal(user.user_id, "memories", page.last) if page.last else None,
    )


@router.get("/counts", operation_id="countMemories")
async def counts(user: CurrentUser, service: Service) -> MemoryCounts:
    """Count memories: all, pinned, deleted, by source and by tag."""
    found = await service.counts(user.user_id)
    return MemoryCounts(**vars(found))


@router.get("/deleted", operation_id="listDeletedMemories")
async def list_deleted(
    user: CurrentUser, service: Service, cursors: Cursors, limit: Limit = 50, cursor: Cursor = None
) -> DeletedMemoryPage:
    """List deleted memories that can still be restored, the newest first."""
    page = await service.deleted_page(
        user.user_id, limit=limit, after=_position(cursors, user, "deleted-memories", cursor)
    )
    return DeletedMemoryPage(
        items=[DeletedMemoryView.of_deleted(deleted) for deleted in page.memories],
        next_cursor=cursors.seal(user.user_id, "deleted-memories", page.last) if page.last else None,
    )


@router.post("/batch", operation_id="batchMemories", responses=problem_responses(413))
async def batch(body: MemoryBatch, user: CurrentUser, service: Service) -> MemoryBatchResult:
    """Store and delete up to 100 memories each; what fails doesn't keep the rest from being done."""
    source = Source.IMPORTED if body.imported_from else Source.TYPED
    drafts = [Draft(new_memory_id(), new.content(), source, body.imported_from or "") for new in body.create]
    stored = await service.create_many(user.user_id, drafts)
    memories = await service.get_many(user.user_id, [memory_id for memory_id, _ in stored])
    created = [
        CreatedItem(status="created" if is_new else "duplicate", memory=MemoryView.of(memories[memory_id]))
        for memory_id, is_new in stored
        if memory_id in memories  # another request may have deleted it meanwhile
    ]
    deleted = []
    for memory_id in body.delete:
        try:
            await service.delete(user.user_id, _memory_id(memory_id), None)
            deleted.append(DeletedItem(status="deleted", id=memory_id))
        except ProblemError as error:
            if error.status != 404:
                raise
            deleted.append(DeletedItem(status="not-found", id=memory_id))
    return MemoryBatchResult(created=created, deleted=deleted)


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
async def delete(
    memory_id: MemoryIdPath,
    user: CurrentUser,
    service: Service,
    if_match: IfMatch = None,
    permanently: Annotated[
        bool, Query(description="Take it from the deleted ones too, with its history; nothing brings it back.")
    ] = False,
) -> None:
    """Delete a memory, which can be restored for 30 days; with `If-Match` only if it is still what you read."""
    await service.delete(user.user_id, _memory_id(memory_id), expected_etags(if_match), permanently=permanently)


@router.post("/{memoryId}/restore", operation_id="restoreMemory", responses=problem_responses(404, 409))
async def restore(memory_id: MemoryIdPath, user: CurrentUser, service: Service, response: Response) -> MemoryView:
    """Bring back a memory that was deleted less than 30 days ago."""
    memory = await service.restore(user.user_id, _memory_id(memory_id))
    response.headers["ETag"] = etag(memory)
    return MemoryView.of(memory)


@router.get("/{memoryId}/history", operation_id="listMemoryHistory", responses=problem_responses(404))
async def history(
    memory_id: MemoryIdPath,
    user: CurrentUser,
    service: Service,
    cursors: Cursors,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> MemoryHistory:
    """List a memory's changes of the last 30 days, the newest first, with what it said before."""
    identifier = _memory_id(memory_id)
    kind = f"history:{identifier}"
    before = int(cursors.open(user.user_id, kind, cursor)) if cursor is not None else None
    page = await service.history_page(user.user_id, identifier, limit=limit, before=before)
    return MemoryHistory(
        items=[MemoryChange.of(entry) for entry in page.entries],
        next_cursor=cursors.seal(user.user_id, kind, str(page.last)) if page.last is not None else None,
    )
