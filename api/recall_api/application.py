"""The application: its parts put together, in one place that can be read from top to bottom."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from recall_api import __version__, errors, health, openapi
from recall_api.account import routes as account_routes
from recall_api.account.eraser import Eraser
from recall_api.account.repository import AccountRepository, AccountTables
from recall_api.account.service import AccountService
from recall_api.auth.keys import KeySet
from recall_api.auth.repository import PersonalTokenRepository
from recall_api.auth.service import Authenticator
from recall_api.auth.tokens import TokenRules
from recall_api.aws import Aws
from recall_api.chat import conversation_routes
from recall_api.chat import routes as chat_routes
from recall_api.chat.conversations import ConversationService
from recall_api.chat.repository import ConversationRepository
from recall_api.chat.service import ChatService
from recall_api.contract import REQUIRED_SCOPE
from recall_api.encryption.keys import UserKeys
from recall_api.encryption.repository import WrappedKeyRepository
from recall_api.encryption.storage import SealedStorage
from recall_api.exports import routes as export_routes
from recall_api.imports import routes as import_routes
from recall_api.imports.reader import Reader
from recall_api.imports.service import ImportService
from recall_api.instance import InstanceKeys
from recall_api.instance.repository import InstanceRepository
from recall_api.limits import AddressLimit, ConcurrencyLimit, Limits
from recall_api.mcp.door import McpDoor
from recall_api.mcp.tools import MemoryTools
from recall_api.memories import routes as memories_routes
from recall_api.memories.repository import MemoryRepository
from recall_api.memories.service import MemoryService
from recall_api.middleware import SecurityHeaders
from recall_api.models import routes as models_routes
from recall_api.models.profiles import Models
from recall_api.openai import errors as openai_errors
from recall_api.openai import routes as openai_routes
from recall_api.search import routes as search_routes
from recall_api.search.embedder import TitanEmbedder, embedder_of
from recall_api.search.migration import Migration
from recall_api.search.repository import SnapshotRepository, VectorRepository, vector_space
from recall_api.search.service import SearchService
from recall_api.storage import Table
from recall_api.telemetry import Metrics, RequestTelemetry
from recall_api.usage import routes as usage_routes
from recall_api.usage.admin import routes as spending_routes
from recall_api.usage.repository import UsageRepository
from recall_api.usage.service import UsageService
from recall_api.usage.spenders import SpendersRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from recall_api.identifiers import UserId
    from recall_api.settings import Settings


class _Sealing(NamedTuple):
    """What there is beside the tables when users have keys of their own."""

    wrapped: WrappedKeyRepository
    keys: UserKeys


def _sealing(aws: Aws, settings: Settings, metrics: Metrics, stored: AccountTables) -> _Sealing | None:
    if not settings.keys_table:
        return None
    wrapped = WrappedKeyRepository(Table(aws, settings.keys_table), stored.memories, stored.users)
    keys = UserKeys(
        aws,
        wrapped,
        metrics,
        kms_key=settings.user_keys_kms_key,
        table=settings.keys_table,
        kept_seconds=settings.user_keys_seconds,
    )
    return _Sealing(wrapped, keys)


def create_app(settings: Settings, metrics: Metrics | None = None) -> FastAPI:
    """Return the application for `settings`; `metrics` are those to count in (its own when none)."""
    metrics = metrics or Metrics()
    limits = Limits(settings, metrics)
    aws = Aws(settings, metrics)
    http = httpx.AsyncClient(follow_redirects=False, limits=httpx.Limits(max_connections=4))
    stored = AccountTables(Table(aws, settings.memories_table), Table(aws, settings.users_table))
    sealing = _sealing(aws, settings, metrics, stored)
    storage = SealedStorage(aws, sealing.keys) if sealing else aws
    memories_table, users_table = Table(storage, settings.memories_table), Table(storage, settings.users_table)
    space = vector_space(settings.embedding_model, settings.embedding_dimensions)
    memories = MemoryRepository(memories_table)
    search = SearchService(
        memories,
        VectorRepository(memories_table, space),
        TitanEmbedder(aws, settings.embedding_model, settings.embedding_dimensions),
        metrics,
        max_bytes=settings.index_megabytes * 1_000_000,
        snapshots=SnapshotRepository(memories_table, space),
        migration=Migration(
            VectorRepository(memories_table, space),
            space,
            lambda other: VectorRepository(memories_table, other),
            functools.partial(embedder_of, aws),
        ),
    )
    instance = InstanceRepository(users_table)
    accounts = AccountRepository(
        AccountTables(memories_table, users_table),
        instance,
        stored=stored if sealing else None,
        keys=sealing.wrapped if sealing else None,
    )
    personal_tokens = PersonalTokenRepository(users_table, stored.users if sealing else None)

    def on_leaving(leaving: Collection[UserId]) -> None:
        search.forget(leaving)
        if sealing:
            sealing.keys.forget(leaving)

    eraser = Eraser(
        aws,
        settings.user_pool_id,
        accounts,
        instance,
        poll_seconds=settings.deletion_poll_seconds,
        on_leaving=on_leaving,
    )

    models = Models(aws, settings)
    spenders = SpendersRepository(users_table)
    usage = UsageService(UsageRepository(users_table), spenders, settings)
    conversations = ConversationRepository(memories_table)
    chat = ChatService(aws, search, settings, metrics, models, usage, conversations, limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        search.worker.start()
        models.start()
        eraser.start()
        async with app.state.mcp.running():
            yield
        await chat.close()
        await models.stop()
        await eraser.stop()
        await search.worker.stop()
        await http.aclose()
        await aws.close()

    app = FastAPI(
        title="Recall",
        summary="Private memories, and language models that remember them.",
        version=__version__,
        lifespan=lifespan,
        redoc_url=None,
        # It would point to http:// (the load balancer ends TLS), and clients would send there what users wrote.
        redirect_slashes=False,
        # FastAPI's own spans hold whole addresses, with what users look for: see `tracing`.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.readiness = health.Readiness(aws, settings)
    app.state.authenticator = Authenticator(
        TokenRules(settings.token_issuer, settings.client_id, REQUIRED_SCOPE),
        KeySet(settings.jwks_url, http),
        standing=accounts.standing,
        personal=personal_tokens,
        admit=limits.user,
    )
    app.state.instance_keys = InstanceKeys(instance)
    app.state.memories = MemoryService(memories, space, search.changed)
    app.state.account = AccountService(accounts, personal_tokens, app.state.authenticator, on_leaving=on_leaving)
    app.state.accounts = accounts
    app.state.imports = ImportService(app.state.memories, Reader())
    app.state.search = search
    app.state.models = models
    app.state.usage = usage
    app.state.spenders = spenders
    app.state.conversations = ConversationService(conversations, app.state.memories)
    app.state.chat = chat
    app.state.mcp = McpDoor(
        MemoryTools(app.state.memories, search, app.state.instance_keys), app.state.authenticator, settings
    )
    errors.install(
        app,
        settings.max_body_bytes,
        {import_routes.PATH: settings.max_import_bytes},
        {openai_errors.PREFIX: openai_errors.respond},
        body_seconds=settings.body_seconds,
    )
    openapi.install(app)
    for router in (
        health.router,
        memories_routes.router,
        search_routes.router,
        chat_routes.router,
        conversation_routes.router,
        openai_routes.router,
        models_routes.router,
        usage_routes.router,
        spending_routes.router,
        account_routes.router,
        import_routes.router,
        export_routes.router,
    ):
        app.include_router(router)
    app.router.routes.append(app.state.mcp.route)

    # The last one added is the outermost.
    app.add_middleware(ConcurrencyLimit, most=settings.max_requests, count=metrics.limited.labels("requests").inc)
    app.add_middleware(AddressLimit, limits=limits, proxies=settings.proxies)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.web_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Last-Event-ID"],
        expose_headers=["ETag", "Location", "Retry-After", "X-Request-Id"],
        max_age=3600,
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestTelemetry, metrics=metrics)
    return app
