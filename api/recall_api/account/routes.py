"""`/v1/account`: for signed-in people only, never for personal access tokens."""

import re
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Path, Query, Request

from recall_api.account.schemas import (
    AccountUpdate,
    AccountView,
    Receipt,
    TokenCreate,
    TokenCreated,
    TokenList,
    TokenView,
)
from recall_api.account.service import AccountService
from recall_api.auth.dependencies import CurrentUser, LeavingUser
from recall_api.errors import problem_responses
from recall_api.identifiers import ULID_PATTERN

router = APIRouter(prefix="/v1/account", tags=["account"], responses=problem_responses(401, 403, 422, 503))


async def _service(request: Request) -> AccountService:
    return cast("AccountService", request.app.state.account)


Service = Annotated[AccountService, Depends(_service)]


@router.get("", operation_id="getAccount")
async def read(user: CurrentUser, service: Service) -> AccountView:
    """Return the account."""
    return AccountView.of(user.user_id, await service.profile(user.user_id))


@router.patch("", operation_id="updateAccount", responses=problem_responses(413))
async def update(body: AccountUpdate, user: CurrentUser, service: Service) -> AccountView:
    """Change the account."""
    return AccountView.of(user.user_id, await service.change_profile(user.user_id, body.attributes()))


@router.post("/sign-out-everywhere", status_code=204, operation_id="signOutEverywhere")
async def sign_out_everywhere(user: CurrentUser, service: Service) -> None:
    """Refuse every session that began until now, this one too. Personal access tokens stay: revoke those by name."""
    await service.end_sessions(user.user_id)


@router.get("/tokens", operation_id="listPersonalTokens")
async def list_tokens(user: CurrentUser, service: Service) -> TokenList:
    """List personal access tokens."""
    return TokenList(items=[TokenView.of(token) for token in await service.tokens(user.user_id)])


@router.post("/tokens", status_code=201, operation_id="createPersonalToken", responses=problem_responses(409, 413))
async def create_token(body: TokenCreate, user: CurrentUser, service: Service) -> TokenCreated:
    """Make a personal access token; it is shown this once."""
    token, text = await service.create_token(user.user_id, body)
    return TokenCreated(**dict(TokenView.of(token)), token=text)


@router.delete(
    "/tokens/{tokenId}", status_code=204, operation_id="revokePersonalToken", responses=problem_responses(404)
)
async def revoke_token(
    token_id: Annotated[str, Path(alias="tokenId", max_length=64)], user: CurrentUser, service: Service
) -> None:
    """Revoke a personal access token."""
    await service.revoke_token(user.user_id, token_id if re.fullmatch(ULID_PATTERN, token_id) else "0")


@router.delete("", status_code=202, operation_id="deleteAccount")
async def delete(
    user: LeavingUser,
    service: Service,
    confirm: Annotated[Literal["delete-everything"], Query(description="So that no client does it by mistake.")],
) -> Receipt:
    """Delete everything of this user: from now on no token is taken; `GET /v1/account/deletion` tells how far it is."""
    del confirm
    return Receipt.of(await service.delete(user))


@router.get("/deletion", operation_id="getDeletion", responses=problem_responses(404))
async def deletion(user: LeavingUser, service: Service) -> Receipt:
    """Return the receipt of the deletion, also after it: the token of the session that asked for it opens it."""
    return Receipt.of(await service.deletion(user.user_id))
