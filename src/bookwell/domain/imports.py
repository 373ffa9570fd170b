r"""A clinic's earlier book, line by line: what a line must say, and what it means here.

Decisions where the book is silent: a visit without an outcome is booked, also in the past; it was
created, last changed and, if it was cancelled, cancelled at `booked_at`, because that is the only
instant the book knows. Without a `booked_at` those instants are the import's own.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.ids import VISIT_TYPE
from bookwell.domain.lines import Refusal, Row, read_id, read_instant, visible
from bookwell.domain.slots import SLOT_LENGTH_MAX
from bookwell.domain.visits import VisitStatus

# What a book must have; further columns are nobody's business here.
COLUMNS = (
    "external_id",
    "patient_id",
    "provider_id",
    "visit_type",
    "booked_at",
    "start_time",
    "end_time",
    "outcome",
)

# `held` and `expired` are states of our own search for a time; no earlier book knows them.
STATUS_OF_OUTCOME: Mapping[str, VisitStatus] = {
    "": VisitStatus.BOOKED,
    "booked": VisitStatus.BOOKED,
    "checked_in": VisitStatus.CHECKED_IN,
    "completed": VisitStatus.COMPLETED,
    "cancelled": VisitStatus.CANCELLED,
    "no_show": VisitStatus.NO_SHOW,
    "no-show": VisitStatus.NO_SHOW,
    "noshow": VisitStatus.NO_SHOW,
}

_OUTCOME_IN_WORDS = (
    "outcome must be empty or one of booked, checked_in, completed, no_show and cancelled."
)

_is_visit_type = re.compile(VISIT_TYPE)


class Line(Struct, frozen=True, kw_only=True):
    """A visit as a clinic's book has it."""

    number: int
    external_id: str
    patient_id: str
    provider_id: str
    visit_type: str
    booked_at: datetime | None
    starts_at: datetime
    ends_at: datetime
    status: VisitStatus

    def refused(self, why: str) -> Refusal:
        return Refusal(number=self.number, external_id=self.external_id, why=why)


def read_row(row: Row, *, now: datetime) -> Line | Refusal:
    """The visit this row tells of, or why it tells of none."""
    cells = dict(zip(COLUMNS, row.values, strict=True))
    try:
        return _line(row.number, cells, now)
    except InvalidInput as error:
        external_id = cells["external_id"]
        return Refusal(
            number=row.number,
            external_id=external_id if visible.match(external_id) else None,
            why=error.message,
        )


def _line(number: int, cells: Mapping[str, str], now: datetime) -> Line:
    status = STATUS_OF_OUTCOME.get(cells["outcome"].lower())
    line = Line(
        number=number,
        external_id=read_id(cells, "external_id"),
        patient_id=read_id(cells, "patient_id"),
        provider_id=read_id(cells, "provider_id"),
        visit_type=_visit_type(cells),
        booked_at=read_instant(cells, "booked_at") if cells["booked_at"] else None,
        starts_at=read_instant(cells, "start_time"),
        ends_at=read_instant(cells, "end_time"),
        status=status or VisitStatus.BOOKED,
    )
    if status is None:
        raise InvalidInput(_OUTCOME_IN_WORDS, field="outcome")
    if line.ends_at <= line.starts_at:
        raise InvalidInput("end_time must be after start_time.", field="end_time")
    if line.ends_at - line.starts_at > SLOT_LENGTH_MAX:
        raise InvalidInput("end_time must be 24 hours after start_time at most.", field="end_time")
    if line.booked_at is not None and line.booked_at > now:
        raise InvalidInput("booked_at must not lie in the future.", field="booked_at")
    if status is VisitStatus.NO_SHOW and line.starts_at > now:
        raise InvalidInput("outcome is no_show, but start_time is yet to come.", field="outcome")
    return line


def _visit_type(cells: Mapping[str, str]) -> str:
    if not _is_visit_type.match(cells["visit_type"]):
        raise InvalidInput("visit_type must be 1 to 128 characters.", field="visit_type")
    return cells["visit_type"]
