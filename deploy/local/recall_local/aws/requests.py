"""The log of requests to an emulator: one JSON object a line, to be read by tests and people.

It holds who asked for what and how it ended; never a body, a query (authorization codes travel there) or a header.
"""

from __future__ import annotations

import datetime
import json
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_READING = (
    "BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Select", "Simulate", "Test",
    "TransactGet", "Validate",
)  # fmt: skip
_SESSIONS = ("AssumeRole", "GetSessionToken", "GetFederationToken", "GetCallerIdentity")


def is_write(operation: str) -> bool:
    """Tell whether an AWS operation changes resources, by AWS's naming of operations.

    Taking credentials (`AssumeRole`) changes nothing that belongs to anyone, so it does not count.
    """
    return bool(operation) and not operation.startswith(_READING + _SESSIONS)


class RequestLog:
    """Appends to a file of JSON lines; a line is written whole, so readers never see half of one."""

    def __init__(self, path: Path, largest: int = 64 * 1024 * 1024) -> None:
        """Open the log.

        Args:
            path: where it is.
            largest: bytes after which it goes on in a new file; the full one is kept as `<name>.1`.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._largest = largest
        self._file = self._open()

    def write(self, **fields: Any) -> None:
        """Append one request; `time` (UTC) is added."""
        if self._file.tell() > self._largest:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._open()
        moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self._file.write(json.dumps({"time": moment, **fields}, separators=(",", ":")) + "\n")

    def _open(self) -> IO[str]:
        return self._path.open("a", buffering=1, encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Return all requests logged at `path`, oldest first; none when nothing was asked yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
