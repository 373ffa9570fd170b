"""The routes of webhook endpoints: where a brand's events are sent."""

from datetime import datetime
from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.envelopes import Format
from bookwell.domain.webhooks import (
    OVERLAP_MINUTES_DEFAULT,
    OVERLAP_MINUTES_MAX,
    DisabledBecause,
    EndpointFields,
    WebhookEndpoint,
)
from bookwell.gateways.outbound import URL_LENGTH_MAX
from bookwell.http.admin import BrandOf
from bookwell.http.calls import (
    AnyRequest,
    answer,
    call_of,
    database_of,
    etag,
    versions_wanted,
)
from bookwell.http.fields import Id, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import webhooks
from bookwell.usecases.webhooks import ToldSecret

TAG = "webhooks"
# More than there are types; whoever wants them all says so with a star.
TYPES_MAX = 100

Url = Annotated[str, Meta(min_length=1, max_length=URL_LENGTH_MAX)]
EventTypes = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=128)]],
    Meta(min_length=1, max_length=TYPES_MAX),
]


class WebhookEndpointBody(Struct, kw_only=True):
    """A receiver of the brand's events. `secret` is told when it is new, and only then.

    `disabled_because`: `gone` (the receiver answered 410) or `staff`. `paused_until`: the receiver
    asked us to wait. `failing_since`: nothing has been taken since then.
    `previous_secret_until`: until then the secret before the last rotation is good too.
    """

    id: str
    brand_id: str
    url: str
    event_types: list[str]
    format: Format
    is_enabled: bool
    disabled_at: datetime | None
    disabled_because: DisabledBecause | None
    paused_until: datetime | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int
    secret: str | UnsetType = UNSET


class WebhookEndpointList(Struct, kw_only=True):
    """A page of webhook endpoints, oldest first."""

    webhook_endpoints: list[WebhookEndpointBody]
    next_cursor: str | UnsetType = UNSET


class AddWebhookEndpoint(Struct, kw_only=True):
    """Where to send which events. `event_types` are names of events, or `["*"]` for all of them.

    `format` is `standard` (as `GET /v1/events` has them) or `cloudevents` (CloudEvents 1.0).
    """

    url: Url
    event_types: EventTypes
    format: Format | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


class ChangeWebhookEndpoint(Struct, kw_only=True):
    """What is absent stays. An endpoint that was disabled by a 410 is enabled again here."""

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET


class RotateSecret(Struct, kw_only=True):
    """For how long the secret of now is good beside the new one; a day unless said otherwise."""

    # Of a field that may be absent, Litestar's document forgets a `ge` of 0.
    overlap_minutes: Annotated[int, Meta(gt=-1, le=OVERLAP_MINUTES_MAX)] | UnsetType = UNSET


def endpoint_body(
    endpoint: WebhookEndpoint, secret: str | UnsetType = UNSET
) -> WebhookEndpointBody:
    return WebhookEndpointBody(
        id=endpoint.endpoint_id,
        brand_id=endpoint.brand_id,
        url=endpoint.url,
        event_types=list(endpoint.event_types),
        format=endpoint.format,
        is_enabled=endpoint.is_enabled,
        disabled_at=endpoint.disabled_at,
        disabled_because=endpoint.disabled_because,
        paused_until=endpoint.paused_until,
        failing_since=endpoint.failing_since,
        previous_secret_until=endpoint.previous_secret_until,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        deleted_at=endpoint.deleted_at,
        version=endpoint.version,
        secret=secret,
    )


@post(
    "/v1/webhook-endpoints",
    **operation("add_webhook_endpoint", "Add a webhook endpoint", tag=TAG, scope=ADMIN_SCOPE),
    response_description="Webhook endpoint added",
    responses=refusals({404: "Brand not found", 409: "As many as there may be"}),
)
async def add_webhook_endpoint(
    request: AnyRequest, data: JSONBody[AddWebhookEndpoint]
) -> Response[WebhookEndpointBody]:
    """Send the brand's events there from now on. The secret to verify them is in this answer only.

    Under a key, a repeated request with the same bearer token is told the same secret again.
    """
    told = await webhooks.add_endpoint(
        database_of(request),
        plugged_into(request.app).outbound,
        await call_of(request, brand_id=or_none(data.brand_id)),
        url=data.url,
        event_types=data.event_types,
        form=data.format or Format.STANDARD,
        bearer=_bearer_of(request),
    )
    return _told(told, status_code=201)


