"""Who lives in the demo. Invented, every one of them."""

from dataclasses import dataclass
from datetime import time

from bookwell.domain.office_hours import Weekday, WeeklyRule

LOOP, LOOPBIO = "loop", "loopbio"
BRANDS = {LOOP: "Loop Health", LOOPBIO: "Loop Bio"}

EVERY_DAY = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinician:
    """A provider with slots; when they work stands in `demo/weeks.py`."""

    provider_id: str
    name: str
    brands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coach:
    """A provider with office hours."""

    coach_id: str
    name: str
    brands: tuple[str, ...]
    rules: tuple[WeeklyRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient, who is in `region`; `subject` is the `sub` of their token."""

    patient_id: str
    brand_id: str
    region: str

    @property
    def subject(self) -> str:
        return f"demo-{self.patient_id}"


def _weekly(
    days: tuple[Weekday, ...], hours: tuple[time, time], time_zone: str, minutes: int, capacity: int
) -> tuple[WeeklyRule, ...]:
    return tuple(
        WeeklyRule(
            weekday=day,
            wall_from=hours[0],
            wall_until=hours[1],
            time_zone=time_zone,
            duration_minutes=minutes,
            capacity=capacity,
            valid_from=None,
            valid_until=None,
        )
        for day in days
    )


CLINICIANS = (
    Clinician(provider_id="prv_amara", name="Dr. Amara Osei", brands=(LOOP,)),
    Clinician(provider_id="prv_ben", name="Dr. Ben Fischer", brands=(LOOP,)),
    Clinician(provider_id="prv_carla", name="Carla Rossi, NP", brands=(LOOP,)),
    Clinician(provider_id="prv_dev", name="Dr. Dev Patel", brands=(LOOPBIO,)),
    Clinician(provider_id="prv_elena", name="Dr. Elena Novak", brands=(LOOPBIO,)),
    Clinician(provider_id="prv_farah", name="Dr. Farah Haddad", brands=(LOOP, LOOPBIO)),
)

COACHES = (
    Coach(
        coach_id="coach_grace",
        name="Grace Lin",
        brands=(LOOP,),
        rules=(
            *_weekly(EVERY_DAY, (time(12), time(14)), "America/New_York", 30, 1),
            *_weekly((Weekday.WEDNESDAY,), (time(18), time(19)), "America/New_York", 60, 8),
        ),
    ),
    Coach(
        coach_id="coach_hugo",
        name="Hugo Brandt",
        brands=(LOOPBIO,),
        rules=(
            *_weekly(EVERY_DAY, (time(17), time(19)), "Europe/Berlin", 30, 1),
            *_weekly((Weekday.SATURDAY,), (time(10), time(11)), "Europe/Berlin", 60, 8),
        ),
    ),
)

# The first two of each brand have a token. The last of each is somewhere else than the others.
PATIENTS = tuple(
    Person(patient_id=patient_id, brand_id=brand_id, region=region)
    for brand_id, region, patient_ids in (
        (LOOP, "US-NY", ("pat_ada", "pat_bob", "pat_cleo", "pat_dan")),
        (LOOP, "US-CA", ("pat_eva",)),
        (LOOPBIO, "US-IL", ("pat_finn", "pat_gina", "pat_hal", "pat_iris")),
        (LOOPBIO, "GB", ("pat_jon",)),
    )
    for patient_id in patient_ids
)


def clinicians_of(brand_id: str) -> list[Clinician]:
    return [clinician for clinician in CLINICIANS if brand_id in clinician.brands]


def coaches_of(brand_id: str) -> list[Coach]:
    return [coach for coach in COACHES if brand_id in coach.brands]


def patients_of(brand_id: str) -> list[Person]:
    return [patient for patient in PATIENTS if patient.brand_id == brand_id]
