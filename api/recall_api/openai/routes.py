"""`/v1/openai`: what OpenAI's clients call."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

from anyio import CancelScope
from fastapi import APIRouter, Path, Request, Response

from recall_api.auth.dependencies import CurrentUser
from recall_api.chat.events import ChatResponse, keep_alive
from recall_api.chat.prompt import MAX_OUTPUT_TOKENS, Inference
from recall_api.chat.routes import Room, Service
from recall_api.chat.service import ChatService, Question
from recall_api.errors import not_found
from recall_api.models.registry import AS_OF
from recall_api.openai.answers import Writer
from recall_api.openai.errors import PREFIX, bad_request, error_responses
from recall_api.openai.messages import turns_of
from recall_api.openai.models import WITHOUT_MEMORIES, chosen
from recall_api.openai.schemas import Completion, CompletionRequest, OpenAiModel, OpenAiModelPage

if TYPE_CHECKING:
    from recall_api.settings import Settings

router = APIRouter(prefix=PREFIX, tags=["openai"], responses=error_responses(401, 403, 429, 503))

RECALLED: Final = 8
"""Memories that an answer is given at most: what `/v1/chat` gives when not told otherwise."""
CLIENT_LEFT: Final = 499
"""As nginx has it; nobody reads it but the log."""

Result = TypeVar("Result")


def _question(body: CompletionRequest, service: ChatService) -> Question:
    """Return what is asked.

    Raises:
        ProblemError: it cannot be asked so.
    """
    name, with_memories = chosen(body.model)
    model = service.check_model(name)
    system, turns = turns_of(body.messages)
    if body.max_tokens is not None and body.max_completion_tokens is not None:
        raise bad_request("max_tokens", "Give max_completion_tokens alone; max_tokens is its older name.")
    if body.stream_options is not None and not body.stream:
        raise bad_request("stream_options", "stream_options belongs to stream=true.")
    inference = Inference(
        max_tokens=body.max_completion_tokens or body.max_tokens or MAX_OUTPUT_TOKENS,
        temperature=body.temperature,
        top_p=body.top_p,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
    )
    service.check_inference(model, inference)
    return Question(turns, model, RECALLED if with_memories else 0, inference=inference, system=system)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _unless_gone(
    request: Request, work: Coroutine[Any, Any, Result], seconds: float | None = None
) -> asyncio.Future[Result]:
    """Run `work` until it is done, or its client has left and it is cancelled, or for `seconds`."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not task.done():
            task.cancel()
            with CancelScope(shield=True):
                await asyncio.gather(task, return_exceptions=True)
    finally:
        gone.cancel()
    return task


@router.post(
    "/chat/completions",
    operation_id="createChatCompletion",
    response_model=Completion,
    responses={
        200: {
            "description": "The answer; with `stream` as server-sent events, each a chunk, the last one `[DONE]`.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "x-chunk": {"$ref": "#/components/schemas/CompletionChunk"},
                }
            },
        },
        **error_responses(400, 404, 413, 429, 500, 502, 504),
    },
)
async def complete(
    body: CompletionRequest, user: CurrentUser, request: Request, service: Service, _room: Room
) -> Response | Completion:
    """Answer the last message as OpenAI's chat completions do, with what the user's memories say about it.

    Nothing is stored. An answer that fails before the model's first word is an error with a status; one that fails
    later ends its stream with an error. Closing the connection stops the model.
    """
    question = _question(body, service)
    options = body.stream_options
    writer = Writer(body.model, include_usage=bool(options and options.include_usage))
    events = service.answer(await service.prepare(user.user_id, question))
    if not body.stream:
        answer = await _unless_gone(request, writer.whole(events))
        return Response(status_code=CLIENT_LEFT) if answer.cancelled() else answer.result()
    settings = cast("Settings", request.app.state.settings)
    pieces = writer.pieces(events)
    first = await _unless_gone(request, anext(pieces, None), settings.keepalive_seconds)
    if first.cancelled():
        return Response(status_code=CLIENT_LEFT)
    if first.done():
        first.result()  # raises what made it fail
    writer.committed = True
    return ChatResponse(
        keep_alive(pieces, keepalive_seconds=settings.keepalive_seconds, first=first),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _models(request: Request) -> dict[str, OpenAiModel]:
    settings = cast("Settings", request.app.state.settings)
    created = int(datetime.combine(AS_OF, datetime.min.time(), UTC).timestamp())
    return {
        name: OpenAiModel(id=name, created=created, owned_by=model.partition(".")[0])
        for model in settings.chat_models
        for name in (model, model + WITHOUT_MEMORIES)
    }


@router.get("/models", operation_id="listOpenAiModels")
async def list_models(_user: CurrentUser, request: Request) -> OpenAiModelPage:
    """List the models that may be chosen; each comes again with the suffix that switches memories off."""
    return OpenAiModelPage(data=list(_models(request).values()))


@router.get("/models/{modelId}", operation_id="getOpenAiModel", responses=error_responses(404))
async def read_model(
    model_id: Annotated[str, Path(alias="modelId")], _user: CurrentUser, request: Request
) -> OpenAiModel:
    """Return one of the models that may be chosen."""
    found = _models(request).get(model_id)
    if found is None:
        raise not_found("model")
    return found
