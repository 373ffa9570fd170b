"""Workers that are killed in the middle of reminding: each reminder is told and taken all the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from books import is_whole
from clinic import kept_running
from commands import running
from comms_service import CommsService, Heard
from world import World

VISITS = 300

# Visits that begin in 50 minutes, a minute and a provider apart, booked yesterday; and a rule as old.
BOOKS = f"""
INSERT INTO booking.provider (provider_id, brand_id, kind)
SELECT 'prv_' || n, 'loop', 'clinician' FROM generate_series(1, {VISITS}) AS n;
INSERT INTO booking.affiliation (brand_id, provider_no, name)
SELECT 'loop', provider_no, 'N. N.' FROM booking.provider WHERE provider_id ~ '^prv_[0-9]+$';
INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
SELECT 'slt_' || provider_no, 'loop', provider_no, at, at + interval '30 minutes'
FROM booking.provider, LATERAL (SELECT now() + interval '50 minutes' AS at) AS time
WHERE provider_id ~ '^prv_[0-9]+$';
INSERT INTO booking.visit (
    visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status, visit_type,
    created_at)
SELECT 'vis_' || provider_no, 'loop', 'pat_ada', provider_no, slot_id, starts_at, ends_at, 'booked',
       'follow_up', now() - interval '1 day'
FROM booking.slot;
INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, occurred_at, data)
SELECT 'evt_' || visit_id, 'loop', 'booking.visit.created.v1', visit_id, 1, created_at, '{{}}'
FROM booking.visit;
INSERT INTO booking.audit (
    actor_type, actor_id, event_type, entity_type, entity_id, brand_id, request_id)
SELECT 'system', 'tests', 'visit.created', 'visit', visit_id, 'loop', 'req' FROM booking.visit;
INSERT INTO booking.reminder_rule (rule_id, brand_id, reminders, holds_since)
VALUES ('rmr_1', 'loop', '[{{"offset_minutes": 60, "channel": "sms", "template_key": "soon"}}]',
        now() - interval '1 day');
INSERT INTO booking.reminder_look (brand_id) VALUES ('loop');
"""  # noqa: S608 - our own number


class Fitful:
    """Fails, hangs and resets a third of the time, for as long as it is in this mood."""

    def __init__(self) -> None:
        self.is_fitful = True
        self._tries = 0

    def __call__(self, _: Heard) -> str | None:
        self._tries += 1
        if not self.is_fitful or self._tries % 3:
            return None
        return ("500 Broken", "reset", "hang")[self._tries // 3 % 3]


def test_killed_couriers_and_a_fitful_service_neither_lose_a_reminder_nor_tell_it_twice(
    world: World, empty_folder: Path
) -> None:
    world.sql(BOOKS)
    comms, mood = CommsService(), Fitful()
    comms.ill = mood
    serving = ("serve", "--port", "0", "--database-url", world.database_url)
    with (
        kept_running(lambda: _listening(comms)) as url,
        running(
            empty_folder,
            *serving,
            BOOKWELL_COMMS_URL=url,
            BOOKWELL_COMMS_TIMEOUT_SECONDS="0.5",
            BOOKWELL_COURIERS="2",
        ) as service,
    ):
        service.address()
        for kill_at in (10, 60, 120, 200):
            service.until(lambda many=kill_at: len(comms.heard) >= many or not _waiting(world))  # type: ignore[misc]  # its type is the list's
            service.couriers[0].kill()
            service.until(lambda: len(service.couriers) == 2)
        mood.is_fitful = False
        # What a dead courier had in hand is free again when its lease ends; here, at once.
        world.sql(
            "UPDATE booking.message SET leased_until = NULL, next_attempt_at = now()"
            " WHERE status = 'waiting'"
        )
        service.until(lambda: not _waiting(world))

    told = world.sql(
        "SELECT entity_id, count(*) FROM booking.event"
        " WHERE event_type = 'booking.visit.reminder_due.v1' GROUP BY entity_id"
    )
    assert len(told) == VISITS
    assert {count for _, count in told} == {1}
    assert is_whole(world)
    assert len(comms.taken) == VISITS
    assert world.sql("SELECT DISTINCT status FROM booking.message") == [("sent",)]
    assert len({(each.body["dedup_key"], each.idempotency_key) for each in comms.heard}) == VISITS
    assert len(comms.heard) > VISITS, "some were tried again"
    assert "Traceback" not in service.err


def _waiting(world: World) -> bool:
    ((waiting, settled),) = world.sql(
        "SELECT count(*) FILTER (WHERE status = 'waiting'), count(*) FROM booking.message"
    )
    return waiting != 0 or settled != VISITS


@asynccontextmanager
async def _listening(comms: CommsService) -> AsyncIterator[str]:
    async with comms.listening():
        yield comms.url
