"""Whatever a visit goes through, each start it has is told once and its message taken once.

Every short sequence of moves, cancels and bad days of the message service is a visit of its own
here, all of them at once, and a small model says what must have come of each.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

from books import is_whole
from bookwell.domain.callers import Call, operator
from bookwell.domain.reminders import Reminder, dedup_key
from bookwell.domain.visits import CANCEL, Change
from bookwell.gateways.comms import Comms
from bookwell.storage.database import Database
from bookwell.storage.messages import Claimed
from bookwell.usecases.messages import send_due
from bookwell.usecases.moves import reschedule_visit
from bookwell.usecases.reminder_rules import set_rule
from bookwell.usecases.reminders import remind_brand
from bookwell.usecases.visit_changes import change_visit
from comms_service import CommsService, Heard
from world import LOOP, World

CALL = Call(caller=operator("cli:tests"), brand_id=LOOP, request_id="req_moved")
HOUR = 60
MOVES = 3

# What becomes of a visit's waiting message in a round: it is not its turn, or it is tried.
LATER, AWAY, TAKEN, REFUSED = "later", "503 Away", "taken", "422 No such template"
OUTCOMES = (LATER, AWAY, TAKEN, REFUSED)
MOVE, GIVE_UP = "move", "cancel"
# What is done to a visit in a round, and what the message service then makes of it.
STEPS = [*product([MOVE], OUTCOMES), (GIVE_UP, TAKEN)]


def sequences() -> Iterator[list[tuple[str | None, str]]]:
    """Every way to go through as many rounds; after it is cancelled, a visit is left alone."""
    for first in OUTCOMES:
        for steps in product(STEPS, repeat=MOVES):
            actions = [action for action, _ in steps]
            if GIVE_UP in actions[:-1]:
                continue
            yield [(None, first), *steps]
        for length in range(MOVES - 1):
            for steps in product(product([MOVE], OUTCOMES), repeat=length):
                yield [(None, first), *steps, (GIVE_UP, TAKEN)]


@dataclass(eq=False)
class Model:
    """A visit as it should be: what it was told of, and what became of each message."""

    visit_id: str
    slots: dict[datetime, str]
    steps: list[tuple[str | None, str]]
    starts_at: datetime
    is_booked: bool = True
    told: list[datetime] = field(default_factory=list)
    messages: dict[datetime, str] = field(default_factory=dict)

    @property
    def other_start(self) -> datetime:
        return next(each for each in self.slots if each != self.starts_at)

    def key(self) -> str:
        return dedup_key(self.visit_id, self.starts_at, HOUR)

    def step(self, number: int) -> tuple[str | None, str]:
        """In the end, everything is taken."""
        return self.steps[number] if number < len(self.steps) else (None, TAKEN)

    def act(self, action: str | None) -> None:
        if action == MOVE:
            self.starts_at = self.other_start
        if action == GIVE_UP:
            self.is_booked = False

    def remind(self) -> None:
        if self.is_booked and self.starts_at not in self.told:
            self.told.append(self.starts_at)
            self.messages[self.starts_at] = AWAY

    def send(self, outcome: str) -> bool:
        """Whether the message service is to hear of it."""
        is_tried = self.is_booked and outcome != LATER and self.messages.get(self.starts_at) == AWAY
        if is_tried:
            self.messages[self.starts_at] = outcome
        return is_tried


def clock_at(world: World, instant: datetime) -> None:
    world.shift_clock(instant - datetime.now(UTC))


def booked(world: World, steps: list[list[tuple[str | None, str]]]) -> list[Model]:
    """A visit at noon for each sequence, booked long ago, with a slot four minutes later beside."""
    starts = [world.at(12), world.at(12) + timedelta(minutes=4)]
    world.sql(
        "INSERT INTO booking.provider (provider_id, brand_id, kind)"
        " SELECT 'prv_' || n, 'loop', 'clinician' FROM generate_series(1, %s) AS n",
        len(steps),
    )
    world.sql(
        "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
        " SELECT 'loop', provider_no, 'N. N.' FROM booking.provider"
        " WHERE provider_id ~ '^prv_[0-9]+$'"
    )
    world.sql(
        "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
        " SELECT 'slt_' || substr(provider_id, 5) || '_' || at, 'loop', provider_no, start,"
        " start + interval '3 minutes' FROM booking.provider,"
        " unnest(%s::timestamptz[]) WITH ORDINALITY AS given (start, at)"
        " WHERE provider_id ~ '^prv_[0-9]+$'",
        starts,
    )
    world.sql(
        "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
        " starts_at, ends_at, status, visit_type, created_at)"
        " SELECT 'vis_' || substr(slot_id, 5, length(slot_id) - 6), 'loop', 'pat_ada', provider_no,"
        " slot_id, starts_at, ends_at, 'booked', 'follow_up', now() - interval '1 day'"
        " FROM booking.slot WHERE slot_id ~ '^slt_[0-9]+_1$'"
    )
    world.sql(
        "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence,"
        " occurred_at, data) SELECT 'evt_' || visit_id, 'loop', 'booking.visit.created.v1',"
        " visit_id, 1, created_at, '{}' FROM booking.visit"
    )
    world.sql(
        "INSERT INTO booking.audit (actor_type, actor_id, event_type, entity_type, entity_id,"
        " brand_id, request_id) SELECT 'system', 'tests', 'visit.created', 'visit', visit_id,"
        " 'loop', 'req' FROM booking.visit"
    )
    return [
        Model(
            visit_id=f"vis_{number}",
            slots={start: f"slt_{number}_{at}" for at, start in enumerate(starts, 1)},
            steps=each,
            starts_at=starts[0],
        )
        for number, each in enumerate(steps, 1)
    ]


async def act(database: Database, model: Model, action: str | None) -> None:
    if action == MOVE:
        slot_id = model.slots[model.other_start]
        await reschedule_visit(database, CALL, model.visit_id, new_slot_id=slot_id)
    if action == GIVE_UP:
        await change_visit(database, CALL, Change(visit_id=model.visit_id, transition=CANCEL))
    model.act(action)


async def look(database: Database) -> None:
    async with database.reading() as connection, connection.transaction():
        while not await remind_brand(connection, LOOP, with_messages=True):
            pass


async def test_each_start_is_told_once_and_its_message_taken_once_whatever_happens(
    world: World, database: Database, comms: Comms, service: CommsService
) -> None:
    reminder = Reminder(offset_minutes=HOUR, channel="sms", template_key="soon")
    await set_rule(database, CALL, visit_type=None, wanted=[reminder])
    world.sql("UPDATE booking.reminder_rule SET holds_since = now() - interval '1 day'")
    models = booked(world, list(sequences()))

    for number in range(MOVES + 2):
        # Both starts are due, and neither was before it could be booked.
        clock_at(world, world.at(11) + timedelta(minutes=4, seconds=5))
        await asyncio.gather(*(act(database, each, each.step(number)[0]) for each in models))
        await look(database)
        for each in models:
            each.remind()
        await send(world, database, comms, service, {each: each.step(number)[1] for each in models})

    assert told(world) == Counter((each.visit_id, start) for each in models for start in each.told)
    taken = {
        dedup_key(each.visit_id, start, HOUR)
        for each in models
        for start, message in each.messages.items()
        if message == TAKEN
    }
    assert service.taken == Counter(taken)
    assert any(len(each.told) == 2 and set(each.messages.values()) == {TAKEN} for each in models), (
        "there and back"
    )
    assert is_whole(world)


async def send(
    world: World,
    database: Database,
    comms: Comms,
    service: CommsService,
    outcomes: dict[Model, str],
) -> None:
    """One round; the service hears of exactly those that it is to hear of, at the starts they have."""
    world.sql("UPDATE booking.message SET next_attempt_at = now() WHERE status = 'waiting'")
    world.sql(
        "UPDATE booking.message SET next_attempt_at = 'infinity'"
        " WHERE status = 'waiting' AND visit_id = ANY (%s)",
        [each.visit_id for each, outcome in outcomes.items() if outcome == LATER],
    )
    expected = {each.key(): outcome for each, outcome in outcomes.items() if each.send(outcome)}
    before = len(service.heard)

    def ill(heard: Heard) -> str | None:
        outcome = expected.get(heard.body["dedup_key"], "404 Nobody was to send this")
        return None if outcome == TAKEN else outcome

    service.ill = ill
    await send_due(database, comms, timeout_seconds=30, note=_note)
    heard = Counter(each.body["dedup_key"] for each in service.heard[before:])
    assert heard == Counter(expected.keys())


def _note(_: Claimed, code: str) -> None:
    assert code == "http_422"


def told(world: World) -> Counter[tuple[object, object]]:
    rows = world.sql(
        "SELECT entity_id, (data ->> 'slot_start')::timestamptz FROM booking.event"
        " WHERE event_type = 'booking.visit.reminder_due.v1'"
    )
    return Counter((visit_id, start) for visit_id, start in rows)
