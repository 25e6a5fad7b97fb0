"""Liveness, readiness and the public facts that a client needs before it can sign in."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

from botocore.exceptions import ClientError
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from recall_api.contract import LIVENESS_PATH, PARTITION_KEY, READINESS_PATH, SIGN_IN_SCOPES, SORT_KEY
from recall_api.errors import ProblemError, problem_responses

if TYPE_CHECKING:
    from recall_api.aws import Aws
    from recall_api.settings import Settings

CHECK_SECONDS: Final = 5.0
"""How long an answer about the tables counts, so that probes cost next to nothing."""

CHECK_TIMEOUT: Final = 2.0
"""Seconds that a table has to answer; a probe of Kubernetes should wait longer."""


class Readiness:
    """Whether this pod can serve: all tables answer, and it is not about to stop."""

    def __init__(self, aws: Aws, settings: Settings) -> None:
        self._aws = aws
        tables = (settings.memories_table, settings.users_table, settings.keys_table)
        self._tables = tuple(table for table in tables if table)
        self._lock = asyncio.Lock()
        self._checked_at = -CHECK_SECONDS
        self._failing: list[str] = []
        self.draining = False

    async def failing(self) -> list[str]:
        """Return the parts that do not answer; empty when this pod can serve."""
        if self.draining:
            return ["this pod is stopping"]
        async with self._lock:
            if time.monotonic() - self._checked_at >= CHECK_SECONDS:
                answers = await asyncio.gather(*map(self._reaches, self._tables))
                self._failing = [table for table, reached in zip(self._tables, answers, strict=True) if not reached]
                self._checked_at = time.monotonic()
            return self._failing

    async def _reaches(self, table: str) -> bool:
        # A read of an item that never exists: it needs the right to read items and nothing more.
        key = {PARTITION_KEY: {"S": "PROBE"}, SORT_KEY: {"S": "PROBE"}}
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self._aws.dynamodb("GetItem", TableName=table, Key=key)
        except (ClientError, ProblemError, TimeoutError):
            return False
        return True


class Health(BaseModel):
    """A pod that is well."""

    status: Literal["ok"] = "ok"


class PublicConfiguration(BaseModel):
    """What a web page needs in order to sign a user in and to offer models; nothing secret."""

    sign_in_url: str = Field(serialization_alias="signInUrl")
    issuer: str
    client_id: str = Field(serialization_alias="clientId")
    user_pool_id: str = Field(serialization_alias="userPoolId")
    scopes: list[str]
    models: list[str]
    default_model: str = Field(serialization_alias="defaultModel")
    region: str


router = APIRouter(tags=["operations"])


async def _readiness(request: Request) -> Readiness:
    return cast("Readiness", request.app.state.readiness)


def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


@router.get(LIVENESS_PATH, operation_id="live")
async def live() -> Health:
    """Say that the process answers."""
    return Health()


@router.get(READINESS_PATH, operation_id="ready", responses=problem_responses(503))
async def ready(readiness: Annotated[Readiness, Depends(_readiness)]) -> Health:
    """Say whether requests may be sent here: all tables answer and the pod is not stopping."""
    if failing := await readiness.failing():
        raise ProblemError(503, "not-ready", "Not ready", "Does not answer: " + ", ".join(failing))
    return Health()


@router.get("/v1/config", operation_id="getConfiguration")
async def configuration(request: Request) -> PublicConfiguration:
    """Return the public facts of this instance: where to sign in, as which client, and which models it offers."""
    settings = _settings(request)
    return PublicConfiguration(
        sign_in_url=settings.sign_in_url,
        issuer=settings.token_issuer,
        client_id=settings.client_id,
        user_pool_id=settings.user_pool_id,
        scopes=list(SIGN_IN_SCOPES),
        models=list(settings.chat_models),
        default_model=settings.default_model,
        region=settings.region,
    )
