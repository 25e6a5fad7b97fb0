"""The OpenAPI document: the frontend's source of types, so it says all that FastAPI cannot see by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from recall_api.chat.schemas import EVENT_SCHEMAS
from recall_api.errors import PROBLEM_MEDIA_TYPE, Problem, problem_responses

if TYPE_CHECKING:
    from fastapi import FastAPI


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
        [(model, "serialization") for model in (*EVENT_SCHEMAS.values(), Problem)],
        ref_template="#/components/schemas/{model}",
    )
    for name, schema in own["$defs"].items():
        schemas.setdefault(name, schema)
    for path in document["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:  # one that is no text at all
                operation["responses"].update({str(400): problem_responses(400)[400]})
            # FastAPI adds its own shape for 422; ours is a problem.
            refused = operation["responses"].get("422")
            if refused is not None:
                refused["content"] = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    return document
