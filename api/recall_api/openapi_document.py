"""The OpenAPI document without a running instance: `python -m recall_api.openapi_document` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from recall_api.application import create_app
from recall_api.settings import Settings


def document_of_any_instance() -> dict[str, Any]:
    """Return the document, which is the same for all instances."""
    settings = {
        "instance": "default/beta",
        "hostname": "beta.example.org",
        "memories_table": "memories",
        "users_table": "users",
        "token_issuer": "https://issuer.example.org",
        "jwks_url": "https://issuer.example.org/keys",
        "sign_in_url": "https://sign-in.example.org",
        "user_pool_id": "eu-west-1_x",
        "client_id": "client",
        "chat_models": ("amazon.nova-lite-v1:0",),
    }
    return create_app(Settings.model_validate(settings)).openapi()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document_of_any_instance(), indent=2))
