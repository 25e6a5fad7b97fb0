"""Asking the emulated IAM whether a caller may use a model.

Bedrock Runtime checks `bedrock:InvokeModel` (Converse and InvokeModel) and `bedrock:InvokeModelWithResponseStream`
(ConverseStream), and `bedrock:ApplyGuardrail` where a conversation names a guardrail; the emulator that holds roles,
policies and keys decides, signature included.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from recall_local.aws.emulator import ACCOUNT_ID, AUTHORIZE_PATH
from recall_local.bedrock.errors import BedrockError

if TYPE_CHECKING:
    from recall_local.bedrock.models import Invocation

ACTIONS = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "InvokeModel": "bedrock:InvokeModel",
}


class Authorization:
    """Asks the emulator at `endpoint`; without one, everybody may do everything."""

    def __init__(self, endpoint: str | None, session: aiohttp.ClientSession) -> None:
        self._endpoint = endpoint
        self._session = session

    async def check(self, request: web.Request, operation: str, invocation: Invocation, region: str) -> str:
        """Return the ARN of who calls in `region` (empty without an endpoint).

        Raises:
            BedrockError: IAM refuses the caller, or cannot be asked.
        """
        if self._endpoint is None:
            return ""
        caller = await self._ask(request, ACTIONS[operation], invocation.resources(region, ACCOUNT_ID))
        guardrail = await _guardrail(request)
        if guardrail:
            arn = f"arn:aws:bedrock:{region}:{ACCOUNT_ID}:guardrail/{guardrail}"
            await self._ask(request, "bedrock:ApplyGuardrail", [arn])
        return caller

    async def _ask(self, request: web.Request, action: str, resources: list[str]) -> str:
        question = {
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "headers": [[name, value] for name, value in request.headers.items()],
            "body": base64.b64encode(await request.read()).decode(),
            "action": action,
            "resources": resources,
        }
        try:
            async with self._session.post(f"{self._endpoint}{AUTHORIZE_PATH}", json=question) as answer:
                answer.raise_for_status()
                decision = await answer.json()
        except aiohttp.ClientError as error:
            raise BedrockError(
                "ServiceUnavailableException", f"IAM at {self._endpoint} does not answer: {error}"
            ) from error
        if decision["code"]:
            raise BedrockError(decision["code"], decision["message"], 403)
        return str(decision["caller"])


async def _guardrail(request: web.Request) -> str:
    """Return the id of the guardrail that a conversation names (`guardrailConfig`); empty when it names none."""
    try:
        identifier = (await request.json())["guardrailConfig"]["guardrailIdentifier"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(identifier).rpartition("/")[2]
