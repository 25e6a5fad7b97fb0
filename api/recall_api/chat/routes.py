"""`/v1/chat`."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from recall_api.auth.dependencies import CurrentUser
from recall_api.chat.events import ChatResponse, stream
from recall_api.chat.schemas import EVENT_SCHEMAS, ChatRequest
from recall_api.chat.service import ChatService, Question
from recall_api.errors import problem_responses, request_urn

router = APIRouter(prefix="/v1/chat", tags=["chat"], responses=problem_responses(401, 413, 422, 503))


def _service(request: Request) -> ChatService:
    return cast("ChatService", request.app.state.chat)


STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `recalled` first, then `delta` and `citation`, then `done` or `error`.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "x-events": {name: {"$ref": f"#/components/schemas/{s.__name__}"} for name, s in EVENT_SCHEMAS.items()},
            }
        },
    }
}


@router.post("", operation_id="chat", response_class=StreamingResponse, responses=STREAM)
async def chat(
    body: ChatRequest, user: CurrentUser, request: Request, service: Annotated[ChatService, Depends(_service)]
) -> ChatResponse:
    """Answer the last message with what the user's memories say about it, streamed as server-sent events."""
    service.check_room()
    question = Question(
        turns=body.turns(), model=service.check_model(body.model), memories=body.max_memories if body.memory else 0
    )
    return ChatResponse(
        stream(
            service.answer(user.user_id, question),
            keepalive_seconds=request.app.state.settings.keepalive_seconds,
            instance=request_urn(request),
        ),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
