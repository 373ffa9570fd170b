"""The only place where everything is plugged together: settings in, an ASGI application out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any

import structlog
from litestar import Litestar
from litestar.exceptions import HTTPException

from bookwell import logs
from bookwell.domain.errors import BookwellError
from bookwell.domain.holds import HoldTerms
from bookwell.gateways.introspection import Introspection
from bookwell.http import (
    admin,
    disruptions,
    explain,
    health,
    holds,
    licences,
    office_hours,
    openapi,
    patient_regions,
    quotes,
    schedules,
    search,
    slots,
    time_off,
    tokens,
    visit_changes,
    visit_type_overrides,
    visit_types,
    visits,
)
from bookwell.http.bodies import JsonRequest
from bookwell.http.edge import Edge
from bookwell.http.errors import answer_bug, answer_framework, answer_refusal
from bookwell.http.plugged import Plugged, plug_into
from bookwell.http.thin import ThinRoutes
from bookwell.logs import places_of
from bookwell.settings import Settings
from bookwell.storage import holds as hold_rows
from bookwell.storage import idempotency, revocations
from bookwell.storage.database import Database
from bookwell.storage.derivation import Due
from bookwell.usecases import derivation
from bookwell.usecases.identity import Authenticator, IntrospectedTokens, OwnTokens
from bookwell.usecases.rates import EXCHANGE_SECONDS, RateLimits

# Idempotency keys are kept for a day; a minute more harms nobody.
SWEEP_SECONDS = 60.0
# Readers see a hold end to the second; its event follows within this.
EXPIRE_SECONDS = 1.0
# A change of a visit type is in the slots within this and what deriving takes.
DERIVE_SECONDS = 1.0
# A slot that nobody offers any more may be free for this long after its visit was cancelled.
RECALL_SECONDS = 5.0

# What is asked for all day long.
THIN = (
    visits.book_visit,
    visit_changes.cancel_visit,
    visits.get_visit,
    visits.list_visits,
    slots.list_slots,
    search.find_slots,
    holds.hold_slot,
    visit_changes.confirm_visit,
)

_log = structlog.get_logger("bookwell.app")


def routes(settings: Settings | None = None) -> Litestar:
    """The routes; with settings also what is behind them, opened when a server starts.

    Without settings they are enough for the OpenAPI document.
    """
    return Litestar(
        route_handlers=[
            *visits.ROUTES,
            *visit_changes.ROUTES,
            *quotes.ROUTES,
            *holds.ROUTES,
            *slots.ROUTES,
            *search.ROUTES,
            *explain.ROUTES,
            *schedules.ROUTES,
            *time_off.ROUTES,
            *visit_types.ROUTES,
            *visit_type_overrides.ROUTES,
            *disruptions.ROUTES,
            *licences.ROUTES,
            *patient_regions.ROUTES,
            *office_hours.ROUTES,
            *admin.ROUTES,
            *tokens.ROUTES,
            *health.ROUTES,
            *openapi.ROUTES,
        ],
        exception_handlers={
            BookwellError: answer_refusal,
            HTTPException: answer_framework,
            Exception: answer_bug,
        },
        # With it Litestar serves a page of its own, which fetches things from the internet.
        openapi_config=openapi.CONFIG if settings is None else None,
        logging_config=None,
        request_class=JsonRequest,
        request_max_body_size=settings.body_bytes_max if settings else 0,
        lifespan=[lambda app: _plugged_in(app, settings)] if settings else [],
    )


def build(settings: Settings, *, is_thin: bool = True) -> Edge:
    """The application for these settings; what it needs is opened when the server starts it.

    `is_thin` is for tests: without it Litestar answers every request.
    """
    assert settings.database_url is not None, "whoever builds the application has a database"

    app = routes(settings)
    openapi.keep_document(app, _document())
    return Edge(ThinRoutes(app, THIN if is_thin else ()), requests_max=settings.requests_max)


def create() -> Edge:
    """The application for the environment's settings, as a server's worker makes it."""
    settings = Settings.from_environment()
    logs.set_up(settings.log_level, settings.log_format)
    return build(settings)


@cache
def _document() -> bytes:
    return openapi.write_document(routes())


@asynccontextmanager
async def _plugged_in(app: Litestar, settings: Settings) -> AsyncIterator[None]:
    assert settings.database_url is not None, "see build"
    async with AsyncExitStack() as stack:
        stack.callback(logs.settle)
        database = await Database.connect(settings.database_url, pool_size=settings.pool_size)
        stack.push_async_callback(database.close)
        rates = RateLimits(
            {
                "reads": settings.rate_reads_per_minute,
                "writes": settings.rate_writes_per_minute,
                "admin": settings.rate_admin_per_minute,
            }
        )
        authenticator = await _authenticator(settings, database, stack)
        plug_into(
            app,
            Plugged(
                database=database,
                authenticator=authenticator,
                rates=rates,
                hold_terms=HoldTerms(
                    length=timedelta(minutes=settings.hold_minutes), holds_max=settings.holds_max
                ),
                horizon=timedelta(days=settings.horizon_days),
                disruption_hold_length=timedelta(minutes=settings.disruption_hold_minutes),
            ),
        )
        _keep_doing(
            stack, "exchange_rates", lambda: rates.exchange(database), every=EXCHANGE_SECONDS
        )
        _keep_house(stack, database)
        _keep_slots_derived(stack, database, horizon=timedelta(days=settings.horizon_days))
        yield


def _keep_house(stack: AsyncExitStack, database: Database) -> None:
    """What time brings about: holds that are past, keys that are old."""

    async def sweep() -> None:
        async with database.reading() as connection:
            await idempotency.sweep(connection)

    async def expire_holds() -> None:
        async with database.reading() as connection:
            while await hold_rows.sweep(connection) == hold_rows.SWEEP_ROWS_MAX:
                pass

    _keep_doing(stack, "expire_holds", expire_holds, every=EXPIRE_SECONDS)
    _keep_doing(stack, "sweep_idempotency_keys", sweep, every=SWEEP_SECONDS)


def _keep_slots_derived(stack: AsyncExitStack, database: Database, *, horizon: timedelta) -> None:
    """Slots out of schedules, as far ahead as the horizon; what cannot be derived is logged."""

    def note(due: Due, error: Exception) -> None:
        known = error if isinstance(error, BookwellError) else None
        _log.error(
            "derivation_failed",
            brand_id=due.brand_id,
            provider_id=due.provider_id,
            cause=known.code if known else type(error).__name__,
            where=None if known else places_of(error.__traceback__),
        )

    _keep_doing(
        stack,
        "derive_slots",
        lambda: derivation.derive_due(database, horizon=horizon, note=note),
        every=DERIVE_SECONDS,
    )
    _keep_doing(
        stack,
        "recall_freed_slots",
        lambda: derivation.recall_freed_slots(database),
        every=RECALL_SECONDS,
    )


async def _authenticator(
    settings: Settings, database: Database, stack: AsyncExitStack
) -> Authenticator:
    if settings.introspection_url:
        introspection = Introspection(
            url=settings.introspection_url,
            client_id=settings.introspection_client_id,
            client_secret=settings.introspection_client_secret,
            cache_seconds=settings.introspection_cache_seconds,
            timeout_seconds=settings.introspection_timeout_seconds,
        )
        stack.push_async_callback(introspection.close)
        return IntrospectedTokens(
            database, introspection, staff_scope=settings.introspection_staff_scope
        )
    assert settings.database_url is not None, "see build"
    own = OwnTokens(database)
    _keep(stack, revocations.listen(settings.database_url, own))
    return own


def _keep_doing(
    stack: AsyncExitStack, what: str, work: Callable[[], Awaitable[None]], *, every: float
) -> None:
    """Do this again and again while the service runs; a failure is logged and tried again later."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await work()
            except BookwellError as error:
                _log.warning("chore_failed", chore=what, cause=error.code)
            except Exception:  # noqa: BLE001 - a chore that fails must not end the others
                _log.exception("chore_failed", chore=what)

    _keep(stack, forever())


def _keep(stack: AsyncExitStack, work: Any) -> None:  # noqa: ANN401 - a coroutine of whatever kind
    task = asyncio.ensure_future(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
