"""The routes of visits."""

from datetime import datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from bookwell.domain.callers import Call
from bookwell.domain.errors import Forbidden
from bookwell.domain.visits import CONFIRM, Change, Visit, Wanted
from bookwell.http.auth import caller_of
from bookwell.http.calls import AnyRequest, answer, call_of, database_of, etag, versions_wanted
from bookwell.http.fields import Id, Notes, OverrideReason, Reason, VisitType, or_none
from bookwell.http.paging import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    PatientFilter,
    read_timed_cursor,
    write_cursor,
)
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import visit_changes, visits


class VisitBody(Struct, kw_only=True):
    """A visit. `version` is also its ETag; `start_time` and `end_time` are its slot's.

    `hold_expires_at` is there while it is held, and once it is expired. `late_cancel` says whether
    it was cancelled late under the terms it was booked under; null where it has none.
    """

    id: str
    brand_id: str
    patient_id: str
    provider_id: str
    slot_id: str
    status: str
    visit_type: str
    reason: str | None
    notes: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    created_at: datetime
    updated_at: datetime
    start_time: datetime
    end_time: datetime
    hold_expires_at: datetime | None
    late_cancel: bool | None
    version: int


class VisitList(Struct, kw_only=True):
    """A page of visits, newest slot first."""

    visits: list[VisitBody]
    next_cursor: str | UnsetType = UNSET


class BookVisit(Struct, kw_only=True):
    """What to book."""

    brand_id: Id
    patient_id: Id
    slot_id: Id
    visit_type: VisitType
    provider_id: Id | UnsetType = UNSET
    reason: Reason | UnsetType | None = UNSET
    notes: Notes | UnsetType | None = UNSET
    hold_id: Id | UnsetType = UNSET
    override_reason: OverrideReason | UnsetType = UNSET


def visit_body(visit: Visit) -> VisitBody:
    return VisitBody(
        id=visit.visit_id,
        brand_id=visit.brand_id,
        patient_id=visit.patient_id,
        provider_id=visit.provider_id,
        slot_id=visit.slot_id,
        status=visit.status,
        visit_type=visit.visit_type,
        reason=visit.reason,
        notes=visit.notes,
        cancelled_at=visit.cancelled_at,
        cancel_reason=visit.cancel_reason,
        created_at=visit.created_at,
        updated_at=visit.updated_at,
        start_time=visit.starts_at,
        end_time=visit.ends_at,
        hold_expires_at=visit.hold_expires_at,
        late_cancel=visit.cancelled_late,
        version=visit.version,
    )


@get(
    "/v1/visits",
    **operation("list_visits", "List visits", tag="visits", scope="read:visits"),
    response_description="List of visits",
    responses=refusals({403: "The brand is not the caller's"}),
)
async def list_visits(
    request: AnyRequest,
    brand_id: Annotated[str, QueryParameter(description="The caller's brand.")],
    patient_id: PatientFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> VisitList:
    """The brand's visits, or one patient's, newest slot first. A patient sees their own."""
    own = caller_of(request).brand_id
    if own is not None and brand_id != own:
        raise Forbidden("The brand is not the caller's.")
    page = await visits.list_visits(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        patient_id=patient_id,
        before=read_timed_cursor(cursor),
        limit=limit,
    )
    return VisitList(
        visits=[visit_body(visit) for visit in page.items], next_cursor=write_cursor(page.next_key)
    )


@post(
    "/v1/visits",
    **operation("book_visit", "Book a visit", tag="visits", scope="write:visits"),
    response_description="Visit booked",
    responses=refusals(
        {
            400: "Validation error",
            404: "Slot or patient not found",
            409: "Slot already booked",
            410: "The hold has expired",
            412: "Cannot confirm visit in current status",
        }
    ),
)
async def book_visit(request: AnyRequest, data: JSONBody[BookVisit]) -> Response[VisitBody]:
    """Book a slot for a patient. Of any number of callers, one wins; the others hear 409.

    With `hold_id`, the slot that is held for this patient becomes the booked visit.
    """
    call = await call_of(request, brand_id=data.brand_id)
    if data.hold_id is not UNSET:
        return await change_visit(
            request,
            Change(
                visit_id=data.hold_id,
                transition=CONFIRM,
                patient_id=data.patient_id,
                slot_id=data.slot_id,
                provider_id=or_none(data.provider_id),
                visit_type=data.visit_type,
                reason=or_none(data.reason),
                notes=or_none(data.notes),
                override_reason=or_none(data.override_reason),
            ),
            call=call,
            status_code=201,
        )
    wanted = Wanted(
        patient_id=data.patient_id,
        slot_id=data.slot_id,
        visit_type=data.visit_type,
        provider_id=or_none(data.provider_id),
        reason=or_none(data.reason),
        notes=or_none(data.notes),
        override_reason=or_none(data.override_reason),
    )
    return await answer(
        visits.take_slot(database_of(request), call, wanted), Visit, visit_body, status_code=201
    )


@get(
    "/v1/visits/{id:str}",
    **operation("get_visit", "Get a visit", tag="visits", scope="read:visits"),
    response_description="The visit",
    responses=refusals({404: "Not found"}),
)
async def get_visit(request: AnyRequest, visit_id: PathId) -> Response[VisitBody]:
    """One visit, with its version as ETag."""
    visit = await visits.get_visit(database_of(request), await call_of(request), visit_id)
    return Response(visit_body(visit), headers={"ETag": etag(visit.version)})


async def change_visit(
    request: AnyRequest, change: Change, *, call: Call | None = None, status_code: int = 200
) -> Response[VisitBody]:
    """The answer to a change of a visit that is as If-Match says, if it says so."""
    call = call or await call_of(request)
    change = replace(change, versions=versions_wanted(request))
    changed = visit_changes.change_visit(database_of(request), call, change)
    return await answer(changed, Visit, visit_body, status_code=status_code)


ROUTES = [list_visits, book_visit, get_visit]
