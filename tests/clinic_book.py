"""A clinic's earlier book, made up: the columns of a real one, and some that nobody asks for."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

HEADER = (
    "external_id",
    "patient_id",
    "provider_id",
    "unit",
    "visit_type",
    "booked_at",
    "start_time",
    "end_time",
    "outcome",
    "reminder_sent",
)

BRASILIA = timezone(timedelta(hours=-3))
DAY = datetime(2016, 4, 29, 8, tzinfo=BRASILIA)
UNITS = ("Santo André", "Monte Belo", "São Cristóvão")

Cells = dict[str, str]


def entry(**cells: str) -> Cells:
    """One line, of a visit that took place, with these cells in place of the usual ones."""
    usual = {
        "external_id": "apt-1",
        "patient_id": "pat-1",
        "provider_id": "monte-belo-1",
        "unit": "Monte Belo",
        "visit_type": "outpatient",
        "booked_at": "2016-01-05T11:53:44Z",
        "start_time": "2016-04-29T08:00:00-03:00",
        "end_time": "2016-04-29T08:20:00-03:00",
        "outcome": "completed",
        "reminder_sent": "1",
    }
    return usual | cells


def entries(number: int, **cells: str) -> Iterator[Cells]:
    """So many visits of one day: 25 to a provider, every fifth missed, some patients twice."""
    booked_at = datetime(2016, 1, 5, 11, 53, 44, tzinfo=UTC)
    for n in range(number):
        provider, place = divmod(n, 25)
        starts_at = DAY + timedelta(minutes=20 * place)
        yield (
            entry(
                external_id=f"apt-{n}",
                patient_id=f"pat-{n * 7 % (number - number // 10)}",
                provider_id=f"unit-{provider}",
                unit=UNITS[provider % len(UNITS)],
                booked_at=(booked_at + timedelta(minutes=37 * n)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                start_time=starts_at.isoformat(),
                end_time=(starts_at + timedelta(minutes=20)).isoformat(),
                outcome="no_show" if n % 5 == 0 else "completed",
                reminder_sent=str(n % 2),
            )
            | cells
        )


def times(starts_at: datetime, minutes: int = 30) -> Cells:
    """The two cells of a visit's time."""
    return {
        "start_time": starts_at.isoformat(),
        "end_time": (starts_at + timedelta(minutes=minutes)).isoformat(),
    }


def text_of(lines: Iterable[Cells]) -> str:
    """The book as CSV."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, HEADER)
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def book_of(folder: Path, *lines: Cells) -> Path:
    """The book as a file."""
    file = folder / "book.csv"
    file.write_text(text_of(lines), encoding="utf-8", newline="")
    return file
