"""Find open times: what is offered here may be booked."""

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from bookwell.domain.callers import Call, Role
from bookwell.domain.errors import InvalidInput, NotFound
from bookwell.domain.intervals import Interval
from bookwell.domain.office_hours import Weekday
from bookwell.domain.search import (
    OpenSlot,
    PartOfDay,
    first_step,
    times_on,
    window_after,
    window_between,
)
from bookwell.domain.visits import Visit
from bookwell.storage import journal, search, visits
from bookwell.storage.catalog import NO_SUCH_PROVIDER
from bookwell.storage.database import Database
from bookwell.storage.rules import Question
from bookwell.storage.search import Found, Search
from bookwell.storage.statements import AnyConnection
from bookwell.usecases.paging import FAR_PAST, Page

# A window in which nothing is open is followed by one so much longer; a page that is not yet full
# needs about as much again.
_GROWTH_IN_VAIN, _GROWTH = 4, 2


class SearchAsked(Struct, frozen=True, kw_only=True):
    """What a caller looks for. Absent is any, and of the window what `window_between` says."""

    visit_type: str | None = None
    patient_id: str | None = None
    reschedule_of: str | None = None
    provider_ids: tuple[str, ...] | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    time_zone: str | None = None
    weekdays: frozenset[Weekday] = frozenset()
    parts: frozenset[PartOfDay] = frozenset()
    is_first_of_each: bool = False

    @property
    def is_any_time(self) -> bool:
        """Whether every time of the week will do."""
        return not self.weekdays and not self.parts


class Offered(NamedTuple):
    """A page of open slots; the first slot after the window, where there is none in it."""

    page: Page[OpenSlot]
    next_available: OpenSlot | None = None


async def find_slots(
    database: Database,
    call: Call,
    asked: SearchAsked,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Offered:
    """A page of the slots that may be booked, earliest first.

    A patient looks for themselves; for whoever is no patient of the brand nothing is open.

    Raises:
        InvalidInput: The window is none, or the brand has no such visit type.
        NotFound: None of the providers named works for the brand, or the visit that is to be moved
            is not this caller's to see.
    """
    if call.patient_id is not None and asked.patient_id not in (None, call.patient_id):
        return Offered(Page(items=[]))
    async with database.reading() as connection:
        moved = await moved_visit(connection, call, asked.reschedule_of)
        window = window_between(
            asked.from_at, asked.until_at, now=asked.from_at or await journal.now(connection)
        )
        looked_for = Search(
            brand_id=call.brand_id,
            provider_ids=asked.provider_ids,
            question=question_of(
                call, moved, visit_type=asked.visit_type, patient_id=asked.patient_id
            ),
            left_slot=moved.slot_id if moved else None,
            keeps_type=moved is not None and asked.visit_type in (None, moved.visit_type),
            time_zone=asked.time_zone,
        )
        zones = await _zones(connection, call, asked)
        looking = _Looking(connection, asked, looked_for, zones)
        page = Page.cut(await looking.slots(window, after, limit + 1), limit, lambda s: s.key)
        if page.items or after is not None:
            return Offered(page)
        return Offered(page, await looking.first_after(window))


async def moved_visit(connection: AnyConnection, call: Call, visit_id: str | None) -> Visit | None:
    """The visit that is to be moved, if one is; NotFound if it is not this caller's to see."""
    return None if visit_id is None else await visits.get(connection, call, visit_id)


def question_of(
    call: Call, moved: Visit | None, *, visit_type: str | None, patient_id: str | None
) -> Question:
    """What the rules are asked; a visit that is to be moved says what was not said."""
    if moved is not None:
        visit_type = visit_type or moved.visit_type
        patient_id = patient_id or moved.patient_id
    return Question(
        visit_type=visit_type,
        patient_id=call.patient_id if call.patient_id is not None else patient_id,
        by_patient=call.caller.role is Role.PATIENT,
        ignored_visit=moved.visit_id if moved else None,
    )


async def _zones(connection: AnyConnection, call: Call, asked: SearchAsked) -> list[str]:
    """The zones whose wall clocks matter: none where every time of the week will do."""
    if asked.is_any_time:
        return []
    if asked.time_zone is not None:
        return [asked.time_zone]
    return sorted({"UTC", *await search.schedule_zones(connection, call.brand_id)})


class _Looking:
    """One search on one connection."""

    def __init__(
        self, connection: AnyConnection, asked: SearchAsked, looked_for: Search, zones: list[str]
    ) -> None:
        self._connection = connection
        self._asked = asked
        self._looked_for = looked_for
        self._zones = zones

    async def slots(
        self, window: Interval, after: tuple[datetime, str] | None, row_limit: int
    ) -> list[OpenSlot]:
        """So many slots of the window, or of each provider the first one."""
        key = after or (FAR_PAST, "")
        if self._asked.is_first_of_each:
            return self._told(
                await search.find_first(
                    self._connection, self._within(window), window, after=key, row_limit=row_limit
                )
            )
        found: list[OpenSlot] = []
        named = self._looked_for.provider_ids
        step = first_step(None if named is None else len(named))
        reached = max(window.starts_at, key[0])
        while len(found) < row_limit and reached < window.ends_at:
            part = Interval(reached, min(reached + step, window.ends_at))
            slots = self._told(
                await search.find(
                    self._connection,
                    self._within(part),
                    part,
                    after=key,
                    row_limit=row_limit - len(found),
                )
            )
            found += slots
            reached = part.ends_at
            step *= _GROWTH if slots else _GROWTH_IN_VAIN
        return found

    async def first_after(self, window: Interval) -> OpenSlot | None:
        """The first slot after the window, as far as anything is planned."""
        beyond = window_after(window, now=await journal.now(self._connection))
        found = await search.find_first(
            self._connection, self._within(beyond), beyond, after=(FAR_PAST, ""), row_limit=1
        )
        return found.slots[0] if found.slots else None

    def _within(self, window: Interval) -> Search:
        """What is looked for in this window, at the times of the week that are asked for."""
        if self._asked.is_any_time:
            return self._looked_for
        times = {
            zone: times_on(window, zone, weekdays=self._asked.weekdays, parts=self._asked.parts)
            for zone in self._zones
        }
        return replace(self._looked_for, times=times)

    def _told(self, found: Found) -> list[OpenSlot]:
        if found.is_unknown_type:
            raise InvalidInput("The brand has no such visit type.", field="visit_type")
        if self._asked.provider_ids is not None and not found.knows_a_provider:
            raise NotFound(NO_SUCH_PROVIDER)
        return found.slots
