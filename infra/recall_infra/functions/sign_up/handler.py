"""Cognito's pre sign-up trigger: lets only addresses of the allowed domains make an account.

Source of the event: Cognito Developer Guide, "Pre sign-up Lambda trigger". An administrator may invite anybody.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

ALLOWED_DOMAINS: Final = frozenset(json.loads(os.environ.get("RECALL_ALLOWED_DOMAINS", "[]")))
"""Domains of e-mail addresses, in lower case; empty means all."""


class SignUpRefusedError(Exception):
    """Cognito shows the text to whoever signs up."""


def handler(event: dict[str, Any], _context: object = None) -> dict[str, Any]:
    """Answer the trigger.

    Raises:
        SignUpRefusedError: the address is of no allowed domain, or its provider says that it is not verified.
    """
    if event["triggerSource"] == "PreSignUp_AdminCreateUser" or not ALLOWED_DOMAINS:
        return event
    attributes = event["request"]["userAttributes"]
    name, _at, domain = attributes.get("email", "").rpartition("@")
    if not name or domain.lower() not in ALLOWED_DOMAINS:
        raise SignUpRefusedError("Accounts are for addresses of certain domains only; ask whoever runs this Recall.")
    # A provider's word on somebody's address counts only when it has checked it.
    if event["triggerSource"] == "PreSignUp_ExternalProvider" and attributes.get("email_verified") == "false":
        raise SignUpRefusedError("Your provider has not verified your e-mail address; verify it there first.")
    return event
