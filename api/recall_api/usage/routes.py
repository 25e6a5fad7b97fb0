"""`/v1/usage`."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import problem_responses
from recall_api.usage.schemas import MonthText, UsageAnswer
from recall_api.usage.service import UsageService

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=problem_responses(401, 422, 503))


async def usage_service(request: Request) -> UsageService:
    """Return the application's budgets."""
    return cast("UsageService", request.app.state.usage)


Service = Annotated[UsageService, Depends(usage_service)]
MonthQuery = Annotated[MonthText | None, Query(description="A UTC month such as `202611`; absent means this one.")]


@router.get("", operation_id="getUsage")
async def usage(user: CurrentUser, service: Service, month: MonthQuery = None) -> UsageAnswer:
    """Return what you spent in a month, by model, and what is left."""
    found = await service.month(user.user_id, month or service.current_month())
    tier = await service.tier(user.user_id)
    return UsageAnswer.for_user(found, tier, service.budget(tier))
