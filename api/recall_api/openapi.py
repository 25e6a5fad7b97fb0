"""The OpenAPI document: the frontend's source of types, so it says all that FastAPI cannot see by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from recall_api.chat.schemas import EVENT_SCHEMAS
from recall_api.errors import PROBLEM_MEDIA_TYPE, Problem, problem_responses
from recall_api.openai import errors as openai
from recall_api.openai.schemas import CompletionChunk

if TYPE_CHECKING:
    from fastapi import FastAPI


_REFERENCE: Final = "#/components/schemas/"


def install(app: FastAPI) -> None:
    """Make `app` describe problems and stream events too."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes, description=app.description
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, own = models_json_schema(
        [(model, "serialization") for model in (*EVENT_SCHEMAS.values(), CompletionChunk, Problem)],
        ref_template=_REFERENCE + "{model}",
    )
    for name, schema in own["$defs"].items():
        schemas.setdefault(name, schema)
    for name, path in document["paths"].items():
        for operation in path.values():
            if name.startswith(openai.PREFIX):
                operation["responses"].pop("422", None)  # such a request is a 400 there
                continue
            if "requestBody" in operation:  # one that is no text at all
                operation["responses"].update({str(400): problem_responses(400)[400]})
            # FastAPI adds its own shape for 422; ours is a problem.
            refused = operation["responses"].get("422")
            if refused is not None:
                refused["content"] = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    bodies = [operation.get("requestBody") for path in document["paths"].values() for operation in path.values()]
    for name in _reached(bodies, schemas):
        for field in schemas[name].get("properties", {}).values():
            _put_default_into_words(field)
    return document


def _reached(node: Any, schemas: dict[str, Any], found: set[str] | None = None) -> set[str]:
    """Return the names of the schemas that `node` refers to, directly or not."""
    found = set() if found is None else found
    if isinstance(node, list):
        for part in node:
            _reached(part, schemas, found)
    elif isinstance(node, dict):
        name = str(node.get("$ref", "")).removeprefix(_REFERENCE)
        if name in schemas and name not in found:
            found.add(name)
            _reached(schemas[name], schemas, found)
        _reached(list(node.values()), schemas, found)
    return found


def _put_default_into_words(field: dict[str, Any]) -> None:
    """Say in words what an absent field means: generators of clients take one with a `default` for always there."""
    if "default" in field:
        default = json.dumps(field.pop("default"), ensure_ascii=False)
        field["description"] = f"{field.get('description', '')} Default: {default}.".strip()
