"""Take over a clinic's earlier book, in batches that each stand or fall alone."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from itertools import islice

from bookwell.domain.callers import Call
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.imports import Line, read_row
from bookwell.domain.lines import Refusal, Row
from bookwell.storage import catalog, holds, imports, journal
from bookwell.storage.database import Database
from bookwell.storage.imports import Person
from bookwell.storage.statements import AnyConnection

# Enough for the transaction's own cost not to matter; few enough for its locks to be held for a
# fraction of a second, and for a batch to need no memory worth speaking of.
BATCH_LINES = 500

OVERLAPS = "The time overlaps another visit of this provider."
IS_A_COACH = "provider_id is a coach's; coaches have office hours, not visits."


@dataclass(slots=True)
class Batch:
    """What became of some lines of the book; committed when it is seen."""

    last_number: int
    imported: int = 0
    already_there: int = 0
    refusals: list[Refusal] = field(default_factory=list)


async def import_visits(
    database: Database, call: Call, rows: Iterable[Row | Refusal]
) -> AsyncGenerator[Batch, None]:
    """Import the book's rows in their order, and tell of each batch once it is committed.

    Each row becomes a visit with a slot of its own, in the status it has in the book; patients and
    clinicians whom the brand does not have are added. An external id is imported once for a brand,
    so the same book may be imported again, by several at once, and after an interruption: what is
    there stays as it is. A row that cannot be imported is refused and its neighbours are not.

    Raises:
        NotFound: There is no such brand.
    """
    async with database.reading() as connection:
        await catalog.get_brand(connection, call.brand_id)
        now = await journal.now(connection)
    readings = (row if isinstance(row, Refusal) else read_row(row, now=now) for row in rows)
    while read := list(islice(readings, BATCH_LINES)):
        batch = Batch(read[-1].number)
        async with database.transaction(call) as connection:
            lines = [line for line in read if isinstance(line, Line)]
            await _settle(connection, call, lines, batch)
        batch.refusals += [refusal for refusal in read if isinstance(refusal, Refusal)]
        batch.refusals.sort(key=lambda refusal: refusal.number)
        yield batch


async def _settle(connection: AnyConnection, call: Call, lines: list[Line], batch: Batch) -> None:
    """Import what can be, and count it.

    A line whose external id stands earlier in the batch waits for what becomes of that one: it is
    there already, or gets its own try.
    """
    await imports.lock_brand(connection, call.brand_id)
    while lines:
        first_of: dict[str, Line] = {}
        for line in lines:
            first_of.setdefault(line.external_id, line)
        later = [line for line in lines if first_of[line.external_id] is not line]
        there = await imports.already_there(connection, call, first_of)
        batch.already_there += len(there)
        new = [line for line in first_of.values() if line.external_id not in there]
        there |= await _add(connection, call, new, batch)
        lines = [line for line in later if line.external_id not in there]
        batch.already_there += len(later) - len(lines)


async def _add(connection: AnyConnection, call: Call, lines: list[Line], batch: Batch) -> set[str]:
    """Import lines that are new; returns the external ids that went in."""
    if not lines:
        return set()
    provider_ids = list(dict.fromkeys(line.provider_id for line in lines))
    people = await imports.lock_providers(connection, call, provider_ids)
    await holds.expire_of_providers(connection, [person.provider_no for person in people.values()])
    willing = []
    for line in lines:
        person = people[line.provider_id]
        why = _objection_to(person, call.brand_id)
        if why is None:
            willing.append((line, person))
        else:
            batch.refusals.append(line.refused(why))
    added = await imports.add_visits(connection, call, willing) if willing else set()
    batch.imported += len(added)
    batch.refusals += [
        line.refused(OVERLAPS) for line, _ in willing if line.external_id not in added
    ]
    return added


def _objection_to(person: Person, brand_id: str) -> str | None:
    """Why this person has no visits for the brand, or None where they may."""
    if person.kind is ProviderKind.COACH:
        return IS_A_COACH
    if not person.works_for_brand:
        # Two brands may mean two people by one id; only a person can say that it is one.
        return (
            "provider_id belongs to somebody of another brand; if it is the same person, run"
            f" `bookwell provider add` for {brand_id} first."
        )
    return None
