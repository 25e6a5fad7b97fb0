"""Takes out of a support bundle what nobody else should read: by the names of fields, and by what values look like."""

from __future__ import annotations

import re
from typing import Any, Final

REDACTED: Final = "(redacted)"

_SECRET_NAME: Final = re.compile(
    r"passw|secret|token$|_token|authorization|credential|private.?key|api.?key|access.?key|cookie", re.IGNORECASE
)
_HARMLESS: Final = frozenset({"automountServiceAccountToken", "serviceAccountToken", "imagePullSecrets"})
_SECRET_VALUES: Final = re.compile(
    r"""
    \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                                # AWS access key ids
    | \beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?  # JSON Web Tokens
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                            # user and password in addresses
    | (?i:(?<=bearer\s)|(?<=basic\s))[A-Za-z0-9._~+/=-]{8,}
    | [A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+         # mail addresses
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----[\s\S]*?-----END[ ][A-Z ]*PRIVATE[ ]KEY-----
    | (?i:(?<=password=)|(?<=secret=)|(?<=token=)|(?<=password":\s")|(?<=secret":\s")|(?<=token":\s"))[^\s"&,}]+
    """,
    re.VERBOSE,
)
_DROPPED_ANNOTATIONS: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""A copy of a whole manifest as text, in which fields have no names any more."""


def redacted_text(text: str) -> str:
    """Return `text` without what looks like a secret or a person's address."""
    return _SECRET_VALUES.sub(REDACTED, text)


def redacted(value: Any, name: str = "") -> Any:
    """Return a JSON-like `value` without secrets; `name` is that of the field it stands in."""
    if name not in _HARMLESS and _SECRET_NAME.search(name) and value not in (None, "", [], {}):
        return REDACTED
    if isinstance(value, dict):
        # `{name: DB_PASSWORD, value: …}`: an environment variable's name is a value itself.
        own_name = value.get("name") if set(value) == {"name", "value"} else None
        return {
            key: redacted(item, str(own_name) if own_name and key == "value" else key)
            for key, item in value.items()
            if key != "managedFields" and key not in _DROPPED_ANNOTATIONS
        }
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return redacted_text(value) if isinstance(value, str) else value
