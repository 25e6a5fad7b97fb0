"""`/v1/recall`."""

from typing import Annotated, cast
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import problem_responses
from recall_api.memories.schemas import MemoryView
from recall_api.search.filters import Filter
from recall_api.search.schemas import Explanation, RecallAnswer, RecallHit, RecallRequest, TimeSpan
from recall_api.search.service import SearchService

router = APIRouter(prefix="/v1/recall", tags=["recall"], responses=problem_responses(401, 413, 422, 503))


async def _service(request: Request) -> SearchService:
    return cast("SearchService", request.app.state.search)


def filter_of(body: RecallRequest) -> Filter:
    """Return what a memory must be to be found."""
    return Filter(frozenset(body.tags), body.occurred_after, body.occurred_before)


@router.post("", operation_id="recall")
async def recall(
    body: RecallRequest, user: CurrentUser, service: Annotated[SearchService, Depends(_service)]
) -> RecallAnswer:
    """Find memories by words and by meaning; every hit says why it is one."""
    found = await service.search(
        user.user_id, body.query, limit=body.limit, wanted=filter_of(body), zone=ZoneInfo(body.time_zone)
    )
    hits = [RecallHit(memory=MemoryView.of(hit.memory), explanation=Explanation.of(hit)) for hit in found.hits]
    times = [TimeSpan.of(time) for time in found.times]
    return RecallAnswer(hits=hits, by_meaning=found.by_meaning, times=times)
