"""Offered, explained as bookable, and bookable are one thing (docs/decisions/0022-booking-rules.md).

Each example is a brand of its own with random terms, visits, holds, time off and licences. A second
reading of the rules, written here in Python, has to agree as well, so that all three cannot be wrong
together.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic import Clinic, said
from practice import Practice, minutes

HALF_HOURS = 56
DAY = timedelta(days=1)
OCCUPYING = {"held", "booked", "checked_in"}
COUNTED = {*OCCUPYING, "completed", "no_show"}


@dataclass(frozen=True)
class Taken:
    """A visit that is there already, in this brand or another one of the provider's."""

    starts_at: datetime
    ends_at: datetime
    status: str
    is_live: bool = True
    is_patients: bool = False
    is_of_type: bool = True
    is_elsewhere: bool = False
    before: int = 0
    after: int = 0

    @property
    def during(self) -> tuple[datetime, datetime]:
        return self.starts_at - minutes(self.before), self.ends_at + minutes(self.after)


@dataclass
class Model:
    """What the rules say, read a second time."""

    now: datetime
    terms: dict[str, Any]
    is_offered: bool
    by_patient: bool
    away: list[tuple[datetime, datetime]]
    licences: list[tuple[str, date | None, date | None]]
    regions: list[tuple[str, datetime | None, datetime | None]]
    taken: list[Taken] = field(default_factory=list)

    def broken(self, starts_at: datetime, ends_at: datetime, *, is_derived: bool) -> set[str]:
        terms, length = self.terms, minutes(self.terms["duration_minutes"])
        fits = ends_at - starts_at == length if is_derived else ends_at - starts_at >= length
        found = {
            "provider": not self.is_offered,
            "booker": self.by_patient and terms["booked_by"] == "staff",
            "hours": not fits,
            "time_off": any(a < ends_at and starts_at < b for a, b in self.away),
            "notice": starts_at < self.now + minutes(terms["notice_minutes"]),
            "horizon": starts_at > self.now + timedelta(days=terms["horizon_days"]),
            "licence": not self._is_licensed(starts_at),
            "patient_cap": self._is_full(starts_at),
            "provider_cap": self._is_day_full(starts_at),
            "hold": self._meets(starts_at, ends_at, {"held"}),
            "busy": self._meets(starts_at, ends_at, {"booked", "checked_in"}),
            "buffers": self._eats_buffer(starts_at, ends_at),
        }
        return {rule for rule, is_broken in found.items() if is_broken}

    def _is_licensed(self, at: datetime) -> bool:
        if not self.terms["licence_required"] and not self.licences:
            return True
        where = {
            region
            for region, since, until in self.regions
            if (since is None or since <= at) and (until is None or at < until)
        }
        return any(
            region in where
            and (first is None or first <= at.date())
            and (last is None or at.date() <= last)
            for region, first, last in self.licences
        )

    def _counted(self) -> list[Taken]:
        return [
            v
            for v in self.taken
            if v.status in COUNTED and v.is_live and v.is_of_type and not v.is_elsewhere
        ]

    def _period(self, at: datetime) -> tuple[int, ...]:
        wall = at.astimezone(ZoneInfo(self.terms["time_zone"]))
        if self.terms["patient_cap_period"] == "week":
            return tuple(wall.isocalendar())[:2]
        return wall.year, wall.month, wall.day

    def _is_full(self, at: datetime) -> bool:
        cap = self.terms["patient_cap"]
        periods = Counter(self._period(v.starts_at) for v in self._counted() if v.is_patients)
        return cap is not None and periods[self._period(at)] >= cap

    def _is_day_full(self, at: datetime) -> bool:
        zone, cap = ZoneInfo(self.terms["time_zone"]), self.terms["provider_day_cap"]
        days = Counter(v.starts_at.astimezone(zone).date() for v in self._counted())
        return cap is not None and days[at.astimezone(zone).date()] >= cap

    def _meets(self, starts_at: datetime, ends_at: datetime, statuses: set[str]) -> bool:
        return any(
            v.status in statuses and v.is_live and v.during[0] < ends_at and starts_at < v.during[1]
            for v in self.taken
        )

    def _eats_buffer(self, starts_at: datetime, ends_at: datetime) -> bool:
        wide = (
            starts_at - minutes(self.terms["buffer_before_minutes"]),
            ends_at + minutes(self.terms["buffer_after_minutes"]),
        )
        return any(
            self._meets(*wide, kind) and not self._meets(starts_at, ends_at, kind)
            for kind in ({"held"}, {"booked", "checked_in"})
        )


