"""`/v1/admin/usage`: for users in the user pool's group of administrators."""

import re
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import APIRouter, Query, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import not_found, problem_responses
from recall_api.pages import MAX_CURSOR_LENGTH, invalid_cursor
from recall_api.usage.routes import MonthQuery, Service
from recall_api.usage.schemas import Spending, SpendingPage, UserSpending

if TYPE_CHECKING:
    from recall_api.instance import InstanceKeys
    from recall_api.usage.spenders import SpendersRepository

ADMINISTRATORS: Final = "recall-admins"
"""Cognito group whose members may see everybody's spending."""

_USER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

router = APIRouter(prefix="/v1/admin/usage", tags=["administration"], responses=problem_responses(401, 404, 422, 503))


@router.get("", operation_id="listSpending")
async def list_spending(
    user: CurrentUser,
    service: Service,
    request: Request,
    month: MonthQuery = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)] = None,
) -> SpendingPage:
    """List what each user spent in a month: sums only, nothing of what anybody wrote. For administrators."""
    if ADMINISTRATORS not in user.groups:
        raise not_found("page")
    month = month or service.current_month()
    cursors = await cast("InstanceKeys", request.app.state.instance_keys).cursors()
    kind = f"spenders:{month}"
    after = cursors.open(user.user_id, kind, cursor) if cursor is not None else None
    if after is not None and not _USER.fullmatch(after):
        raise invalid_cursor()
    spenders = cast("SpendersRepository", request.app.state.spenders)
    found, last = await spenders.page(month, limit=limit, after=after)
    return SpendingPage(
        items=[UserSpending(**dict(Spending.of(spent)), user_id=name) for name, spent in found],
        next_cursor=cursors.seal(user.user_id, kind, last) if last else None,
    )
