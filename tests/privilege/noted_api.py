"""The API as its image starts it, which notes what AWS asks for each of its calls, and what AWS refuses.

`RECALL_NOTES=FILE python -m tests.privilege.noted_api`: one JSON line for each call, without what it carried.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from recall_api.main import main
from recall_api.signed_http import Service
from recall_operator.errors import aws_code
from tests.privilege.authorization import Authorization
from tests.privilege.door import DENIED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

NOTES = "RECALL_NOTES"
KEY_OF_TABLES = "RECALL_NOTES_KEY"
"""ARN of the key that AWS would use for the tables."""


class NothingKnown:
    """Tables without tags or keys: the policy of the API asks for neither."""

    def tags(self, _arn: str) -> dict[str, str]:
        return {}

    def table_key(self, _arn: str) -> str | None:
        return os.environ.get(KEY_OF_TABLES)

    def boundary(self, _role: str) -> str | None:
        return None


class Notes:
    """The file, and what AWS would ask."""

    def __init__(self) -> None:
        self._authorization = Authorization("eu-west-1", "000000000000", NothingKnown())
        self._file = Path(os.environ[NOTES]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - to the end

    @contextmanager
    def call(self, service: str, operation: str, parameters: dict[str, Any]) -> Iterator[None]:
        """Note one call and whether it was refused."""
        asked = self._authorization.asked(service, xform_name(operation), parameters)
        refused = ""
        try:
            yield
        except ClientError as error:
            refused = str(error) if aws_code(error) in DENIED else ""
            raise
        finally:
            questions = [[request.action, request.resource, dict(request.context)] for request in asked]
            self._file.write(json.dumps({"asked": questions, "refused": refused}) + "\n")


def signed_call(service: Service, operation: str, path: str, body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Return service, operation and parameters of a request that the API signs itself."""
    parameters = json.loads(body)
    if path.startswith("/model/"):
        return "bedrock-runtime", operation, parameters | {"modelId": unquote(path.split("/")[2])}
    return service._name, operation, parameters


def note_calls(notes: Notes) -> None:
    """Put the notes at the places that all calls of the API pass: boto3's, and those of its own requests."""
    send_boto3, send, stream = BaseClient._make_api_call, Service.send, Service.stream  # type: ignore[attr-defined]

    def noted_boto3(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        with notes.call(client.meta.service_model.service_name, operation, parameters):
            return send_boto3(client, operation, parameters)

    async def noted(service: Service, operation: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        with notes.call(*signed_call(service, operation, path, body)):
            return await send(service, operation, path, body, headers)

    @asynccontextmanager
    async def noted_stream(
        service: Service, operation: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        with notes.call(*signed_call(service, operation, path, body)):
            async with stream(service, operation, path, body, headers) as pieces:
                yield pieces

    BaseClient._make_api_call = noted_boto3  # type: ignore[attr-defined]
    Service.send = noted  # type: ignore[method-assign]
    Service.stream = noted_stream  # type: ignore[method-assign]


if __name__ == "__main__":
    note_calls(Notes())
    sys.exit(main())
