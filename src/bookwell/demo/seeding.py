"""Makes the demo's world, or what is missing of it, through the use cases as a clinic would."""

from datetime import date, timedelta

from bookwell.demo.people import BRANDS, Coach, clinicians_of, coaches_of, patients_of
from bookwell.demo.visit_types import VISIT_TYPES
from bookwell.demo.weeks import WORKING_LIVES, WorkingLife
from bookwell.domain.callers import Call, Caller, operator
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.ids import REQUEST, new_id
from bookwell.domain.licences import Licence, Stay
from bookwell.domain.office_hours import WeeklyRule
from bookwell.domain.wall_time import zone_named
from bookwell.storage import catalog as stored_catalog
from bookwell.storage import derivation as stored_derivation
from bookwell.storage import journal
from bookwell.storage.database import Database
from bookwell.storage.derivation import Due
from bookwell.usecases import (
    catalog,
    derivation,
    licences,
    office_hours,
    patient_regions,
    schedules,
    time_off,
    visit_types,
)
from bookwell.usecases.paging import FAR_PAST
from bookwell.usecases.schedules import Upkeep
from bookwell.usecases.time_off import Away

# More than the demo has of anything that is listed here.
PAGE = 500


def demo_caller() -> Caller:
    """Who builds the demo, as the audit names them."""
    return operator("demo")


def call_for(brand_id: str) -> Call:
    return Call(caller=demo_caller(), brand_id=brand_id, request_id=new_id(REQUEST))


async def seed(database: Database, *, horizon: timedelta) -> None:
    """Add what is missing, and see that the slots reach as far ahead as `horizon`.

    What people did in the demo stays: bookings, slots they took back, hours and terms they changed.
    A demo of a version that knew no schedules gets them; its slots stay beside those.
    """
    brands = await catalog.list_brands(database, only=None, after_id=None, limit=PAGE)
    known = {brand.brand_id for brand in brands.items}
    for brand_id, name in BRANDS.items():
        call = call_for(brand_id)
        if brand_id not in known:
            await catalog.add_brand(database, call, name=name)
        await _add_visit_types(database, call)
        await _add_patients(database, call)
        await _add_providers(database, call)
        for coach in coaches_of(brand_id):
            await _offer_office_hours(database, call, coach)
        new = [
            clinician.provider_id
            for clinician in clinicians_of(brand_id)
            if not await _has_worked(database, call, clinician.provider_id)
        ]
        if new:
            await _say_where_patients_are(database, call)
        for provider_id in new:
            await _set_to_work(database, call, provider_id, horizon)
    await derivation.derive_due(database, horizon=horizon, note=_raise)


def _raise(_due: Due, error: Exception) -> None:
    raise error


async def _add_visit_types(database: Database, call: Call) -> None:
    page = await visit_types.list_visit_types(
        database, call, include_retired=True, after_id=None, limit=PAGE
    )
    known = {each.visit_type for each in page.items}
    for kind in VISIT_TYPES[call.brand_id]:
        if kind.visit_type not in known:
            await visit_types.add_visit_type(
                database, call, kind.visit_type, name=kind.name, fields=kind.fields
            )


async def _add_patients(database: Database, call: Call) -> None:
    page = await catalog.list_patients(database, call, after_id=None, limit=PAGE)
    known = {patient.patient_id for patient in page.items}
    for patient in patients_of(call.brand_id):
        if patient.patient_id not in known:
            await catalog.add_patient(
                database, call, patient_id=patient.patient_id, subject=patient.subject
            )


async def _add_providers(database: Database, call: Call) -> None:
    page = await catalog.list_providers(database, call, kind=None, after_id=None, limit=PAGE)
    known = {provider.provider_id for provider in page.items}
    wanted = [
        *((p.provider_id, ProviderKind.CLINICIAN, p.name) for p in clinicians_of(call.brand_id)),
        *((c.coach_id, ProviderKind.COACH, c.name) for c in coaches_of(call.brand_id)),
    ]
    for provider_id, kind, name in wanted:
        if provider_id not in known:
            await catalog.add_provider(
                database, call, provider_id=provider_id, kind=kind, name=name
            )


async def _offer_office_hours(database: Database, call: Call, coach: Coach) -> None:
    page = await office_hours.list_office_hours(
        database, call, coach.coach_id, after_id=None, limit=PAGE
    )
    known = {_said(rule) for rule in page.items}
    for rule in coach.rules:
        if _said(rule) not in known:
            await office_hours.add_office_hour(database, call, coach.coach_id, rule)


def _said(rule: WeeklyRule) -> tuple[object, ...]:
    """What makes two rules the same offer."""
    return (rule.weekday, rule.wall_from, rule.wall_until, rule.time_zone, rule.duration_minutes)


async def _say_where_patients_are(database: Database, call: Call) -> None:
    for patient in patients_of(call.brand_id):
        known = await patient_regions.get_patient_regions(database, call, patient.patient_id)
        if not known.stays:
            await patient_regions.set_patient_regions(
                database, call, patient.patient_id, [Stay(region=patient.region)]
            )


async def _has_worked(database: Database, call: Call, provider_id: str) -> bool:
    """Whether the clinician ever had a schedule for the brand, even one that was taken away."""
    async with database.reading() as connection:
        provider = await stored_catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        return await stored_derivation.state_of(connection, provider) is not None


async def _set_to_work(
    database: Database, call: Call, provider_id: str, horizon: timedelta
) -> None:
    """Say all of a clinician's work for the brand, the schedule last: it marks that all is said."""
    life = WORKING_LIVES[provider_id]
    async with database.reading() as connection:
        now = await journal.now(connection)
    today = now.astimezone(zone_named(life.time_zone)).date()
    # A demo of an older version may have a visit where somebody is off now.
    upkeep = Upkeep(horizon, keep_visits=True)
    for visit_type, fields in life.overrides.items():
        await visit_types.put_override(database, call, provider_id, visit_type, dict(fields))
    await _add_licences(database, call, provider_id, life, today)
    page = await time_off.list_time_off(database, call, provider_id, after=None, limit=1)
    if life.days_off is not None and not page.items:
        away = Away(*life.days_off.next_week(today), life.time_zone)
        await time_off.add_time_off(database, call, provider_id, away, upkeep)
    await schedules.add_schedule(database, call, provider_id, life.week(today), upkeep)


async def _add_licences(
    database: Database, call: Call, provider_id: str, life: WorkingLife, today: date
) -> None:
    page = await licences.list_licences(database, call, provider_id, after_id=None, limit=PAGE)
    known = {licence.region for licence in page.items}
    for region, days in life.licences.items():
        if region not in known:
            wanted = Licence(
                licence_id="",
                brand_id=call.brand_id,
                provider_id=provider_id,
                region=region,
                valid_from=None,
                valid_until=None if days is None else today + timedelta(days=days),
                time_zone=life.time_zone,
                created_at=FAR_PAST,
            )
            await licences.add_licence(database, call, provider_id, wanted)
