"""The inference profiles that the account has, asked of Bedrock now and then, never while somebody waits.

Until Bedrock has answered, and where it does not, profiles are named by rule (`registry`), which a log line says.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from recall_api.errors import ProblemError, error_code
from recall_api.models.prices import Price, price_of
from recall_api.models.registry import invocation_id
from recall_api.telemetry import log

if TYPE_CHECKING:
    from recall_api.aws import Aws
    from recall_api.settings import Settings

REFRESH_SECONDS: Final = 3_600.0
MAX_PAGES: Final = 20


class Models:
    """By which id each model is called, and what it costs so."""

    def __init__(self, aws: Aws, settings: Settings) -> None:
        self._aws = aws
        self._settings = settings
        self._profiles: frozenset[str] | None = None
        self._task: asyncio.Task[None] | None = None

    def invocation_id(self, model: str) -> str:
        """Return the id that Bedrock is called with for `model`."""
        return invocation_id(model, self._settings.residency, self._settings.bedrock_region, self._profiles)

    def price(self, model: str) -> Price:
        """Return what `model` costs on this instance."""
        return price_of(model, self.invocation_id(model))

    def start(self) -> None:
        """Begin to ask Bedrock, unless prompts stay in the region and no profile is ever used."""
        if self._settings.residency != "region":
            self._task = asyncio.create_task(self._refresh())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def discover(self) -> None:
        """Ask Bedrock once; what was known stays when it does not answer."""
        try:
            self._profiles = await self._list()
            log.info("inference profiles found", count=len(self._profiles))
        except (ClientError, ProblemError, KeyError) as error:
            known = "known ones" if self._profiles is not None else "names by rule"
            log.warning("inference profiles could not be listed", error=error_code(error), used=known)

    async def _refresh(self) -> None:
        while True:
            await self.discover()
            await asyncio.sleep(REFRESH_SECONDS)

    async def _list(self) -> frozenset[str]:
        found: set[str] = set()
        token = ""
        for _ in range(MAX_PAGES):
            answer = await self._aws.call(
                self._aws.bedrock.list_inference_profiles,
                typeEquals="SYSTEM_DEFINED",
                maxResults=1000,
                **({"nextToken": token} if token else {}),
            )
            profiles = answer["inferenceProfileSummaries"]
            found.update(profile["inferenceProfileId"] for profile in profiles if profile["status"] == "ACTIVE")
            token = answer.get("nextToken", "")
            if not token:
                break
        return frozenset(found)
