"""A door to AWS that notes each call with what AWS asks for it, and which action a refusal names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recall_operator.errors import aws_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recall_operator.aws.client import AwsCaller
    from tests.privilege.authorization import Authorization
    from tests.privilege.evaluator import Request

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorizedException"})
_NAMED = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


class RefusedError(Exception):
    """AWS refused an action; the life ends here."""

    def __init__(self, action: str) -> None:
        super().__init__(f"AWS refused {action}")
        self.action = action


@dataclass(frozen=True)
class Call:
    """One call, and what AWS asked for it."""

    service: str
    operation: str
    asked: Sequence[Request]


class Door:
    """AWS, with a note of each call and of the first refusal: the operator goes on, and says it in the status."""

    def __init__(self, aws: AwsCaller, authorization: Authorization | None = None) -> None:
        self._aws = aws
        self._authorization = authorization
        self.calls: list[Call] = []
        self.refused: str | None = None
        """The action that AWS named when it first refused one."""

    def check(self) -> None:
        """Raise what was refused.

        Raises:
            RefusedError: AWS refused something.
        """
        if self.refused:
            raise RefusedError(self.refused)

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self._note(service, operation, parameters)
        try:
            return await self._aws.call(service, operation, **parameters)
        except ClientError as error:
            self._refusal(service, operation, error)
            raise

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        self._note(service, operation, parameters)
        try:
            return await self._aws.pages(service, operation, key, **parameters)
        except ClientError as error:
            self._refusal(service, operation, error)
            raise

    def _note(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        if self._authorization:
            asked = self._authorization.asked(service, operation, dict(parameters))
            self.calls.append(Call(service, operation, asked))

    def _refusal(self, service: str, operation: str, error: ClientError) -> None:
        if aws_code(error) in DENIED and not self.refused:
            named = _NAMED.search(str(error))
            self.refused = named[1] if named else f"{service}:{operation}: {error}"
