"""A calendar of more entries than there may be: the latest are in it, and it says so."""

from datetime import UTC, datetime, timedelta

import asyncpg
import icalendar
import msgspec
import psycopg
import pytest

from bookwell.domain.calendars import ENTRIES_MAX, Calendar, OwnerKind
from bookwell.http import ics
from bookwell.storage import calendars
from bookwell.storage.calendars import Opened
from clinic import Clinic
from world import LOOP

# Visits of a minute, one after the other and over already; the latest begins yesterday.
_WRITE = """
INSERT INTO booking.visit (
    visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status, visit_type)
SELECT 'vis_' || %(patient)s || '_' || number, brand_id, patient_id, provider_no, slot_id,
       %(last)s::timestamptz - (%(count)s - number) * interval '1 minute',
       %(last)s::timestamptz - (%(count)s - number - 1) * interval '1 minute',
       'completed', visit_type
FROM booking.visit, generate_series(1, %(count)s) AS number
WHERE visit_id = %(visit)s
"""


@pytest.mark.parametrize("spare", [0, 3])
async def test_of_too_many_entries_the_latest_are_shown_and_the_calendar_says_so(
    clinic: Clinic, spare: int
) -> None:
    patient_id = clinic.patient().patient_id
    visit = clinic.visit(patient_id=patient_id)
    wanted = {
        "patient": patient_id,
        "visit": visit["id"],
        "last": datetime.now(UTC).replace(microsecond=0) - timedelta(days=1),
        "count": ENTRIES_MAX + spare - 1,
    }
    with psycopg.connect(clinic.world.database_url) as connection:
        connection.execute(_WRITE, wanted)

    calendar = await calendar_of(clinic, patient_id)

    assert len(calendar.entries) == ENTRIES_MAX
    assert calendar.entries[0].entry_id == f"vis_{patient_id}_{spare + 1}"
    assert calendar.entries[-1].entry_id == visit["id"]
    starts = [entry.starts_at for entry in calendar.entries]
    assert starts == sorted(starts)
    # Its first and last hundred as a file: what is said of all of it is said at its head.
    few = msgspec.structs.replace(
        calendar, entries=[*calendar.entries[:100], *calendar.entries[-100:]]
    )
    written = icalendar.Calendar.from_ical(await ics.write(few, None))
    assert written.get("DESCRIPTION") == (ics.IS_CUT if spare else None)
    assert len(written.walk("VEVENT")) == 200


async def calendar_of(clinic: Clinic, patient_id: str) -> Calendar:
    opened = Opened(
        brand_id=LOOP,
        brand_name="Loop",
        owner_kind=OwnerKind.PATIENT,
        provider_no=None,
        patient_id=patient_id,
    )
    connection = await asyncpg.connect(clinic.world.database_url)
    try:
        return await calendars.read(connection, opened)
    finally:
        await connection.close()
