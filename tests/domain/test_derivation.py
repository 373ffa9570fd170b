from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookwell.domain.derivation import Changes, Existing, Offer, changes
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.schedules import RecurringHours, Schedule, WeeklyHours
from bookwell.domain.visit_types import Terms
from bookwell.domain.wall_time import zone_names
from weeks import (
    HALF_HOURS,
    MONDAY,
    a_schedule,
    days_from,
    offered,
    one_off,
    recurring,
    weekly,
)
from zone_files import ZoneFile, zone_file

MINUTE = timedelta(minutes=1)
# A change of half an hour, a day that never was, changes around Ramadan, two hours at once,
# midnight that the clock skips or shows twice, a minute past it, none at all.
CHANGING = [
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Gaza",
    "Pacific/Kiritimati",
    "Europe/Berlin",
]


def open_minutes(
    schedule: Schedule, file: ZoneFile, away: list[Interval], begins: datetime, ends: datetime
) -> dict[datetime, tuple[WeeklyHours, int]]:
    """The minutes in which a wall clock shows an open time: of which rule, how far into it.

    Read minute by minute from the zone's file, and from nothing that the service reads.
    """
    found = {}
    for number in range((ends - begins) // MINUTE):
        instant = begins + number * MINUTE
        wall = file.wall(instant)
        minute = wall.hour * 60 + wall.minute
        is_shut = any(is_within(minute, closed) for closed in schedule.rules.recurring) or any(
            absence.starts_at <= instant < absence.ends_at for absence in away
        )
        for rule in schedule.rules.weekly:
            is_day = rule.weekday.number == wall.isoweekday()
            if is_day and not is_shut and is_within(minute, rule):
                found[instant] = (rule, minute - minutes_of(rule.wall_from))
    return found


def is_within(minute: int, hours: WeeklyHours | RecurringHours) -> bool:
    return minutes_of(hours.wall_from) <= minute < (minutes_of(hours.wall_until) or 24 * 60)


def minutes_of(wall: time | None) -> int:
    assert wall is not None
    return wall.hour * 60 + wall.minute


def expected_starts(
    schedule: Schedule, file: ZoneFile, away: list[Interval], window: Interval, terms: Terms
) -> list[datetime]:
    """The starts on the grid from which each minute of the visit is open, on one wall day."""
    last = window.ends_at + terms.duration_minutes * MINUTE
    is_open = open_minutes(schedule, file, away, window.starts_at, last)
    starts = []
    for instant, (rule, minute) in is_open.items():
        needed = [instant + n * MINUTE for n in range(terms.duration_minutes)]
        if (
            minute % terms.grid_minutes == 0
            and instant < window.ends_at
            and all(is_open.get(each, (None, 0))[0] is rule for each in needed)
            and len({file.wall(each).date() for each in needed}) == 1
        ):
            starts.append(instant)
    return starts


@st.composite
def weeks(draw: st.DrawFn) -> tuple[Schedule, str, datetime]:
    """Hours on every weekday, some of them closed, and a moment at which the clock changes."""
    zone = draw(st.sampled_from(CHANGING) | st.sampled_from(sorted(zone_names())))
    year = draw(st.integers(2000, 2037))
    moment = draw(
        st.sampled_from(zone_file(zone).changes(year, year) or [datetime(year, 6, 1, tzinfo=UTC)])
    )
    # Closed and open hours most often lie around the small hours, as clock changes do.
    small = st.integers(0, 16).map(lambda n: time(n // 4, n % 4 * 15))
    any_time = st.times().map(lambda t: t.replace(second=0, microsecond=0)) | small
    rules: list[object] = []
    for weekday in Weekday:
        wall_from = draw(small)
        later = draw(any_time)
        wall_until = later if later > wall_from else time(0)
        rules.append(weekly(f"{wall_from}-{wall_until}", weekday=weekday, rule_id=weekday.value))
    if draw(st.booleans()):
        one, other = sorted(draw(st.tuples(small, any_time)))
        if one < other:
            rules.append(recurring("FREQ=DAILY", f"{one}-{other}", starts_on=date(2000, 1, 1)))
    return a_schedule(*rules, time_zone=zone), zone, moment  # type: ignore[arg-type]  # both kinds


@settings(max_examples=60, deadline=None)
@given(
    week=weeks(),
    duration=st.sampled_from([1, 10, 30, 45, 60]),
    grid=st.sampled_from([1, 5, 15, 20, 25, 45, 60, 90]),
    absence=st.none() | st.tuples(st.integers(-1500, 1500), st.integers(1, 600)),
)
def test_a_time_is_offered_exactly_when_wall_clocks_show_hours_of_the_rule_throughout(
    week: tuple[Schedule, str, datetime],
    duration: int,
    grid: int,
    absence: tuple[int, int] | None,
) -> None:
    schedule, zone, moment = week
    window = Interval(moment - timedelta(days=1), moment + timedelta(days=1))
    terms = Terms(duration_minutes=duration, grid_minutes=grid)
    away = []
    if absence is not None:
        goes = moment + absence[0] * MINUTE
        away = [Interval(goes, goes + absence[1] * MINUTE)]

    found = offered(schedule, window=window, terms={"visit": terms}, away=away)

    expected = expected_starts(schedule, zone_file(zone), away, window, terms)
    assert [offer.starts_at for offer in found] == expected
    assert {offer.ends_at - offer.starts_at for offer in found} <= {duration * MINUTE}


@pytest.mark.parametrize("zone", CHANGING)
def test_around_every_clock_change_each_minute_is_offered_or_not_as_the_wall_clock_says(
    zone: str,
) -> None:
    all_week = [
        weekly(hours, weekday=weekday, rule_id=f"{weekday.value}_{hours}")
        for weekday in Weekday
        for hours in ("00:00-00:40", "01:10-02:20", "02:45-03:15", "22:50-24:00")
    ]
    schedule = a_schedule(*all_week, time_zone=zone)
    terms = Terms(duration_minutes=1, grid_minutes=1)

    moments = zone_file(zone).changes(2005, 2037) or [datetime(2027, 1, 1, tzinfo=UTC)]
    # A dozen of the years' changes, in both directions, and the last.
    for moment in {*moments[:: len(moments) // 10 + 1], *moments[:2], moments[-1]}:
        window = Interval(moment - timedelta(hours=5), moment + timedelta(hours=5))
        found = offered(schedule, window=window, terms={"visit": terms})

        expected = expected_starts(schedule, zone_file(zone), [], window, terms)
        assert [offer.starts_at for offer in found] == expected


def test_the_hour_that_does_not_exist_offers_nothing() -> None:
    sunday = a_schedule(weekly("02:00-03:00", weekday=Weekday.SUNDAY))

    assert offered(sunday, window=days_from(date(2027, 3, 27), 3)) == []
    assert len(offered(sunday, window=days_from(date(2027, 3, 20), 3))) == 2


def test_the_hour_that_happens_twice_is_offered_twice_and_told_apart() -> None:
    sunday = a_schedule(weekly("02:00-03:00", weekday=Weekday.SUNDAY))

    found = offered(sunday, window=days_from(date(2027, 10, 30), 3))

    berlin = zone_file("Europe/Berlin")
    assert [f"{berlin.wall(offer.starts_at):%H:%M}" for offer in found] == ["02:00", "02:30"] * 2
    assert len({offer.starts_at for offer in found}) == 4


@pytest.mark.parametrize(
    ("sunday", "starts"),
    [
        # The clock goes from 02:00 back to 01:30, and from 02:00 on to 02:30.
        (date(2027, 4, 4), ["14:00 01:00", "15:30 02:00", "16:30 03:00"]),
        (date(2027, 10, 3), ["14:30 01:00", "16:00 03:00"]),
    ],
)
def test_a_change_of_half_an_hour_leaves_starts_on_the_full_hour(
    sunday: date, starts: list[str]
) -> None:
    lord_howe = "Australia/Lord_Howe"
    hours = a_schedule(weekly("01:00-04:00", weekday=Weekday.SUNDAY), time_zone=lord_howe)
    terms = {"visit": Terms(duration_minutes=30, grid_minutes=60)}

    found = offered(hours, window=days_from(sunday - timedelta(days=1), 2), terms=terms)

    wall = zone_file(lord_howe).wall
    assert [f"{o.starts_at:%H:%M} {wall(o.starts_at):%H:%M}" for o in found] == starts


def test_the_day_that_never_was_offers_nothing() -> None:
    """Samoa went from the 29th of December 2011 to the 31st; the 30th would have been a Friday."""
    hours = [weekly("09:00-17:00", weekday=day) for day in (Weekday.FRIDAY, Weekday.SATURDAY)]
    apia = a_schedule(*hours, time_zone="Pacific/Apia")

    found = offered(apia, window=days_from(date(2011, 12, 29), 4))

    days = {zone_file("Pacific/Apia").wall(offer.starts_at).date() for offer in found}
    assert days == {date(2011, 12, 31)}


def test_a_nine_o_clock_rule_is_nine_o_clock_all_year() -> None:
    mornings = a_schedule(weekly("09:00-09:30"))

    found = offered(mornings, window=days_from(MONDAY, 364))

    berlin = zone_file("Europe/Berlin")
    assert {berlin.wall(offer.starts_at).time() for offer in found} == {time(9)}
    assert {offer.starts_at.hour for offer in found} == {7, 8}
    assert len(found) == 52


def test_starts_lie_on_the_grid_of_the_rule_s_own_beginning() -> None:
    hours = a_schedule(weekly("09:10-11:00"))
    terms = {"visit": Terms(duration_minutes=25, grid_minutes=20)}

    found = offered(hours, window=days_from(MONDAY, 1), terms=terms)

    assert [f"{o.starts_at:%H:%M}" for o in found] == ["08:10", "08:30", "08:50", "09:10", "09:30"]


def test_the_grid_goes_on_behind_a_closed_part_and_behind_time_off() -> None:
    hours = a_schedule(weekly("09:00-12:00"), recurring("FREQ=WEEKLY", "09:40-09:50"))
    away = Interval(
        datetime(2027, 1, 4, 9, 59, 30, tzinfo=UTC), datetime(2027, 1, 4, 10, 0, 0, 1, tzinfo=UTC)
    )

    found = offered(hours, window=days_from(MONDAY, 1), away=[away])

    # Berlin's clock is an hour ahead: closed is 08:40 to 08:50, and the absence spoils two halves.
    assert [f"{o.starts_at:%H:%M}" for o in found] == ["08:00", "09:00", "10:30"]


def test_absences_that_overlap_or_come_in_any_order_are_cut_out_all_the_same() -> None:
    hours = a_schedule(weekly("09:00-17:00"))
    eight = datetime(2027, 1, 4, 8, tzinfo=UTC)
    away = [
        Interval(eight + timedelta(hours=a), eight + timedelta(hours=b))
        for a, b in [(5, 6), (1, 4), (2, 3), (-9, 0), (7, 99)]
    ]

    found = offered(hours, window=days_from(MONDAY, 1), away=away)

    assert [f"{o.starts_at:%H:%M}" for o in found] == [
        "08:00", "08:30", "12:00", "12:30", "14:00", "14:30",
    ]  # fmt: skip


def test_a_window_cuts_by_the_start_and_leaves_the_last_visit_whole() -> None:
    hours = a_schedule(weekly("09:00-11:00"))
    quarter_past_nine = datetime(2027, 1, 4, 8, 15, tzinfo=UTC)
    window = Interval(quarter_past_nine, quarter_past_nine + timedelta(hours=1))

    found = offered(hours, window=window)

    assert [f"{o.starts_at:%H:%M}-{o.ends_at:%H:%M}" for o in found] == [
        "08:30-09:00",
        "09:00-09:30",
    ]


@settings(max_examples=40, deadline=None)
@given(week=weeks(), cuts=st.lists(st.integers(1, 3000), max_size=4, unique=True))
def test_windows_side_by_side_offer_what_one_offers(
    week: tuple[Schedule, str, datetime], cuts: list[int]
) -> None:
    schedule, _, moment = week
    begins = moment - timedelta(days=1)
    bounds = [begins, *(begins + cut * MINUTE for cut in sorted(cuts)), begins + 3001 * MINUTE]

    in_parts = [
        offer for a, b in pairwise(bounds) for offer in offered(schedule, window=Interval(a, b))
    ]

    assert in_parts == offered(schedule, window=Interval(bounds[0], bounds[-1]))


def test_types_of_the_same_length_share_a_time_and_others_have_their_own() -> None:
    hours = a_schedule(weekly("09:00-10:00"))
    terms = {
        "intake": Terms(duration_minutes=60, grid_minutes=60),
        "follow_up": Terms(duration_minutes=30, grid_minutes=30),
        "check": Terms(duration_minutes=30, grid_minutes=15),
        "retired": Terms(duration_minutes=30, grid_minutes=30, is_offered=False),
    }

    found = offered(hours, window=days_from(MONDAY, 1), terms=terms)

    assert [(f"{o.starts_at:%H:%M}", f"{o.ends_at:%H:%M}", o.visit_types) for o in found] == [
        ("08:00", "08:30", ("check", "follow_up")),
        ("08:00", "09:00", ("intake",)),
        ("08:15", "08:45", ("check",)),
        ("08:30", "09:00", ("check", "follow_up")),
    ]


def test_where_rules_offer_the_same_time_the_first_has_it_and_the_types_are_joined() -> None:
    terms = dict.fromkeys(("a", "b", "c"), HALF_HOURS["visit"])
    hours = a_schedule(
        one_off(MONDAY, "09:00-10:00", rule_id="rul_3", visit_types=("c",)),
        weekly("09:30-10:30", rule_id="rul_1", visit_types=("b",)),
        weekly("09:00-10:00", rule_id="rul_2", visit_types=("b", "a")),
    )

    found = offered(hours, window=days_from(MONDAY, 1), terms=terms)

    assert [(f"{o.starts_at:%H:%M}", o.rule_id, o.visit_types) for o in found] == [
        ("08:00", "rul_2", ("a", "b", "c")),
        ("08:30", "rul_1", ("a", "b", "c")),
        ("09:00", "rul_1", ("b",)),
    ]


def test_types_are_sorted_however_the_rule_names_them() -> None:
    terms = dict.fromkeys(("b", "c", "a"), HALF_HOURS["visit"])
    window = days_from(MONDAY, 1)

    named = offered(
        a_schedule(weekly("09:00-09:30", visit_types=("b", "a"))), window=window, terms=terms
    )
    every = offered(a_schedule(weekly("09:00-09:30")), window=window, terms=terms)

    assert [offer.visit_types for offer in (*named, *every)] == [("a", "b"), ("a", "b", "c")]


def test_a_type_that_the_brand_does_not_have_is_not_offered() -> None:
    hours = a_schedule(weekly("09:00-10:00", visit_types=("gone",)))

    assert offered(hours, window=days_from(MONDAY, 1)) == []


def an_offer(hour: int, rule_id: str = "rul_1", visit_types: tuple[str, ...] = ("a",)) -> Offer:
    starts_at = datetime(2027, 1, 4, hour, tzinfo=UTC)
    return Offer(starts_at, starts_at + timedelta(minutes=30), rule_id, visit_types)


def a_slot(offer: Offer, *, is_live: bool = True, is_taken: bool = False) -> Existing:
    return Existing(f"slt_{offer.starts_at.hour}", *offer, is_live, is_taken)


def by_hand(offer: Offer, *, is_live: bool = True) -> Existing:
    return Existing("slt_by_hand", offer.starts_at, offer.ends_at, None, None, is_live, False)


NOTHING = Changes([], [], [], [])


def test_what_is_offered_already_is_left_alone() -> None:
    wanted = [an_offer(9), an_offer(10)]

    assert changes(wanted, [a_slot(offer) for offer in wanted]) == NOTHING


def test_what_is_new_is_created_and_what_is_gone_is_withdrawn() -> None:
    found = changes([an_offer(9), an_offer(10)], [a_slot(an_offer(10)), a_slot(an_offer(11))])

    assert found == Changes([an_offer(9)], ["slt_11"], [], [])


@pytest.mark.parametrize("other", [an_offer(9, "rul_2"), an_offer(9, "rul_1", ("a", "b"))])
def test_another_rule_or_other_types_reach_a_free_slot_and_no_taken_one(other: Offer) -> None:
    assert changes([other], [a_slot(an_offer(9))]) == Changes([], [], [("slt_9", other)], [])
    assert changes([other], [a_slot(an_offer(9), is_taken=True)]) == NOTHING


def test_a_taken_slot_that_is_no_longer_offered_is_left_and_told() -> None:
    assert changes([], [a_slot(an_offer(9), is_taken=True)]) == Changes([], [], [], ["slt_9"])


def test_a_time_that_a_person_took_back_is_not_offered_again_by_any_rule() -> None:
    taken_back = a_slot(an_offer(9), is_live=False)

    assert changes([an_offer(9), an_offer(9, "rul_2")], [taken_back]) == NOTHING
    assert changes([], [taken_back]) == NOTHING


def test_a_slot_posted_by_hand_stays_and_is_not_doubled() -> None:
    assert changes([an_offer(9)], [by_hand(an_offer(9))]) == NOTHING
    assert changes([], [by_hand(an_offer(9))]) == NOTHING


def test_a_time_once_posted_by_hand_and_taken_back_is_the_schedule_s_to_offer() -> None:
    """A clinic that goes over to schedules deletes what it posted by hand."""
    gone = by_hand(an_offer(9), is_live=False)

    assert changes([an_offer(9)], [gone]) == Changes([an_offer(9)], [], [], [])


@settings(max_examples=100, deadline=None)
@given(
    wanted=st.sets(st.integers(0, 23)),
    slots=st.dictionaries(
        st.integers(0, 23), st.tuples(st.booleans(), st.booleans(), st.sampled_from("ab"))
    ),
)
def test_a_second_derivation_changes_nothing_and_taken_slots_are_never_touched(
    wanted: set[int], slots: dict[int, tuple[bool, bool, str]]
) -> None:
    offers = [an_offer(hour) for hour in sorted(wanted)]
    before = [
        a_slot(an_offer(hour, "rul_1", (types,)), is_live=is_live, is_taken=is_live and is_taken)
        for hour, (is_live, is_taken, types) in slots.items()
    ]

    first = changes(offers, before)

    retyped = dict(first.retyped)
    after = [
        slot._replace(rule_id=new.rule_id, visit_types=new.visit_types)
        if (new := retyped.get(slot.slot_id))
        else slot
        for slot in before
        if slot.slot_id not in first.withdrawn
    ] + [a_slot(offer) for offer in first.created]
    touched = {*first.withdrawn, *retyped}
    assert touched.isdisjoint(slot.slot_id for slot in before if slot.is_taken)
    assert changes(offers, after) == Changes([], [], [], first.left)
