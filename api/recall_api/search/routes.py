"""`/v1/recall`."""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import problem_responses
from recall_api.memories.model import Memory
from recall_api.memories.schemas import MemoryView
from recall_api.search.schemas import Explanation, RecallAnswer, RecallHit, RecallRequest
from recall_api.search.service import SearchService

router = APIRouter(prefix="/v1/recall", tags=["recall"], responses=problem_responses(401, 413, 422, 503))


def _service(request: Request) -> SearchService:
    return cast("SearchService", request.app.state.search)


def filter_of(body: RecallRequest) -> Callable[[Memory], bool] | None:
    """Return what a memory must be to be found; none when anything goes."""
    tags, after, before = frozenset(body.tags), body.occurred_after, body.occurred_before
    if not tags and after is None and before is None:
        return None

    def accepts(memory: Memory) -> bool:
        occurred_at = memory.content.occurred_at
        if (after is not None or before is not None) and occurred_at is None:
            return False
        return (
            tags <= set(memory.content.tags)
            and (after is None or occurred_at is None or occurred_at >= after)
            and (before is None or occurred_at is None or occurred_at < before)
        )

    return accepts


@router.post("", operation_id="recall")
async def recall(
    body: RecallRequest, user: CurrentUser, service: Annotated[SearchService, Depends(_service)]
) -> RecallAnswer:
    """Find memories by words and by meaning; every hit says why it is one."""
    found = await service.search(user.user_id, body.query, limit=body.limit, accepts=filter_of(body))
    hits = [RecallHit(memory=MemoryView.of(hit.memory), explanation=Explanation.of(hit)) for hit in found.hits]
    return RecallAnswer(hits=hits, by_meaning=found.by_meaning)
