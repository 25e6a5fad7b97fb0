"""`/v1/conversations`."""

import re
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from recall_api.auth.dependencies import CurrentUser
from recall_api.auth.personal import TokenScope
from recall_api.auth.service import forbidden
from recall_api.chat.conversation_schemas import (
    ConversationPage,
    ConversationUpdate,
    ConversationView,
    MessagePage,
    MessageView,
)
from recall_api.chat.conversations import ConversationService, conversation_id_of
from recall_api.errors import problem_responses
from recall_api.identifiers import ULID_PATTERN, ConversationId, MessageId, UserId
from recall_api.memories.schemas import MemoryStored, MemoryView
from recall_api.pages import MAX_CURSOR_LENGTH, CursorSealer, invalid_cursor

if TYPE_CHECKING:
    from recall_api.instance import InstanceKeys

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], responses=problem_responses(401, 422, 503))


async def _service(request: Request) -> ConversationService:
    return cast("ConversationService", request.app.state.conversations)


async def _cursors(request: Request) -> CursorSealer:
    return await cast("InstanceKeys", request.app.state.instance_keys).cursors()


Service = Annotated[ConversationService, Depends(_service)]
Cursors = Annotated[CursorSealer, Depends(_cursors)]
IdPath = Annotated[str, Path(alias="conversationId", description="Id of the conversation.", max_length=64)]
ProposalPath = Annotated[str, Path(alias="proposalId", description="Id of the proposal.", max_length=64)]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)]


def _position(cursors: CursorSealer, user_id: UserId, kind: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    position = cursors.open(user_id, kind, cursor)
    if not re.fullmatch(ULID_PATTERN, position):
        raise invalid_cursor()
    return position


@router.get("", operation_id="listConversations")
async def list_conversations(
    user: CurrentUser, service: Service, cursors: Cursors, limit: Limit = 50, cursor: Cursor = None
) -> ConversationPage:
    """List conversations, those begun last first."""
    after = _position(cursors, user.user_id, "conversations", cursor)
    found, last = await service.page(user.user_id, limit=limit, after=ConversationId(after) if after else None)
    return ConversationPage(
        items=[ConversationView.of(conversation) for conversation in found],
        next_cursor=cursors.seal(user.user_id, "conversations", last) if last else None,
    )


@router.get("/{conversationId}", operation_id="getConversation", responses=problem_responses(404))
async def read(conversation_id: IdPath, user: CurrentUser, service: Service) -> ConversationView:
    """Return one conversation, without its messages."""
    return ConversationView.of(await service.get(user.user_id, conversation_id_of(conversation_id)))


@router.get("/{conversationId}/messages", operation_id="listMessages", responses=problem_responses(404))
async def list_messages(
    conversation_id: IdPath,
    user: CurrentUser,
    service: Service,
    cursors: Cursors,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> MessagePage:
    """List a conversation's messages, the last one first."""
    conversation = conversation_id_of(conversation_id)
    kind = f"messages:{conversation}"
    before = _position(cursors, user.user_id, kind, cursor)
    found, last = await service.messages(
        user.user_id, conversation, limit=limit, before=MessageId(before) if before else None
    )
    return MessagePage(
        items=[MessageView.of(message) for message in found],
        next_cursor=cursors.seal(user.user_id, kind, last) if last else None,
    )


@router.patch("/{conversationId}", operation_id="renameConversation", responses=problem_responses(404, 413))
async def rename(
    conversation_id: IdPath, body: ConversationUpdate, user: CurrentUser, service: Service
) -> ConversationView:
    """Give a conversation another title."""
    return ConversationView.of(await service.rename(user.user_id, conversation_id_of(conversation_id), body.title))


@router.delete(
    "/{conversationId}", status_code=204, operation_id="deleteConversation", responses=problem_responses(404)
)
async def delete(conversation_id: IdPath, user: CurrentUser, service: Service) -> None:
    """Delete a conversation with all that was said. Memories that came of it stay."""
    await service.delete(user.user_id, conversation_id_of(conversation_id))


@router.post(
    "/{conversationId}/proposals/{proposalId}/accept",
    status_code=201,
    operation_id="acceptProposal",
    responses={
        200: {"model": MemoryStored, "description": "It was there already."},
        **problem_responses(403, 404, 409),
    },
)
async def accept(
    conversation_id: IdPath, proposal_id: ProposalPath, user: CurrentUser, service: Service, response: Response
) -> MemoryStored:
    """Store what was proposed as a memory; a personal access token needs `memories:write` too."""
    if user.token_id is not None and TokenScope.MEMORIES_WRITE not in user.scopes:
        raise forbidden(TokenScope.MEMORIES_WRITE)
    memory, is_new = await service.accept(user.user_id, conversation_id_of(conversation_id), proposal_id)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/memories/{memory.id}"
    return MemoryStored(**dict(MemoryView.of(memory)), duplicate=not is_new)


@router.post(
    "/{conversationId}/proposals/{proposalId}/reject",
    status_code=204,
    operation_id="rejectProposal",
    responses=problem_responses(404, 409),
)
async def reject(conversation_id: IdPath, proposal_id: ProposalPath, user: CurrentUser, service: Service) -> None:
    """Say that what was proposed is not to be stored."""
    await service.reject(user.user_id, conversation_id_of(conversation_id), proposal_id)