TERMS = st.fixed_dictionaries(
    {
        "duration_minutes": st.sampled_from([30, 30, 60]),
        "buffer_before_minutes": st.sampled_from([0, 0, 10, 40]),
        "buffer_after_minutes": st.sampled_from([0, 0, 10, 40]),
        # Slots begin at 20, 50, … minutes from now, so no boundary is closer than ten minutes.
        "notice_minutes": st.sampled_from([0, 0, 65, 605]),
        "horizon_days": st.sampled_from([365, 365, 1]),
        "booked_by": st.sampled_from(["patient", "patient", "staff"]),
        "licence_required": st.booleans(),
        "time_zone": st.sampled_from(["UTC", "America/New_York", "Pacific/Apia"]),
        "patient_cap": st.sampled_from([None, None, 1, 2]),
        "patient_cap_period": st.sampled_from(["day", "week"]),
        "provider_day_cap": st.sampled_from([None, None, 1, 2]),
    }
)
WHEN = st.integers(0, HALF_HOURS)
SLOTS = st.lists(
    st.tuples(WHEN, st.sampled_from([30, 30, 60]), st.booleans()),
    min_size=3,
    max_size=7,
    unique_by=lambda slot: slot[0],
)
VISITS = st.lists(
    st.fixed_dictionaries(
        {
            "when": WHEN,
            "shift": st.sampled_from([0, 0, 15]),
            "length": st.sampled_from([15, 30, 60]),
            "status": st.sampled_from(
                ["booked", "booked", "held", "checked_in", "completed", "no_show", "cancelled"]
            ),
            "is_live": st.sampled_from([True, True, False]),
            "is_patients": st.booleans(),
            "is_of_type": st.booleans(),
            "is_elsewhere": st.sampled_from([False, False, True]),
            "before": st.sampled_from([0, 10]),
            "after": st.sampled_from([0, 10]),
        }
    ),
    max_size=8,
)
AWAY = st.lists(st.tuples(WHEN, st.integers(1, 40)), max_size=2)
REGION = st.sampled_from(["US-NY", "US-CA"])
LICENCES = st.lists(
    st.tuples(REGION, st.sampled_from([None, -1, 1]), st.sampled_from([None, 1, 2])), max_size=2
)
# Where the patient is: here until then, there from then on; or nobody knows.
REGIONS = st.one_of(st.none(), st.tuples(REGION, REGION, WHEN))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    terms=TERMS,
    is_offered=st.sampled_from([True, True, True, False]),
    by_patient=st.booleans(),
    slots=SLOTS,
    there=st.fixed_dictionaries(
        {"visits": VISITS, "away": AWAY, "licences": LICENCES, "regions": REGIONS}
    ),
)
def test_a_time_is_offered_iff_it_is_explained_as_bookable_iff_it_can_be_booked(
    clinic: Clinic,
    terms: dict[str, Any],
    is_offered: bool,
    by_patient: bool,
    slots: list[tuple[int, int, bool]],
    there: dict[str, Any],
) -> None:
    practice, now = Practice(clinic), datetime.now(UTC).replace(microsecond=0)
    base = now + minutes(20)
    model = Model(
        now=now,
        terms=terms,
        is_offered=is_offered,
        by_patient=by_patient,
        away=[(base + minutes(30 * n), base + minutes(30 * (n + k) + 5)) for n, k in there["away"]],
        licences=[
            (region, _day(now, first), _day(now, last)) for region, first, last in there["licences"]
        ],
        regions=_regions(base, there["regions"]),
    )
    _furnish(practice, model)
    _take(practice, model, base, there["visits"])
    token = practice.patient.token if by_patient else practice.staff

    for when, length, is_derived in slots:
        starts_at, ends_at = base + minutes(30 * when), base + minutes(30 * when + length)
        slot_id = practice.slot(starts_at, length)
        if is_derived:
            _derive(practice, slot_id)
        expected = model.broken(starts_at, ends_at, is_derived=is_derived)

        explained = practice.explain(starts_at, token=token, patient_id=practice.patient.patient_id)
        offered = practice.search(
            token=token,
            patient_id=practice.patient.patient_id,
            provider_id=practice.provider_id,
            **{"from": said(starts_at), "to": said(starts_at + minutes(1))},
        )
        booked = practice.book(slot_id, token=token)

        failed = {rule["rule"] for rule in explained["rules"] if not rule["passed"]}
        assert failed == expected
        assert explained["bookable"] == (not expected)
        assert [slot["id"] for slot in offered] == ([] if expected else [slot_id])
        assert booked.status_code == (409 if expected else 201), booked.text
        if booked.status_code == 201:
            model.taken.append(
                Taken(
                    starts_at,
                    ends_at,
                    "booked",
                    is_patients=True,
                    before=terms["buffer_before_minutes"],
                    after=terms["buffer_after_minutes"],
                )
            )


