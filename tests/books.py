"""What the books say: questions that a test asks the database itself, past the service."""

from datetime import datetime, time

from world import LOOP, World


def overlapping_visits(world: World) -> list[tuple[object, ...]]:
    """Pairs of active visits that claim one provider's time twice; there must never be any."""
    return world.sql(
        "SELECT a.visit_id, b.visit_id FROM booking.visit AS a JOIN booking.visit AS b"
        " ON a.provider_no = b.provider_no AND a.visit_id < b.visit_id"
        " AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at"
        " WHERE a.status IN ('held', 'booked', 'checked_in')"
        " AND b.status IN ('held', 'booked', 'checked_in')"
    )


def events_of(world: World, entity_id: str) -> list[tuple[object, ...]]:
    """The (number, type) of each event of a thing, in order."""
    return world.sql(
        "SELECT sequence, event_type FROM booking.event WHERE entity_id = %s ORDER BY sequence",
        entity_id,
    )


def changes_audited(world: World, entity_id: str) -> list[object]:
    """The audited changes of a thing, in order."""
    rows = world.sql(
        "SELECT event_type FROM booking.audit WHERE entity_id = %s ORDER BY id", entity_id
    )
    return [change for (change,) in rows]


def count(world: World, table: str) -> int:
    """How many rows a table of ours has."""
    ((rows,),) = world.sql(f"SELECT count(*) FROM booking.{table}")  # noqa: S608 - our own name
    assert isinstance(rows, int)
    return rows


def is_whole(world: World) -> bool:
    """Whether every visit has all its events without a gap, and as many audit rows."""
    rows = world.sql(
        "SELECT v.visit_id FROM booking.visit AS v WHERE v.version IS DISTINCT FROM"
        " (SELECT max(sequence) FROM booking.event WHERE entity_id = v.visit_id)"
        " OR v.version <> (SELECT count(*) FROM booking.event WHERE entity_id = v.visit_id)"
        " OR v.version <> (SELECT count(*) FROM booking.audit WHERE entity_id = v.visit_id)"
    )
    orphans = world.sql(
        "SELECT entity_id FROM booking.event WHERE event_type LIKE 'booking.visit.%%'"
        " AND entity_id NOT IN (SELECT visit_id FROM booking.visit)"
        " UNION ALL SELECT entity_id FROM booking.audit WHERE entity_type = 'visit'"
        " AND entity_id NOT IN (SELECT visit_id FROM booking.visit)"
    )
    return not rows and not orphans


def add_provider(world: World, provider_id: str, kind: str = "clinician") -> str:
    """One more provider of loop."""
    world.sql(
        "INSERT INTO booking.provider (provider_id, brand_id, kind) VALUES (%s, %s, %s)",
        provider_id,
        LOOP,
        kind,
    )
    world.sql(
        "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
        " SELECT brand_id, provider_no, provider_id FROM booking.provider WHERE provider_id = %s",
        provider_id,
    )
    return provider_id


def add_slots(world: World, number: int) -> list[str]:
    """So many slots of five minutes for Kim at loop, one after the other."""
    slots = [f"slt_{n:026}" for n in range(number)]
    world.sql(
        "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
        " SELECT slot_id, %s, provider_no, %s + nth * interval '5 min',"
        " %s + (nth + 1) * interval '5 min'"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS slot (slot_id, nth), booking.provider"
        " WHERE provider_id = 'prv_kim'",
        LOOP,
        world.day,
        world.day,
        slots,
    )
    return slots


def add_patients(world: World, number: int, brand_id: str = LOOP) -> list[str]:
    """So many more patients, without tokens of their own."""
    patients = [f"pat_{brand_id}_{n}" for n in range(number)]
    world.sql(
        "INSERT INTO booking.patient (brand_id, patient_id) SELECT %s, unnest(%s::text[])",
        brand_id,
        patients,
    )
    return patients


def add_office_hour(
    world: World,
    coach_id: str,
    on: datetime,
    *,
    brand_id: str = LOOP,
    capacity: int = 1,
    duration_minutes: int = 60,
) -> str:
    """A weekly rule for the hours from 9 to 12 UTC of that day's weekday."""
    office_hour_id = f"ofh_{coach_id}_{brand_id}_{duration_minutes}"
    world.sql(
        "INSERT INTO booking.office_hour (office_hour_id, brand_id, provider_no, weekday,"
        " wall_from, wall_until, time_zone, duration_minutes, capacity)"
        " SELECT %s, %s, provider_no, %s, %s, %s, 'UTC', %s, %s"
        " FROM booking.provider WHERE provider_id = %s",
        office_hour_id,
        brand_id,
        on.isoweekday(),
        time(9),
        time(12),
        duration_minutes,
        capacity,
        coach_id,
    )
    return office_hour_id
