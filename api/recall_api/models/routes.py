"""`/v1/models`."""

from typing import TYPE_CHECKING, cast

from fastapi import APIRouter, Request

from recall_api.auth.dependencies import CurrentUser
from recall_api.errors import problem_responses
from recall_api.models import prices, registry
from recall_api.models.profiles import Models
from recall_api.models.schemas import CapabilitiesView, ModelList, ModelView, PriceView

if TYPE_CHECKING:
    from recall_api.settings import Settings

router = APIRouter(prefix="/v1/models", tags=["models"], responses=problem_responses(401, 503))


def _view(model: str, models: Models, *, default: bool) -> ModelView:
    abilities, price = registry.capabilities(model), models.price(model)
    return ModelView(
        id=model,
        default=default,
        invoked_as=models.invocation_id(model),
        capabilities=CapabilitiesView(
            cites_natively=abilities.search_results,
            system_prompt=abilities.system_prompt,
            tools=abilities.tools,
            prefill=abilities.prefill,
            temperature_with_top_p=abilities.temperature_with_top_p,
            prompt_caching=abilities.cache_minimum is not None,
        ),
        price=PriceView(
            input=price.input,
            output=price.output,
            cache_read=price.cache_read,
            cache_write=price.cache_write,
            known=price.known,
        ),
    )


@router.get("", operation_id="listModels")
async def list_models(_user: CurrentUser, request: Request) -> ModelList:
    """List the models that may be chosen, what they can do and what they cost."""
    settings = cast("Settings", request.app.state.settings)
    models = cast("Models", request.app.state.models)
    return ModelList(
        models=[_view(name, models, default=name == settings.default_model) for name in settings.chat_models],
        residency=settings.residency,
        guardrail=bool(settings.guardrail_id),
        prices_as_of=prices.AS_OF,
        prices_source=prices.SOURCE,
        capabilities_as_of=registry.AS_OF,
    )
