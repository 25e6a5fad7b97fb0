"""The tools: who asks comes from the token of the request, never from an argument.

What they answer is read by a language model that nobody here knows. So memories that must not be sent to some model,
whichever it is, are neither found nor listed.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, cast
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from recall_api.auth.personal import TokenScope
from recall_api.auth.schemas import Principal
from recall_api.auth.service import forbidden
from recall_api.errors import ProblemError, as_problem
from recall_api.identifiers import ULID_PATTERN, MemoryId
from recall_api.mcp.schemas import Forgotten, FoundMemories, FoundMemory, ListedMemories, ListedMemory, Remembered
from recall_api.memories.model import MemoryContent, MemoryFilter, Source
from recall_api.memories.schemas import Tags, Text
from recall_api.pages import MAX_CURSOR_LENGTH, invalid_cursor
from recall_api.search.filters import Filter
from recall_api.search.schemas import Query, TimeZone
from recall_api.text import Moment

if TYPE_CHECKING:
    from starlette.requests import Request

    from recall_api.instance import InstanceKeys
    from recall_api.memories.service import MemoryService
    from recall_api.search.service import SearchService

PRINCIPAL = "recall.principal"
"""Key of the ASGI scope under which the signed-in user stands."""
ORIGIN = "mcp"
"""Origin of memories that came by this door. Source: `accepted`: a model proposed, the user's program let it."""
LISTED = "memories"

MemoryIdArgument = Annotated[str, Field(max_length=64, description="Id of the memory, as recall and list give it.")]


def user_of(context: Context[Any, Any], *, writes: bool = False) -> Principal:
    """Return who asks.

    Raises:
        ProblemError: 403 for a personal access token that may not write.
    """
    request = cast("Request", context.request_context.request)
    principal = cast("Principal", request.scope[PRINCIPAL])
    if writes and principal.token_id is not None and TokenScope.MEMORIES_WRITE not in principal.scopes:
        raise forbidden(TokenScope.MEMORIES_WRITE)
    return principal


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """Tell the model of problems in the words that a person would get; what is no problem stays a fault of ours."""
    try:
        yield
    except ClientError as error:
        problem = as_problem(error)
        if problem is None:
            raise
        raise ToolError(problem.detail) from None
    except ProblemError as problem:
        raise ToolError(problem.detail or problem.title) from None


class MemoryTools:
    """What a language model can do with its user's memories."""

    def __init__(self, memories: "MemoryService", search: "SearchService", keys: "InstanceKeys") -> None:
        self._memories = memories
        self._search = search
        self._keys = keys

    async def remember(
        self,
        context: Context[Any, Any],
        text: Text,
        tags: Annotated[Tags, Field(description="Short labels.")] = [],  # noqa: B006 - never changed, and shown in the schema
        occurredAt: Annotated[Moment | None, Field(description="When it happened, with its offset.")] = None,
    ) -> Remembered:
        """Store one fact that the user wants remembered, in the user's own words, one fact a memory."""
        async with told():
            user = user_of(context, writes=True)
            content = MemoryContent(text=text, tags=tuple(tags), occurred_at=occurredAt)
            memory, is_new = await self._memories.create(user.user_id, content, Source.ACCEPTED, ORIGIN)
            return Remembered(memory_id=memory.id, duplicate=not is_new)

    async def recall(
        self,
        context: Context[Any, Any],
        query: Query,
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        tags: Annotated[Tags, Field(description="Only memories with all of these tags.")] = [],  # noqa: B006 - as above
        timeZone: TimeZone = "UTC",
    ) -> FoundMemories:
        """Find the user's memories about something, by words, by meaning and by times such as "last spring"."""
        async with told():
            user = user_of(context)
            wanted = Filter(tags=frozenset(tags), any_model=True)
            found = await self._search.search(user.user_id, query, limit=limit, wanted=wanted, zone=ZoneInfo(timeZone))
            return FoundMemories(memories=[FoundMemory.of_hit(hit) for hit in found.hits], by_meaning=found.by_meaning)

    async def forget(self, context: Context[Any, Any], memoryId: MemoryIdArgument) -> Forgotten:
        """Delete one memory, when the user asks for it. The user can bring it back for 30 days."""
        async with told():
            user = user_of(context, writes=True)
            known = memoryId if re.fullmatch(ULID_PATTERN, memoryId) else "0" * 26
            await self._memories.delete(user.user_id, MemoryId(known), None)
            return Forgotten(memory_id=memoryId)

    async def list(
        self,
        context: Context[Any, Any],
        limit: Annotated[int, Field(ge=1, le=100)] = 50,
        cursor: Annotated[str | None, Field(max_length=MAX_CURSOR_LENGTH)] = None,
        tags: Annotated[Tags, Field(description="Only memories with all of these tags.")] = [],  # noqa: B006 - as above
    ) -> ListedMemories:
        """List the user's memories, the newest first, page by page."""
        async with told():
            user = user_of(context)
            cursors = await self._keys.cursors()
            after = cursors.open(user.user_id, LISTED, cursor) if cursor is not None else None
            if after is not None and not re.fullmatch(ULID_PATTERN, after):
                raise invalid_cursor()
            page = await self._memories.page(
                user.user_id,
                limit=limit,
                after=MemoryId(after) if after else None,
                accepted=MemoryFilter(all_tags=frozenset(tags), any_model=True),
            )
            return ListedMemories(
                memories=[ListedMemory.of(memory) for memory in page.memories],
                next_cursor=cursors.seal(user.user_id, LISTED, page.last) if page.last else None,
            )
