"""Say where patients are, so that only those may see them who are licensed there."""

from collections.abc import Sequence

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.licences import PatientRegions, Stay, checked_stays
from bookwell.storage import catalog, journal, patient_regions
from bookwell.storage.database import Database
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection


async def set_patient_regions(
    database: Database, call: Call, patient_id: str, stays: Sequence[Stay]
) -> PatientRegions:
    """Say where the patient is and when, in place of what was said before.

    Raises:
        InvalidInput: A stay ends before it begins, or begins in another.
        NotFound: The brand has no such patient.
    """
    checked = checked_stays(stays)
    async with database.transaction(call) as connection:
        await _check_patient(connection, call, patient_id)
        # Two who say it at once take turns, so that one of them is right as a whole.
        await catalog.lock_patient(connection, brand_id=call.brand_id, patient_id=patient_id)
        await patient_regions.replace(
            connection, brand_id=call.brand_id, patient_id=patient_id, stays=checked
        )
        regions = PatientRegions(patient_id=patient_id, stays=checked)
        await journal.record(
            connection,
            call,
            Entry(
                event_type="patient_regions.set",
                entity_type="patient_region",
                entity_id=patient_id,
                # Where a patient is stays out of the audit.
                details={"regions": len(checked)},
            ),
            answer=regions,
        )
    return regions


async def get_patient_regions(database: Database, call: Call, patient_id: str) -> PatientRegions:
    """Where the patient is and when, earliest first.

    Raises:
        NotFound: The brand has no such patient.
    """
    async with database.reading() as connection:
        await _check_patient(connection, call, patient_id)
        return await patient_regions.get(connection, brand_id=call.brand_id, patient_id=patient_id)


async def _check_patient(connection: AnyConnection, call: Call, patient_id: str) -> None:
    found = await catalog.find_patient(connection, brand_id=call.brand_id, patient_id=patient_id)
    if found is None:
        raise NotFound("There is no such patient.")
