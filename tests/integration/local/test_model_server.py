"""Chat through an OpenAI-compatible server that the test plays."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from recall_local.bedrock.conversation import Conversation, Memory
from recall_local.bedrock.errors import BedrockError
from recall_local.bedrock.generation import Citation, Finish, Text
from recall_local.bedrock.proxy import ModelServer, Proxy
from recall_local.serving import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MEMORIES = (
    Memory(("I am allergic to peanuts.",), source="memory:a", title="Food", index=0, cited=True),
    Memory(("My bicycle is red.",), source="memory:b", title="Bicycle", index=1, cited=True),
)
CONVERSATION = Conversation(
    system="Be kind.",
    turns=(("user", "What colour is my bicycle?"),),
    memories=MEMORIES,
    max_tokens=50,
    stop_sequences=("END",),
    temperature=0.5,
)


def chunk(text: str | None = None, **more: Any) -> bytes:
    choices = [] if "usage" in more else [{"delta": {"content": text}, "finish_reason": more.pop("finish", None)}]
    return f"data: {json.dumps({'choices': choices, **more})}\n\n".encode()


@asynccontextmanager
async def proxy(handler: Callable[[web.Request], Any]) -> AsyncIterator[Proxy]:
    application = web.Application()
    application.add_routes([web.post("/v1/chat/completions", handler)])
    runner = await start(application, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Proxy(ModelServer(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", "small", "key"), session)
    await runner.cleanup()


async def test_its_numbers_become_citations_and_its_words_come_as_they_are_made() -> None:
    asked: dict[str, Any] = {}
    heard = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.update(await request.json(), key=request.headers["authorization"])
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(chunk("It is red. ["))
        await asyncio.wait_for(heard.wait(), 10)  # the rest comes only after the first words were heard
        await response.write(chunk("2]"))
        await response.write(chunk(None, finish="stop"))
        await response.write(chunk(usage={"prompt_tokens": 30, "completion_tokens": 6}))
        await response.write(b"data: [DONE]\n\n")
        return response

    async with proxy(answer) as model:
        items = []
        async for item in model.generate(CONVERSATION):
            items.append(item)
            heard.set()
    assert items == [Text("It is red. "), Citation(MEMORIES[1]), Finish("end_turn", 30, 6)]
    assert (asked["model"], asked["max_tokens"], asked["stop"], asked["key"]) == ("small", 50, ["END"], "Bearer key")
    system = asked["messages"][0]
    assert system["role"] == "system"
    assert "[2] Bicycle: My bicycle is red." in system["content"]
    assert asked["messages"][1:] == [{"role": "user", "content": "What colour is my bicycle?"}]


@pytest.mark.parametrize(("status", "code"), [(429, "ThrottlingException"), (500, "ModelErrorException")])
async def test_its_refusals_are_bedrocks(status: int, code: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, text="no")

    async with proxy(refuse) as model:
        with pytest.raises(BedrockError, match="no") as refused:
            await anext(model.generate(CONVERSATION))
    assert refused.value.code == code


async def test_an_answer_without_an_end_is_an_error_not_an_answer() -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(chunk("It is"))
        return response

    async with proxy(break_off) as model:
        items = model.generate(CONVERSATION)
        assert await anext(items) == Text("It is")
        with pytest.raises(BedrockError, match="finish_reason"):
            await anext(items)


async def test_an_answer_that_is_not_wanted_any_more_is_stopped() -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(chunk("And "))
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    async with proxy(endless) as model:
        items = model.generate(CONVERSATION)
        await anext(items)
        await items.aclose()  # type: ignore[attr-defined]
        assert await asyncio.wait_for(left.wait(), 1)
