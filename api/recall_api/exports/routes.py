"""`/v1/exports` and `/v1/account/export`: everything out, streamed."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from recall_api.account.repository import AccountRepository
from recall_api.auth.dependencies import CurrentUser
from recall_api.auth.schemas import Principal
from recall_api.errors import problem_responses
from recall_api.exports.formats import item_to_ndjson, to_markdown, to_ndjson
from recall_api.memories.service import MemoryService

router = APIRouter(tags=["exports"], responses=problem_responses(401, 403, 422, 503))


_TEXT = {"schema": {"type": "string"}}


class ExportFormat(StrEnum):
    """What can be written; both are read back without loss."""

    NDJSON = "ndjson"
    MARKDOWN = "markdown"


async def _memories(request: Request) -> MemoryService:
    return cast("MemoryService", request.app.state.memories)


async def _accounts(request: Request) -> AccountRepository:
    return cast("AccountRepository", request.app.state.accounts)


async def _written(service: MemoryService, user: Principal, file_format: ExportFormat) -> AsyncIterator[str]:
    write = to_ndjson if file_format is ExportFormat.NDJSON else to_markdown
    async for page in service.all(user.user_id):
        yield "".join(map(write, page))


@router.get(
    "/v1/exports/memories",
    operation_id="exportMemories",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"application/x-ndjson": _TEXT, "text/markdown": _TEXT},
            "description": "The file.",
        }
    },
)
async def export_memories(
    user: CurrentUser,
    service: Annotated[MemoryService, Depends(_memories)],
    file_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.NDJSON,
) -> StreamingResponse:
    """Return all memories, the oldest first. Importing the file elsewhere and exporting again gives the same file."""
    is_lines = file_format is ExportFormat.NDJSON
    return StreamingResponse(
        _written(service, user, file_format),
        media_type="application/x-ndjson" if is_lines else "text/markdown",
        headers={"Content-Disposition": f'attachment; filename="memories.{"ndjson" if is_lines else "md"}"'},
    )


_DERIVED = ("VEC#", "HASH#", "CHANGE#", "STATE", "PAT#")
"""What is made from the rest, or is no data of the user but a secret's hash."""


async def _everything(accounts: AccountRepository, user: Principal) -> AsyncIterator[str]:
    async for page in accounts.everything(user.user_id):
        yield "".join(item_to_ndjson(item) for item in page if not item["sk"].startswith(_DERIVED))


@router.get(
    "/v1/account/export",
    operation_id="exportAccount",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": _TEXT}, "description": "The file."}},
)
async def export_account(
    user: CurrentUser, accounts: Annotated[AccountRepository, Depends(_accounts)]
) -> StreamingResponse:
    """Return everything that is kept of this user, as it is kept: memories, deleted ones, history, chats, profile."""
    return StreamingResponse(
        _everything(accounts, user),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="recall.ndjson"'},
    )
