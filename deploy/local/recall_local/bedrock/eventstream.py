"""Frames of `application/vnd.amazon.eventstream`, the encoding of Bedrock's streams.

Layout (Amazon event stream encoding): total length, headers length, CRC32 of these eight bytes, headers, payload,
CRC32 of everything before it; integers are big-endian. A header is the length of its name, its name, its type (7 is a
string), the length of its value, its value.
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
_PRELUDE_AND_CHECKSUMS = 16


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one frame with string headers."""
    packed = b"".join(
        struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
        for name, value in ((name.encode(), value.encode()) for name, value in headers.items())
    )
    prelude = struct.pack(">II", _PRELUDE_AND_CHECKSUMS + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return message + struct.pack(">I", crc32(message))


def event(name: str, content: dict[str, Any]) -> bytes:
    """Return the frame of an event such as `contentBlockDelta`."""
    return frame(
        {":message-type": "event", ":event-type": name, ":content-type": "application/json"},
        json.dumps(content).encode(),
    )


def exception(name: str, message: str) -> bytes:
    """Return the frame that ends a stream with a modelled error such as `throttlingException`."""
    return frame(
        {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"},
        json.dumps({"message": message}).encode(),
    )
