"""What a route declares to know its user: `user: CurrentUser`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from recall_api.auth.schemas import Principal

if TYPE_CHECKING:
    from recall_api.auth.service import Authenticator

_scheme = HTTPBearer(
    scheme_name="accessToken",
    bearerFormat="JWT",
    description="An access token of the user pool, made for this instance's client.",
    auto_error=False,
)


async def current_user(request: Request, _documented: Annotated[object, Depends(_scheme)]) -> Principal:
    """Return the signed-in user; 401 when there is none."""
    authenticator = cast("Authenticator", request.app.state.authenticator)
    return await authenticator.authenticate(
        request.headers.getlist("authorization"), method=request.method, path=request.url.path
    )


async def leaving_user(request: Request, _documented: Annotated[object, Depends(_scheme)]) -> Principal:
    """Return whose session it is, also of an account that is leaving or has left; 401 without one, or an ended one."""
    authenticator = cast("Authenticator", request.app.state.authenticator)
    return await authenticator.authenticate_leaving(request.headers.getlist("authorization"))


CurrentUser = Annotated[Principal, Depends(current_user)]
LeavingUser = Annotated[Principal, Depends(leaving_user)]