def _day(now: datetime, shift: int | None) -> date | None:
    return None if shift is None else (now + shift * DAY).date()


def _regions(
    base: datetime, regions: tuple[str, str, int] | None
) -> list[tuple[str, datetime | None, datetime | None]]:
    if regions is None:
        return []
    here, there, when = regions
    moved_at = base + minutes(30 * when)
    return [(here, None, moved_at), (there, moved_at, None)]


def _furnish(practice: Practice, model: Model) -> None:
    practice.visit_type("follow_up", **model.terms)
    practice.visit_type("other", duration_minutes=30)
    if not model.is_offered:
        practice.override(practice.provider_id, "follow_up", is_offered=False)
    for starts_at, ends_at in model.away:
        practice.off(starts_at, ends_at)
    for region, first, last in model.licences:
        dates = {"valid_from": first, "valid_until": last}
        practice.licence(region, **{name: str(day) for name, day in dates.items() if day})
    if model.regions:
        practice.patient_lives_in(
            *(
                {"region": region}
                | ({"from": said(since)} if since else {})
                | ({"until": said(until)} if until else {})
                for region, since, until in model.regions
            )
        )


def _take(practice: Practice, model: Model, base: datetime, visits: list[dict[str, Any]]) -> None:
    """Write these visits, except those that the referee would not have let in."""
    elsewhere = Practice(practice.clinic)
    practice.clinic.world.sql(
        "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
        " SELECT %s, provider_no, 'N. N.' FROM booking.provider WHERE provider_id = %s",
        elsewhere.brand_id,
        practice.provider_id,
    )
    for wanted in visits:
        starts_at = base + minutes(30 * wanted["when"] + wanted["shift"])
        taken = Taken(
            starts_at,
            starts_at + minutes(wanted["length"]),
            **{name: wanted[name] for name in Taken.__dataclass_fields__ if name in wanted},
        )
        if not (taken.is_live or taken.status == "held"):
            continue
        occupied = [v for v in model.taken if v.status in OCCUPYING and taken.status in OCCUPYING]
        if all(v.during[1] <= taken.during[0] or taken.during[1] <= v.during[0] for v in occupied):
            _write(elsewhere if taken.is_elsewhere else practice, practice.provider_id, taken)
            model.taken.append(taken)


def _write(practice: Practice, provider_id: str, taken: Taken) -> None:
    patient = practice.patient if taken.is_patients else practice.clinic.patient(practice.brand_id)
    slot_id = practice.clinic.world.add_slot(
        taken.starts_at,
        int((taken.ends_at - taken.starts_at) / minutes(1)),
        provider_id=provider_id,
        brand_id=practice.brand_id,
        slot_id=practice.clinic.new_id("slt"),
    )
    # Nobody offers it any more, so that only what the test offers is found.
    practice.clinic.world.sql(
        "UPDATE booking.slot SET deleted_at = now() WHERE slot_id = %s", slot_id
    )
    hold_ends = timedelta(hours=1) if taken.is_live else timedelta(seconds=-1)
    practice.clinic.world.sql(
        "INSERT INTO booking.visit (visit_id, brand_id, patient_id, provider_no, slot_id, starts_at,"
        " ends_at, status, visit_type, cancelled_at, hold_expires_at, hold_place, taken_from,"
        " taken_until)"
        " SELECT %s, brand_id, %s, provider_no, slot_id, starts_at, ends_at, %s, %s,"
        " CASE WHEN %s = 'cancelled' THEN now() END,"
        " CASE WHEN %s = 'held' THEN now() + %s END, CASE WHEN %s = 'held' THEN %s::smallint END,"
        " %s, %s FROM booking.slot WHERE slot_id = %s",
        practice.clinic.new_id("vis"),
        patient.patient_id,
        taken.status,
        "follow_up" if taken.is_of_type else "other",
        taken.status,
        taken.status,
        hold_ends,
        taken.status,
        # Each its own place; how many a patient may hold is another promise.
        int(slot_id.partition("_")[2]) % 30_000,
        taken.during[0],
        taken.during[1],
        slot_id,
    )


def _derive(practice: Practice, slot_id: str) -> None:
    """As a schedule would have made it."""
    practice.clinic.world.sql(
        "UPDATE booking.slot SET rule_id = 'rul_1', visit_types = '{follow_up}' WHERE slot_id = %s",
        slot_id,
    )
