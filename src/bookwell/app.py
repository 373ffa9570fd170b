"""The only place where everything is plugged together: settings in, an ASGI application out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import cache

from litestar import Litestar
from litestar.exceptions import HTTPException

from bookwell import logs
from bookwell.chores import (
    Chores,
    hear_events,
    keep_events_numbered,
    keep_holds_ended,
)
from bookwell.courier import carry
from bookwell.domain.errors import BookwellError
from bookwell.domain.holds import HoldTerms
from bookwell.gateways.introspection import Introspection
from bookwell.http import (
    admin,
    calendars,
    deliveries,
    disruptions,
    events,
    explain,
    health,
    holds,
    licences,
    live,
    metrics,
    office_hours,
    openapi,
    patient_regions,
    quiet_hours,
    quotes,
    reminders,
    schedules,
    search,
    slots,
    time_off,
    tokens,
    visit_changes,
    visit_type_overrides,
    visit_types,
    visits,
    webhooks,
)
from bookwell.http.bodies import JsonRequest
from bookwell.http.edge import Edge
from bookwell.http.errors import answer_bug, answer_framework, answer_refusal
from bookwell.http.plugged import Plugged, plug_into
from bookwell.http.thin import ThinRoutes
from bookwell.live import go_live
from bookwell.sending import way_out
from bookwell.settings import Settings
from bookwell.storage import revocations
from bookwell.storage.database import Database
from bookwell.usecases.identity import Authenticator, IntrospectedTokens, OwnTokens
from bookwell.usecases.rates import EXCHANGE_SECONDS, RateLimits

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


def routes(settings: Settings | None = None, *, is_alone: bool = False) -> Litestar:
    """The routes; with settings also what is behind them, opened when a server starts.

    Without settings they are enough for the OpenAPI document. `is_alone` is as in `build`.
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
            *reminders.ROUTES,
            *quiet_hours.ROUTES,
            *office_hours.ROUTES,
            *events.ROUTES,
            *live.ROUTES,
            *webhooks.ROUTES,
            *deliveries.ROUTES,
            *calendars.ROUTES,
            *admin.ROUTES,
            *tokens.ROUTES,
            *metrics.ROUTES,
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
        lifespan=[lambda app: _plugged_in(app, settings, is_alone=is_alone)] if settings else [],
    )


def build(settings: Settings, *, is_thin: bool = True, is_alone: bool = False) -> Edge:
    """The application for these settings; what it needs is opened when the server starts it.

    An application that `is_alone` does a courier's work too. Both options are for tests: without
    `is_thin` Litestar answers every request.
    """
    assert settings.database_url is not None, "whoever builds the application has a database"

    app = routes(settings, is_alone=is_alone)
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
async def _plugged_in(app: Litestar, settings: Settings, *, is_alone: bool) -> AsyncIterator[None]:
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
        chores = Chores(stack)
        authenticator = await _authenticator(settings, database, stack, chores)
        heard = hear_events(chores, settings.database_url)
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
                live=go_live(chores, database, heard, settings),
                outbound=way_out(chores, settings),
                public_url=settings.public_url,
                join_url=settings.join_url,
            ),
        )
        chores.keep_doing(
            "exchange_rates", lambda: rates.exchange(database), every=EXCHANGE_SECONDS
        )
        keep_holds_ended(chores, database)
        keep_events_numbered(chores, database)
        if is_alone:
            carry(chores, database, heard, settings)
        yield


async def _authenticator(
    settings: Settings, database: Database, stack: AsyncExitStack, chores: Chores
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
    chores.keep(revocations.listen(settings.database_url, own))
    return own
