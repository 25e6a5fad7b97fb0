"""`/v1/imports`."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import invalid, problem_responses
from recall_api.imports.schemas import ImportFormat, ImportReport
from recall_api.imports.service import ImportService

PATH = "/v1/imports"
router = APIRouter(prefix=PATH, tags=["imports"], responses=problem_responses(401, 413, 422, 503))

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The file itself, of at most 64 MiB; a ZIP of at most 24 MiB.",
    }
}


async def _service(request: Request) -> ImportService:
    return cast("ImportService", request.app.state.imports)


@router.post("", operation_id="importMemories", openapi_extra=_BODY)
async def run(
    request: Request,
    user: CurrentUser,
    service: Annotated[ImportService, Depends(_service)],
    file_format: Annotated[ImportFormat, Query(alias="format")],
    dry_run: Annotated[bool, Query(alias="dryRun", description="Only tell what would be stored.")] = False,
) -> ImportReport:
    """Store the memories of a file. Doing it again stores nothing twice.

    Chats with other assistants are only read (`dryRun=true`): send what you choose of the proposals to
    `/v1/memories/batch` with `importedFrom`.
    """
    if file_format.is_chat and not dry_run:
        raise invalid(
            "query.dryRun",
            "Of chats only proposals are made: set dryRun=true and send what you choose to /v1/memories/batch.",
            "import_of_chats",
        )
    return await service.run(user.user_id, file_format, request.stream(), dry_run=dry_run)
