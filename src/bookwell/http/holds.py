"""The route that holds a slot."""

from litestar import Response, post
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.holds import VISIT_TYPE_UNSPECIFIED
from bookwell.domain.visits import Visit, Wanted
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, Notes, OverrideReason, Reason, VisitType, or_none
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visits import VisitBody, visit_body
from bookwell.usecases import visits


class HoldSlot(Struct, kw_only=True):
    """For whom to hold the slot. What is not said yet can be said when it is confirmed."""

    patient_id: Id
    brand_id: Id | UnsetType = UNSET
    visit_type: VisitType | UnsetType = UNSET
    provider_id: Id | UnsetType = UNSET
    reason: Reason | UnsetType | None = UNSET
    notes: Notes | UnsetType | None = UNSET
    override_reason: OverrideReason | UnsetType = UNSET


@post(
    "/v1/slots/{id:str}/hold",
    **operation("hold_slot", "Hold a slot", tag="visits", scope="write:visits"),
    response_description="Slot held",
    responses=refusals(
        {
            400: "Validation error",
            404: "Slot or patient not found",
            409: "Slot already booked, or too many holds",
        }
    ),
)
async def hold_slot(
    request: AnyRequest, slot_id: PathId, data: JSONBody[HoldSlot]
) -> Response[VisitBody]:
    """Take a slot for a patient for some minutes; confirm it in time, or it is free again."""
    call = await call_of(request, brand_id=or_none(data.brand_id))
    wanted = Wanted(
        patient_id=data.patient_id,
        slot_id=slot_id,
        visit_type=or_none(data.visit_type) or VISIT_TYPE_UNSPECIFIED,
        provider_id=or_none(data.provider_id),
        reason=or_none(data.reason),
        notes=or_none(data.notes),
        terms=plugged_into(request.app).hold_terms,
        override_reason=or_none(data.override_reason),
    )
    return await answer(
        visits.take_slot(database_of(request), call, wanted), Visit, visit_body, status_code=201
    )


ROUTES = [hold_slot]
