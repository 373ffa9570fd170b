"""Makes the demo's world, or what is missing of it, through the use cases as a clinic would."""

from datetime import timedelta

from bookwell.demo.people import (
    BRANDS,
    Clinician,
    Coach,
    clinicians_of,
    coaches_of,
    patients_of,
)
from bookwell.domain.callers import Call, Caller, operator
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.ids import REQUEST, new_id
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import WeeklyRule
from bookwell.storage import journal
from bookwell.storage.database import Database
from bookwell.usecases import catalog, office_hours, slot_series

# From today, as far as a patient plans ahead.
HORIZON = timedelta(weeks=4)
# A slot that begins sooner would be gone before anybody has read of it.
NOTICE = timedelta(minutes=15)
# More than the demo has of anything that is listed here.
PAGE = 500


def demo_caller() -> Caller:
    """Who builds the demo, as the audit names them."""
    return operator("demo")


def call_for(brand_id: str) -> Call:
    return Call(caller=demo_caller(), brand_id=brand_id, request_id=new_id(REQUEST))


async def seed(database: Database) -> int:
    """Add what is missing, fill the four weeks ahead, and return how many slots are new.

    What people did in the demo stays: bookings, and slots they took back.
    """
    brands = await catalog.list_brands(database, only=None, after_id=None, limit=PAGE)
    known = {brand.brand_id for brand in brands.items}
    new_slots = 0
    for brand_id, name in BRANDS.items():
        call = call_for(brand_id)
        if brand_id not in known:
            await catalog.add_brand(database, call, name=name)
        await _add_patients(database, call)
        await _add_providers(database, call)
        for coach in coaches_of(brand_id):
            await _offer_office_hours(database, call, coach)
        for clinician in clinicians_of(brand_id):
            new_slots += await _fill(database, call, clinician)
    return new_slots


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


async def _fill(database: Database, call: Call, clinician: Clinician) -> int:
    async with database.reading() as connection:
        now = await journal.now(connection)
    window = Interval(now + NOTICE, now + HORIZON)
    times = list(clinician.times(window))
    return await slot_series.offer_missing_slots(database, call, clinician.provider_id, times)
