"""Times to offer, line by line: what a line must say."""

from datetime import datetime

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.lines import Refusal, Row, read_id, read_instant
from bookwell.domain.slots import offered_interval

# What a file of slots must have; further columns are nobody's business here.
COLUMNS = ("provider_id", "start_time", "end_time")


class SlotLine(Struct, frozen=True, kw_only=True):
    """A time that a clinician is to offer."""

    number: int
    provider_id: str
    starts_at: datetime
    ends_at: datetime

    def refused(self, why: str, *, column: str) -> Refusal:
        return Refusal(number=self.number, column=column, why=why)


def read_slot_row(row: Row, *, now: datetime) -> SlotLine | Refusal:
    """The time this row tells of, or why it tells of none that may be offered."""
    cells = dict(zip(COLUMNS, row.values, strict=True))
    try:
        provider_id = read_id(cells, "provider_id")
        offered = offered_interval(
            read_instant(cells, "start_time"), read_instant(cells, "end_time"), now=now
        )
    except InvalidInput as error:
        return Refusal(number=row.number, column=str(error.facts["field"]), why=error.message)
    return SlotLine(
        number=row.number,
        provider_id=provider_id,
        starts_at=offered.starts_at,
        ends_at=offered.ends_at,
    )
