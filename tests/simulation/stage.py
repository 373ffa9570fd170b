"""The stage of a simulation: two services on one database, a clock that is set, and the book."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from random import Random
from unittest.mock import patch

import asyncpg

from books import add_patients
from bookwell import chores, reminding
from simulation import steps
from simulation.book import HOLD, HOLDS_MAX, Book, OfficeHour
from simulation.bursts import burst
from simulation.calls import Call
from simulation.crashes import Crash, Point, Trap, crashing, quiet
from simulation.invariants import check, check_answers, check_lists
from simulation.orders import Made, book_after
from simulation.services import Answer, Connection, Service
from simulation.steps import TICK, Desk
from world import LOOP, LOOPBIO, World

# A Monday; every simulation begins then, so that nothing depends on the day it runs.
BEGINS_AT = datetime(2030, 1, 7, 7, tzinfo=UTC)
# Half of it decides whether a hold is past or a slot has begun; see steps.TICK.
STEP_SECONDS_MAX = TICK.total_seconds() / 2
PATIENTS_MORE = 4
SLOTS_AT_FIRST = 24
# Longer than any simulation.
NEVER_SECONDS = 86_400.0
NUMBER_SECONDS = 1.0
# A call that stays without an answer after so many tries will have none.
TRIES_MAX = 8

_PROVIDERS = {
    "prv_kim": frozenset({LOOP}),
    "prv_both": frozenset({LOOP, LOOPBIO}),
    "prv_sam": frozenset({LOOPBIO}),
}
# Both brands' sessions of one coach overlap, half and half.
_OFFICE_HOURS = (
    OfficeHour(LOOP, "coach_jo", timedelta(seconds=20), 40, 3),
    OfficeHour(LOOP, "coach_both", timedelta(seconds=20), 40, 2),
    OfficeHour(LOOPBIO, "coach_both", timedelta(minutes=20, seconds=20), 40, 1),
)

# What a step may be, and how often in a hundred.
KINDS = {"one": 44, "burst": 22, "crash": 18, "again": 8, "later": 8}


@dataclass
class Report:
    """What happened, for whoever wonders what a simulation covers."""

    steps: int = 0
    calls: int = 0
    unanswered: int = 0  # at the first try
    services_died: int = 0
    points_reached: set[Point] = field(default_factory=set)
    verbs_done: set[str] = field(default_factory=set)


@asynccontextmanager
async def on_stage(
    world: World, story: list[str], *, is_swept: bool = True
) -> AsyncIterator["Stage"]:
    """Set the stage: more patients, office hours, some slots, and the clock at BEGINS_AT.

    What happens is written into `story`, for whoever has to understand a failure. Where nothing
    `is_swept`, no worker writes down that holds are past, and whoever comes next has to.
    """
    for brand_id in (LOOP, LOOPBIO):
        add_patients(world, PATIENTS_MORE, brand_id)
    for rule in _OFFICE_HOURS:
        _write_rules(world, rule)
    async with AsyncExitStack() as stack:
        # Nobody is reminded here; a look at that would be a transaction that no call made.
        stack.enter_context(patch.object(reminding, "ASK_SECONDS", NEVER_SECONDS))
        # As seldom as the other chores: twenty times a second is most of what would cross the wire.
        stack.enter_context(patch.object(chores, "NUMBER_SECONDS", NUMBER_SECONDS))
        if not is_swept:
            stack.enter_context(patch.object(chores, "EXPIRE_SECONDS", NEVER_SECONDS))
        control, blocker = [await asyncpg.connect(world.database_url) for _ in range(2)]
        stack.push_async_callback(control.close)
        stack.push_async_callback(blocker.close)
        services = [
            await stack.enter_async_context(
                Service(
                    name,
                    world.database_url,
                    hold_minutes=int(HOLD.total_seconds() // 60),
                    holds_max=HOLDS_MAX,
                )
            )
            for name in ("one", "two")
        ]
        stage = Stage(services, control, blocker, await _first_book(control), story)
        await stage.set_clock()
        await stage.offer_slots()
        yield stage


def _write_rules(world: World, rule: OfficeHour) -> None:
    opens = (datetime(2030, 1, 7, tzinfo=UTC) + rule.opens).time()
    world.sql(
        "INSERT INTO booking.office_hour (office_hour_id, brand_id, provider_no, weekday,"
        " wall_from, wall_until, time_zone, duration_minutes, capacity)"
        " SELECT 'ofh_' || provider_id || %s || weekday, %s, provider_no, weekday, %s, %s, 'UTC',"
        " %s, %s FROM booking.provider, generate_series(1, 7) AS weekday WHERE provider_id = %s",
        rule.brand_id,
        rule.brand_id,
        opens,
        time(23, 59, 59),
        rule.minutes,
        rule.capacity,
        rule.coach_id,
    )


async def _first_book(control: Connection) -> Book:
    rows = await control.fetch(
        "SELECT brand_id, array_agg(patient_id) AS ids FROM booking.patient GROUP BY brand_id"
    )
    patients = {row["brand_id"]: frozenset(row["ids"]) for row in rows}
    return Book(BEGINS_AT, _PROVIDERS, _OFFICE_HOURS, patients)


@dataclass
class Stage:
    """Everything a step works on."""

    services: Sequence[Service]
    control: Connection
    blocker: Connection
    book: Book
    story: list[str]
    report: Report = field(default_factory=Report)
    _keyed: list[Call] = field(default_factory=list)  # every call so far that had a key

    async def step(self, number: int, luck: Random) -> None:
        began = asyncio.get_running_loop().time()
        desk = Desk(luck, self.book, number)
        (kind,) = luck.choices(list(KINDS), weights=list(KINDS.values()))
        service = luck.choice(self.services)
        if kind == "later":
            await self._later(luck.randint(5, 60))
        elif kind == "again":
            await self._again(desk, service)
        elif kind == "one":
            await self.make([steps.call(desk)], [service])
        elif kind == "burst":
            await self.make(burst(desk), luck.sample(self.services, 2))
        else:
            drawn = burst(desk, at_least=1, is_keyed=True)
            await self.make(drawn, [service], Crash.drawn(luck))
        await self.settle(luck.choice(self.services))
        took = asyncio.get_running_loop().time() - began
        assert took < STEP_SECONDS_MAX, f"the step took {took:.1f} s; the machine is too busy"
        self.report.steps += 1
        self.book = replace(self.book, now=self.book.now + TICK)
        await self.set_clock()

    async def settle(self, service: Service) -> None:
        """Wait until PostgreSQL has finished everything, and look whether every promise holds."""
        await quiet(self.control)
        await check(self.control, self.book)
        await check_answers(service, self.book)

    async def end(self) -> None:
        """What is too long to look at after each step."""
        for service in self.services:
            await check_lists(service, self.book)

    async def set_clock(self) -> None:
        """Make the database's clock say what the book says."""
        await self.control.execute(
            "DO $$ BEGIN CALL booking.shift_clock(make_interval(secs => extract(epoch FROM"
            f" timestamptz '{self.book.now.isoformat()}' - pg_catalog.now()))); END $$"
        )

    async def offer_slots(self) -> None:
        """Enough time to begin with, drawn like everything else, but always the same."""
        luck = Random(0)  # noqa: S311 - luck that can be had again, and no secret
        for number in range(SLOTS_AT_FIRST):
            desk = Desk(luck, self.book, -number)
            await self.make([steps.create_slot(desk)], [self.services[0]])

    async def _later(self, ticks: int) -> None:
        self.story.append(f"{self._time}: the clock moves on by {ticks * TICK}")
        self.book = replace(self.book, now=self.book.now + ticks * TICK)
        await self.set_clock()

    async def _again(self, desk: Desk, service: Service) -> None:
        """An earlier call once more, with its key; it must lead to what it led to then."""
        earlier = desk.one_of(self._keyed[-30:])
        await self.make([earlier or steps.call(desk)], [service])

    async def make(
        self, drawn: Sequence[Call], services: Sequence[Service], crash: Crash | None = None
    ) -> Trap | None:
        """Make the calls at once, and go on until each has its answer; then the book moves on."""
        self.story.append(
            f"{self._time}: {len(drawn)} call(s) to {' and '.join(s.name for s in services)}"
            + (f"; {crash}" if crash else "")
        )
        if crash is None:
            tasks = [_begin(services[n % len(services)], call) for n, call in enumerate(drawn)]
            made = [Made(call, await task) for call, task in zip(drawn, tasks, strict=True)]
            trap = None
        else:
            trap, made = await self._make_and_crash(drawn, services[0], crash)
        self.story += [f"    {each}" for each in made]
        self.report.calls += len(made)
        self.report.verbs_done |= {each.call.verb for each in made if each.answer.status < 300}
        self._keyed += [each.call for each in made if each.call.key and each.call.method != "GET"]
        self.book = book_after(self.book, made)
        return trap

    async def _make_and_crash(
        self, drawn: Sequence[Call], service: Service, crash: Crash
    ) -> tuple[Trap, list[Made]]:
        async with crashing(crash, service, self.control, self.blocker) as trap:
            tasks = [_begin(service, call) for call in drawn]
            await trap.spring(tasks)
        trap.first_answers = [await task for task in tasks]
        if trap.sprung:
            self.report.points_reached.add(crash.point)
        if trap.sprung and crash.takes_service:
            self.report.services_died += 1
            await service.restart()
        return trap, await self._until_answered(drawn, trap.first_answers)

    async def _until_answered(self, drawn: Sequence[Call], answers: Sequence[Answer]) -> list[Made]:
        """Repeat what has no answer, with its key, at either service."""
        made = [Made(call, answer) for call, answer in zip(drawn, answers, strict=True)]
        self.report.unanswered += sum(not each.answer.is_final for each in made)
        for tries in range(2, TRIES_MAX + 1):
            again = {n: each.call for n, each in enumerate(made) if not each.answer.is_final}
            tasks = {n: _begin(self.services[(n + tries) % 2], call) for n, call in again.items()}
            for n, task in tasks.items():
                made[n] = Made(again[n], await task, tries)
            if not again:
                break
        # Whoever shares a key with a call that had no answer at first may hear a replay at once.
        keys = {each.call.key for each in made if each.tries > 1}
        made = [replace(e, tries=max(e.tries, 2)) if e.call.key in keys else e for e in made]
        assert all(each.answer.is_final for each in made), f"no answer: {[str(m) for m in made]}"
        return made

    @property
    def _time(self) -> str:
        return f"{self.book.now:%a %H:%M:%S}"


def _begin(service: Service, call: Call) -> "asyncio.Task[Answer]":
    return service.begin(call.method, call.path, call.headers, dict(call.body) or None)
