"""`bookwell schedule`: a week as a person would draw it, and slots made anew."""

import json
from datetime import UTC, datetime

import pytest

from bookwell.domain.wall_time import ZONE_DATA_VERSION
from commands import Bookwell, Said
from deriving import add_schedule
from scheduled import WEEKDAYS
from world import LOOP, LOOPBIO, World

DRAWN = """\
Prv_Both (prv_both) in loop
Week 20 of 2031, 12 May to 18 May, wall time of Europe/Berlin

      Mon 12    Tue 13    Wed 14    Thu 15    Fri 16    Sat 17    Sun 18
09:00 A········ ///////// A········ A········ A········
09:30 █████████ ///////// ········· ········· ·········
10:00 A········ ///////// ········· ▒▒▒▒▒▒▒▒▒ ▓▓▓▓▓▓▓▓▓
10:30 ········· ///////// ········· ▒▒▒▒▒▒▒▒▒ ▓▓▓▓▓▓▓▓▓
11:00

A·  open for follow_up
██  booked
▒▒  held
▓▓  busy in another brand
//  time off
"""


@pytest.fixture
def drawn(world: World) -> World:
    """A week of prv_both in May 2031 with everything in it."""
    world.add_visit_type("follow_up", duration_minutes=30)
    hours = [
        {
            "rule_id": f"rul_{day}",
            "weekday": day,
            "wall_from": "09:00:00",
            "wall_until": "11:00:00",
            "visit_types": ["follow_up"],
        }
        for day in WEEKDAYS[:5]
    ]
    add_schedule(world, "prv_both", time_zone="Europe/Berlin")
    world.sql("UPDATE booking.schedule SET rules = %s", json.dumps({"weekly": hours}))
    world.sql(
        "INSERT INTO booking.time_off (time_off_id, brand_id, provider_no, wall_from, wall_until,"
        " time_zone, starts_at, ends_at) SELECT 'off_1', brand_id, provider_no, '2031-05-13',"
        " '2031-05-14', time_zone, '2031-05-12T22:00Z', '2031-05-13T22:00Z' FROM booking.schedule"
    )
    for day, hour, minutes, brand_id, status in [
        (12, 7.5, 30, LOOP, "booked"),
        (15, 8, 60, LOOP, "held"),
        (16, 8, 60, LOOPBIO, "booked"),
        (16, 7, 60, LOOP, "cancelled"),
    ]:
        visit(world, day, hour, minutes, brand_id, status)
    return world


def visit(world: World, day: int, hour: float, minutes: int, brand_id: str, status: str) -> None:
    """A visit of prv_both, at this hour in UTC."""
    starts_at = datetime(2031, 5, day, int(hour), int(hour % 1 * 60), tzinfo=UTC)
    slot_id = world.add_slot(starts_at, minutes, provider_id="prv_both", brand_id=brand_id)
    world.sql(
        "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
        " starts_at, ends_at, status, visit_type, cancelled_at, hold_expires_at, hold_place)"
        " SELECT 'vis_' || slot_id, brand_id, CASE brand_id WHEN 'loop' THEN 'pat_ada' ELSE 'pat_eve'"
        " END, provider_no, slot_id, starts_at, ends_at, %s, 'follow_up',"
        " CASE %s WHEN 'cancelled' THEN now() END, CASE %s WHEN 'held' THEN starts_at END,"
        " CASE %s WHEN 'held' THEN 1 END FROM booking.slot WHERE slot_id = %s",
        *[status] * 4,
        slot_id,
    )


def show(bookwell: Bookwell, world: World, *arguments: str, **environment: str) -> Said:
    return bookwell(
        *("schedule", "show", *arguments),
        BOOKWELL_DATABASE_URL=world.database_url,
        **environment,
    )


def test_a_week_is_drawn_with_days_across_and_hours_down(bookwell: Bookwell, drawn: World) -> None:
    said = show(bookwell, drawn, "prv_both", "--week", "2031-W20", COLUMNS="80")

    assert said == Said(0, DRAWN, "")


@pytest.mark.parametrize(
    ("columns", "widest"), [("40", 62), ("80", 76), ("120", 118), ("300", 118)]
)
def test_no_line_is_wider_than_the_terminal_unless_that_is_tiny(
    bookwell: Bookwell, drawn: World, columns: str, widest: int
) -> None:
    said = show(bookwell, drawn, "prv_both", "--week", "2031-W20", COLUMNS=columns)

    assert max(len(line) for line in said.out.splitlines()) <= widest


