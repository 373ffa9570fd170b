"""The routes that take a visit through its statuses."""

from litestar import Response, post
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.visits import (
    CANCEL,
    CHECK_IN,
    COMPLETE,
    CONFIRM,
    MARK_NO_SHOW,
    Change,
    Visit,
)
from bookwell.http.calls import AnyRequest, answer, call_of, database_of, versions_wanted
from bookwell.http.fields import Id, Notes, OverrideReason, Reason, VisitType, or_none
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visits import VisitBody, change_visit, visit_body
from bookwell.usecases import moves


class ConfirmVisit(Struct, kw_only=True):
    """What to say of the visit now that was not said when it was held."""

    visit_type: VisitType | UnsetType = UNSET
    reason: Reason | UnsetType | None = UNSET
    notes: Notes | UnsetType | None = UNSET
    override_reason: OverrideReason | UnsetType = UNSET


class CancelVisit(Struct, kw_only=True):
    """Why it is cancelled, if somebody wants to say."""

    reason: Reason | UnsetType = UNSET
    override_reason: OverrideReason | UnsetType = UNSET


class RescheduleVisit(Struct, kw_only=True):
    """Where to move it."""

    new_slot_id: Id
    override_reason: OverrideReason | UnsetType = UNSET


class CompleteVisit(Struct, kw_only=True):
    """Notes to leave with the visit, if there are any."""

    notes: Notes | UnsetType = UNSET


@post(
    "/v1/visits/{id:str}/confirm",
    **operation("confirm_visit", "Confirm a held visit", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit booked",
    responses=refusals(
        {
            404: "Not found",
            409: "A booking rule does not allow it",
            410: "The hold has expired",
            412: "Cannot confirm visit in current status",
        }
    ),
)
async def confirm_visit(
    request: AnyRequest,
    visit_id: PathId,
    data: JSONBody[ConfirmVisit | None] = None,
) -> Response[VisitBody]:
    """Book a held visit. What is given here replaces what was said when it was held.

    The booking rules judge it again, as asked for when it was held.
    """
    said = data or ConfirmVisit()
    return await change_visit(
        request,
        Change(
            visit_id=visit_id,
            transition=CONFIRM,
            visit_type=or_none(said.visit_type),
            reason=or_none(said.reason),
            notes=or_none(said.notes),
            override_reason=or_none(said.override_reason),
        ),
    )


@post(
    "/v1/visits/{id:str}/cancel",
    **operation("cancel_visit", "Cancel a visit", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit cancelled",
    responses=refusals({404: "Not found", 412: "Cannot cancel visit in current status"}),
)
async def cancel_visit(
    request: AnyRequest,
    visit_id: PathId,
    data: JSONBody[CancelVisit | None] = None,
) -> Response[VisitBody]:
    """Cancel a held or booked visit; its time is free at once. The body may be absent or empty.

    The terms it was booked under say until when: `GET /v1/visits/{id}/cancel/quote`.
    """
    said = data or CancelVisit()
    return await change_visit(
        request,
        Change(
            visit_id=visit_id,
            transition=CANCEL,
            cancel_reason=or_none(said.reason),
            override_reason=or_none(said.override_reason),
        ),
    )


@post(
    "/v1/visits/{id:str}/reschedule",
    **operation("reschedule_visit", "Reschedule a visit", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit rescheduled",
    responses=refusals(
        {
            404: "Not found",
            409: "New slot already booked",
            412: "Cannot reschedule visit in current status",
        }
    ),
)
async def reschedule_visit(
    request: AnyRequest,
    visit_id: PathId,
    data: JSONBody[RescheduleVisit],
) -> Response[VisitBody]:
    """Move a booked visit to another slot. It keeps its id; a failed move changes nothing.

    The terms it was booked under say until when, the booking rules of today where to.
    """
    moved = moves.reschedule_visit(
        database_of(request),
        await call_of(request),
        visit_id,
        new_slot_id=data.new_slot_id,
        versions=versions_wanted(request),
        override_reason=or_none(data.override_reason),
    )
    return await answer(moved, Visit, visit_body)


@post(
    "/v1/visits/{id:str}/check-in",
    **operation("check_in_visit", "Check a visit in", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit checked in",
    responses=refusals({404: "Not found", 412: "Cannot check in visit in current status"}),
)
async def check_in_visit(request: AnyRequest, visit_id: PathId) -> Response[VisitBody]:
    """The patient is there."""
    return await change_visit(request, Change(visit_id=visit_id, transition=CHECK_IN))


@post(
    "/v1/visits/{id:str}/complete",
    **operation("complete_visit", "Complete a visit", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit completed",
    responses=refusals({404: "Not found", 412: "Cannot complete visit in current status"}),
)
async def complete_visit(
    request: AnyRequest,
    visit_id: PathId,
    data: JSONBody[CompleteVisit | None] = None,
) -> Response[VisitBody]:
    """The visit took place. Notes given here replace the visit's. For staff and services."""
    notes = or_none(data.notes) if data else None
    return await change_visit(request, Change(visit_id=visit_id, transition=COMPLETE, notes=notes))


@post(
    "/v1/visits/{id:str}/no-show",
    **operation("mark_no_show", "Mark a visit as missed", tag="visits", scope="write:visits"),
    status_code=200,
    response_description="Visit marked as no-show",
    responses=refusals({404: "Not found", 412: "Cannot mark visit as no-show in current status"}),
)
async def mark_no_show(request: AnyRequest, visit_id: PathId) -> Response[VisitBody]:
    """The patient did not come; possible once the slot has begun. For staff and services."""
    return await change_visit(request, Change(visit_id=visit_id, transition=MARK_NO_SHOW))


ROUTES = [
    confirm_visit,
    cancel_visit,
    reschedule_visit,
    check_in_visit,
    complete_visit,
    mark_no_show,
]
