"""How much there is of everything, and which number is whose.

Ids are plain numbers of 19 digits, as text. So pgbench, which computes numbers only, can name any
slot, patient or visit, and the statement it runs is the service's to the letter.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BRAND = "bench"
# What a book to search in is searched for, and where its providers keep their weeks.
VISIT_TYPE, ZONE = "follow_up", "Europe/Berlin"
# The thing number n is called str(FIRST_ID + n).
FIRST_ID = 10**18
# Half hours from nine to four. A week of them, 98, is one page of an answer.
SLOTS_PER_DAY = 14
# Slots beyond the numbered ones, that only races want: of each provider so many.
RACE_SLOTS_PER_PROVIDER = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Slot n is of provider n mod `providers`; the first `visits_of_ten` of ten are booked."""

    slots: int
    providers: int = 1_000
    patients: int = 10_000
    visits: int = 0

    @property
    def line(self) -> str:
        parts = [
            f"{self.slots:,} slots of {self.providers:,} providers",
            f"{self.patients:,} patients",
            *([f"{self.visits:,} visits"] if self.visits else []),
        ]
        return ", ".join(parts)


def days_from() -> datetime:
    """The first of next month: for two weeks and more from then on, every fixture has slots."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
