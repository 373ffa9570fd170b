"""The routes of when patients are left in peace: a brand's quiet hours, and patients' zones."""

from datetime import datetime, time

from litestar import Response, get, put
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.quiet_hours import QuietHours
from bookwell.http.calls import (
    AnyRequest,
    answer,
    call_of,
    database_of,
    etag,
    versions_wanted,
)
from bookwell.http.fields import Id, WallTime, ZoneName, or_none
from bookwell.http.reminders import TAG
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visit_types import BrandOfCaller
from bookwell.storage.reminders import PatientTimeZone
from bookwell.usecases import reminder_rules


class SetQuietHours(Struct, kw_only=True):
    """From `start_time` until `end_time` by the patient's clock, over midnight where it is earlier.

    While `is_on` is false they hold for nobody.
    """

    start_time: WallTime
    end_time: WallTime
    is_on: bool = True
    brand_id: Id | UnsetType = UNSET


class QuietHoursBody(Struct, kw_only=True):
    """A brand's quiet hours. `updated_at` is null while nobody has set them."""

    brand_id: str
    start_time: time
    end_time: time
    is_on: bool
    updated_at: datetime | None
    version: int


class SetPatientTimeZone(Struct, kw_only=True):
    """The name of an IANA time zone; null forgets what was said."""

    time_zone: ZoneName | None
    brand_id: Id | UnsetType = UNSET


class PatientTimeZoneBody(Struct, kw_only=True):
    """What the clock on the patient's wall shows; null where nobody said."""

    id: str
    time_zone: str | None


def quiet_hours_body(quiet: QuietHours) -> QuietHoursBody:
    return QuietHoursBody(
        brand_id=quiet.brand_id,
        start_time=quiet.wall_from,
        end_time=quiet.wall_until,
        is_on=quiet.is_on,
        updated_at=quiet.updated_at,
        version=quiet.version,
    )


def time_zone_body(known: PatientTimeZone) -> PatientTimeZoneBody:
    return PatientTimeZoneBody(id=known.patient_id, time_zone=known.time_zone)


@get(
    "/v1/quiet-hours",
    **operation("get_quiet_hours", "Get a brand's quiet hours", tag=TAG, scope="read:visits"),
    response_description="The quiet hours",
    responses=refusals({404: "Brand not found"}),
)
async def get_quiet_hours(request: AnyRequest, brand_id: BrandOfCaller) -> Response[QuietHoursBody]:
    """When patients are not reminded; off where nobody set them."""
    quiet = await reminder_rules.get_quiet_hours(
        database_of(request), await call_of(request, brand_id=brand_id)
    )
    return Response(quiet_hours_body(quiet), headers={"ETag": etag(quiet.version)})


@put(
    "/v1/quiet-hours",
    **operation("set_quiet_hours", "Set a brand's quiet hours", tag=TAG, scope=ADMIN_SCOPE),
    response_description="The quiet hours",
    responses=refusals({404: "Brand not found", 412: "They have changed since"}),
)
async def set_quiet_hours(
    request: AnyRequest, data: JSONBody[SetQuietHours]
) -> Response[QuietHoursBody]:
    """Have nothing leave at these times of the patient's day.

    What would leave then waits for their end as long as it is of use, and else leaves before them.
    """
    said = reminder_rules.set_quiet_hours(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        wall_from=time.fromisoformat(data.start_time),
        wall_until=time.fromisoformat(data.end_time),
        is_on=data.is_on,
        versions=versions_wanted(request),
    )
    return await answer(said, QuietHours, quiet_hours_body)


@get(
    "/v1/patients/{id:str}/time-zone",
    **operation("get_patient_time_zone", "Get a patient's time zone", tag=TAG, scope="read:visits"),
    response_description="The patient's time zone",
    responses=refusals({404: "Not found"}),
)
async def get_patient_time_zone(request: AnyRequest, patient_id: PathId) -> PatientTimeZoneBody:
    """What the clock on the patient's wall shows. A patient sees their own."""
    known = await reminder_rules.get_time_zone(
        database_of(request), await call_of(request), patient_id
    )
    return time_zone_body(known)


@put(
    "/v1/patients/{id:str}/time-zone",
    **operation(
        "set_patient_time_zone", "Set a patient's time zone", tag=TAG, scope="write:visits"
    ),
    response_description="The patient's time zone",
    responses=refusals({404: "Not found"}),
)
async def set_patient_time_zone(
    request: AnyRequest, patient_id: PathId, data: JSONBody[SetPatientTimeZone]
) -> Response[PatientTimeZoneBody]:
    """Say what the clock on the patient's wall shows. A patient says it of themselves."""
    said = reminder_rules.set_time_zone(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        patient_id,
        data.time_zone,
    )
    return await answer(said, PatientTimeZone, time_zone_body)


ROUTES = [get_quiet_hours, set_quiet_hours, get_patient_time_zone, set_patient_time_zone]