@get(
    "/v1/webhook-endpoints",
    **operation("list_webhook_endpoints", "List webhook endpoints", tag=TAG, scope=ADMIN_SCOPE),
    response_description="List of webhook endpoints",
    responses=refusals({404: "Brand not found"}),
)
async def list_webhook_endpoints(
    request: AnyRequest,
    brand_id: BrandOf = None,
    *,
    include_deleted: Annotated[
        bool, QueryParameter(description="Also those that nothing is sent to any more.")
    ] = False,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> WebhookEndpointList:
    """The brand's webhook endpoints, without their secrets."""
    page = await webhooks.list_endpoints(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        include_deleted=include_deleted,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return WebhookEndpointList(
        webhook_endpoints=[endpoint_body(each) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@get(
    "/v1/webhook-endpoints/{id:str}",
    **operation("get_webhook_endpoint", "Get a webhook endpoint", tag=TAG, scope=ADMIN_SCOPE),
    response_description="The webhook endpoint",
    responses=refusals({404: "Not found"}),
)
async def get_webhook_endpoint(
    request: AnyRequest, endpoint_id: PathId
) -> Response[WebhookEndpointBody]:
    """One webhook endpoint, also a deleted one, with its version as ETag."""
    found = await webhooks.get_endpoint(database_of(request), await call_of(request), endpoint_id)
    return Response(endpoint_body(found), headers={"ETag": etag(found.version)})


@patch(
    "/v1/webhook-endpoints/{id:str}",
    **operation("change_webhook_endpoint", "Change a webhook endpoint", tag=TAG, scope=ADMIN_SCOPE),
    response_description="Webhook endpoint changed",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def change_webhook_endpoint(
    request: AnyRequest, endpoint_id: PathId, data: JSONBody[ChangeWebhookEndpoint]
) -> Response[WebhookEndpointBody]:
    """Change where events go, which, and how; stop them, or have them go on.

    While it is disabled nothing is sent, and events that happen meanwhile are not kept for it:
    replay them. What waited before goes out when it is enabled again.
    """
    types = data.event_types
    changed = webhooks.change_endpoint(
        database_of(request),
        plugged_into(request.app).outbound,
        await call_of(request),
        endpoint_id,
        EndpointFields(
            url=or_none(data.url),
            event_types=None if types is UNSET else tuple(types),
            format=None if data.format is UNSET else data.format,
            is_enabled=None if data.is_enabled is UNSET else data.is_enabled,
        ),
        versions=versions_wanted(request),
    )
    return await answer(changed, WebhookEndpoint, endpoint_body)


@delete(
    "/v1/webhook-endpoints/{id:str}",
    **operation("delete_webhook_endpoint", "Delete a webhook endpoint", tag=TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Webhook endpoint deleted",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def delete_webhook_endpoint(
    request: AnyRequest, endpoint_id: PathId
) -> Response[WebhookEndpointBody]:
    """Send nothing there any more. Deliveries that wait are abandoned; safe to repeat."""
    deleted = webhooks.delete_endpoint(
        database_of(request),
        await call_of(request),
        endpoint_id,
        versions=versions_wanted(request),
    )
    return await answer(deleted, WebhookEndpoint, endpoint_body)


@post(
    "/v1/webhook-endpoints/{id:str}/rotate-secret",
    **operation("rotate_webhook_secret", "Change a webhook's secret", tag=TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Secret rotated",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def rotate_webhook_secret(
    request: AnyRequest, endpoint_id: PathId, data: JSONBody[RotateSecret | None] = None
) -> Response[WebhookEndpointBody]:
    """Sign with a new secret, told in this answer only, and for the overlap with the old one too.

    At most two are good at a time: rotated during an overlap, the secret of now has a new overlap,
    and the one before it is good no more. An overlap of 0 ends the old one at once.
    """
    overlap = UNSET if data is None else data.overlap_minutes
    told = await webhooks.rotate_secret(
        database_of(request),
        await call_of(request),
        endpoint_id,
        overlap_minutes=OVERLAP_MINUTES_DEFAULT if overlap is UNSET else overlap,
        bearer=_bearer_of(request),
        versions=versions_wanted(request),
    )
    return _told(told, status_code=200)


def _told(told: ToldSecret, *, status_code: int) -> Response[WebhookEndpointBody]:
    headers = {"ETag": etag(told.endpoint.version)}
    if told.is_replay:
        headers["Idempotency-Replayed"] = "true"
    return Response(
        endpoint_body(told.endpoint, told.secret), status_code=status_code, headers=headers
    )


def _bearer_of(request: AnyRequest) -> str:
    # The guard let nothing but one well-formed `Bearer …` through.
    return request.headers["Authorization"].split()[1]


ROUTES = [
    add_webhook_endpoint,
    list_webhook_endpoints,
    get_webhook_endpoint,
    change_webhook_endpoint,
    delete_webhook_endpoint,
    rotate_webhook_secret,
]
