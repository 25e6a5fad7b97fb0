"""`/v1/chat`."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from recall_api.auth.dependencies import CurrentUser
from recall_api.chat.conversations import ConversationService, conversation_id_of
from recall_api.chat.events import ChatResponse, stream
from recall_api.chat.prompt import Inference
from recall_api.chat.schemas import EVENT_SCHEMAS, ChatRequest
from recall_api.chat.service import ChatService, Question
from recall_api.errors import problem_responses, request_urn

router = APIRouter(prefix="/v1/chat", tags=["chat"], responses=problem_responses(401, 404, 413, 422, 429, 503))


async def chat_service(request: Request) -> ChatService:
    """Return what answers."""
    return cast("ChatService", request.app.state.chat)


Service = Annotated[ChatService, Depends(chat_service)]


async def _room(user: CurrentUser, service: Service) -> AsyncIterator[None]:
    """Hold a place until the answer is sent, so that questions which come all at once are counted too."""
    with service.room(user.user_id):
        yield


Room = Annotated[None, Depends(_room)]

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `started`, `recalled`, then `delta` and `citation`, perhaps "
        "`guardrail` and `proposal`, at last `done` or `error`.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "x-events": {name: {"$ref": f"#/components/schemas/{s.__name__}"} for name, s in EVENT_SCHEMAS.items()},
            }
        },
    }
}


@router.post("", operation_id="chat", response_class=StreamingResponse, responses=STREAM)
async def chat(body: ChatRequest, user: CurrentUser, request: Request, service: Service, _room: Room) -> ChatResponse:
    """Answer the last message with what the user's memories say about it, streamed as server-sent events.

    Closing the connection stops the model; what it said until then is kept. 429: the month's budget is spent.
    """
    model = service.check_model(body.model)
    inference = Inference(temperature=body.temperature, top_p=body.top_p)
    service.check_inference(model, inference)
    turns, place = body.turns(), None
    if not body.incognito:
        conversations = cast("ConversationService", request.app.state.conversations)
        conversation_id = conversation_id_of(body.conversation_id) if body.conversation_id is not None else None
        place, before = await conversations.place(user.user_id, conversation_id, body.replaces, body.message, model)
        turns = (*before, *turns)
    question = Question(turns, model, body.max_memories if body.memory else 0, place, inference)
    prepared = await service.prepare(user.user_id, question)
    return ChatResponse(
        stream(
            service.answer(prepared),
            keepalive_seconds=request.app.state.settings.keepalive_seconds,
            instance=request_urn(request),
        ),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