def test_a_closed_holiday_says_so_and_a_clock_that_skips_an_hour_does_too(
    bookwell: Bookwell, drawn: World
) -> None:
    drawn.sql("UPDATE booking.schedule SET holiday_region = 'DE'")
    christmas = show(bookwell, drawn, "prv_both", "--week", "2031-W52").out.splitlines()
    assert [line.split() for line in christmas if "holiday" in line] == [["holiday", "holiday"]]
    assert len(christmas[5].split()) == 4, "the time and three open days"

    drawn.sql(
        "UPDATE booking.schedule SET rules = replace(replace(rules::text, 'friday', 'sunday'),"
        " '09:00', '01:00')::jsonb"
    )
    clocks = show(bookwell, drawn, "prv_both", "--week", "2031-W13").out
    assert "skipped by the clock" in clocks
    skipped = [line for line in clocks.splitlines() if line.startswith("02:")]
    assert [line.rstrip()[-1] for line in skipped] == ["-", "-"]


def test_every_brand_has_its_week_unless_one_is_named(bookwell: Bookwell, drawn: World) -> None:
    add_schedule(drawn, "prv_both", brand_id=LOOPBIO)

    both = show(bookwell, drawn, "prv_both", "--week", "2031-W20").out
    one = show(bookwell, drawn, "prv_both", "--brand", LOOPBIO, "--week", "2031-W20").out

    assert ("in loop\n" in both, "in loopbio\n" in both) == (True, True)
    assert ("in loop\n" in one, "in loopbio\n" in one) == (False, True)
    # A patient of either brand is shown to neither.
    assert "pat_" not in both


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("prv_kim",), "bookwell: prv_kim has no schedule in any brand.\n"),
        (("prv_kim", "--brand", "loop"), "bookwell: prv_kim has no schedule in loop.\n"),
        (("prv_sam", "--brand", "loop"), "bookwell: There is no such provider.\n"),
        (
            ("prv_kim", "--week", "2031-W60"),
            "bookwell: Invalid value for '--week': it must be a week such as 2026-W48.\n",
        ),
        (
            ("prv_kim", "--week", "9999-W52"),
            "bookwell: Invalid value for '--week': it must be a week such as 2026-W48.\n",
        ),
        (
            ("prv_kim", "--week", "0001-W01"),
            "bookwell: Invalid value for '--week': it must be a week such as 2026-W48.\n",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(
    bookwell: Bookwell, drawn: World, arguments: tuple[str, ...], sentence: str
) -> None:
    assert show(bookwell, drawn, *arguments) == Said(2, "", sentence)


def rederive(bookwell: Bookwell, world: World, *arguments: str) -> Said:
    return bookwell(
        *("schedule", "rederive", *arguments),
        BOOKWELL_DATABASE_URL=world.database_url,
        BOOKWELL_HORIZON_DAYS="7",
    )


def test_slots_are_made_anew_once_for_other_zone_data(bookwell: Bookwell, world: World) -> None:
    add_schedule(world)

    looked = rederive(bookwell, world, "--dry-run").out
    assert world.sql("SELECT slot_id FROM booking.slot") == []
    made = rederive(bookwell, world).out
    again = rederive(bookwell, world, "--brand", LOOP).out
    every = rederive(bookwell, world, "--all", "--provider", "prv_kim").out

    first, last = looked.splitlines()
    assert first.startswith("prv_kim in loop: slots added ")
    assert last == (
        f"Would be made anew with zone data {ZONE_DATA_VERSION}. Providers: 1;"
        " visits to look after: 0."
    )
    assert made.splitlines()[0] == first
    assert again.splitlines() == [
        f"Made anew with zone data {ZONE_DATA_VERSION}. Providers: 0; visits to look after: 0."
    ]
    assert "prv_kim in loop: slots added 0, withdrawn 0" in every


def test_a_provider_whom_no_brand_knows_is_not_made_anew(bookwell: Bookwell, world: World) -> None:
    add_schedule(world)

    said = rederive(bookwell, world, "--provider", "prv_nobody")

    assert said == Said(2, "", "bookwell: There is no such provider.\n")


def test_visits_that_the_clock_left_behind_are_listed(bookwell: Bookwell, world: World) -> None:
    add_schedule(world)
    rederive(bookwell, world)
    slots = world.sql("SELECT slot_id FROM booking.slot WHERE starts_at = %s", world.at(9))
    ((slot_id,),) = slots
    world.sql(
        "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id,"
        " starts_at, ends_at, status, visit_type) SELECT 'vis_9', brand_id, 'pat_ada', provider_no,"
        " slot_id, starts_at, ends_at, 'booked', 'follow_up' FROM booking.slot WHERE slot_id = %s",
        slot_id,
    )
    world.sql("UPDATE booking.derivation SET zone_data = '2001a'")
    for table in ("slot", "visit"):
        world.sql(
            f"UPDATE booking.{table} SET starts_at = starts_at - interval '3 h',"  # noqa: S608 - our own names
            " ends_at = ends_at - interval '3 h'"
        )

    said = rederive(bookwell, world).out

    assert (
        f"  vis_9 begins at {world.day:%Y-%m-%d} 06:00Z, where the wall clock no longer says\n"
        in said
    )
    assert said.endswith("visits to look after: 1.\n")
