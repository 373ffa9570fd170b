"""Where else affected visits could go: slots that no booking rule stands against."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from asyncpg import Record

from bookwell.domain.callers import Call
from bookwell.domain.disruptions import ALTERNATIVES_MAX, Alternative
from bookwell.storage.statements import AnyConnection, statement

_same_provider = statement("list_times_of_the_same_provider")
_other_providers = statement("list_times_of_other_providers")

# How far is looked: most find what they need nearby, and only those who do not cost more.
_AHEAD = (timedelta(days=8), timedelta(days=92))
_AROUND = (timedelta(hours=6), timedelta(days=3), timedelta(days=31))

ByVisit = dict[str, list[Alternative]]


async def of_same_provider(
    connection: AnyConnection, call: Call, visit_ids: Sequence[str], *, from_at: datetime
) -> ByVisit:
    """The earliest times from then on with each visit's own provider, by visit."""
    found: ByVisit = {visit_id: [] for visit_id in visit_ids}
    for ahead in _AHEAD:
        lacking = _lacking(found)
        if lacking:
            rows = await _same_provider.rows(
                connection,
                brand_id=call.brand_id,
                visit_ids=lacking,
                from_at=from_at,
                until_at=from_at + ahead,
                row_limit=ALTERNATIVES_MAX,
            )
            found.update(_by_visit(rows, lacking))
    return found


async def of_other_providers(
    connection: AnyConnection, call: Call, visit_ids: Sequence[str], *, provider_no: int
) -> ByVisit:
    """The times nearest to each visit's own with the brand's other clinicians, by visit."""
    found: ByVisit = {visit_id: [] for visit_id in visit_ids}
    for around in _AROUND:
        lacking = _lacking(found)
        if lacking:
            rows = await _other_providers.rows(
                connection,
                brand_id=call.brand_id,
                visit_ids=lacking,
                provider_no=provider_no,
                reach=around,
                row_limit=ALTERNATIVES_MAX,
            )
            found.update(_by_visit(rows, lacking))
    return found


def _lacking(found: ByVisit) -> list[str]:
    return [visit_id for visit_id, times in found.items() if len(times) < ALTERNATIVES_MAX]


def _by_visit(rows: Sequence[Record], visit_ids: Sequence[str]) -> ByVisit:
    found: ByVisit = {visit_id: [] for visit_id in visit_ids}
    for row in rows:
        found[row["visit_id"]].append(
            Alternative(
                slot_id=row["slot_id"],
                provider_id=row["provider_id"],
                starts_at=row["starts_at"],
                ends_at=row["ends_at"],
            )
        )
    return found
