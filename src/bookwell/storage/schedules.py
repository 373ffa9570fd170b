"""Schedules and time off in PostgreSQL. The rules of a schedule are one JSON document."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
from asyncpg import Record

from bookwell.domain.errors import NotFound
from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import Rules, Schedule, TimeOff
from bookwell.storage.statements import AnyConnection, statement

_add_schedule = statement("add_schedule")
_list_schedules = statement("list_schedules")
_get_schedule = statement("get_schedule")
_change_schedule = statement("change_schedule")
_remove_schedule = statement("remove_schedule")
_add_time_off = statement("add_time_off")
_list_time_off = statement("list_time_off")
_get_time_off = statement("get_time_off")
_move_time_off = statement("move_time_off")
_remove_time_off = statement("remove_time_off")
_list_visits_ahead = statement("list_visits_ahead")
_list_times_taken = statement("list_times_taken")

_rules = msgspec.json.Decoder(Rules)

NO_SUCH_SCHEDULE = "There is no such schedule."
NO_SUCH_TIME_OFF = "There is no such time off."


class Affiliated(Protocol):
    """A provider of a brand, as far as their time is concerned."""

    @property
    def brand_id(self) -> str: ...
    @property
    def provider_no(self) -> int: ...
    @property
    def provider_id(self) -> str: ...


class VisitAhead(NamedTuple):
    """A visit that has not begun; `is_derived` says that its slot came of a schedule."""

    visit_id: str
    slot_id: str
    during: Interval
    is_derived: bool


class TimeTaken(NamedTuple):
    """A visit's time without the visit; `is_own` says whether it is of the brand that asks."""

    during: Interval
    is_held: bool
    is_own: bool


async def add(connection: AnyConnection, provider: Affiliated, schedule: Schedule) -> Schedule:
    """Keep a new schedule; its times and version are the row's."""
    row = await _add_schedule.row(connection, **_values(provider, schedule))
    assert row is not None, "INSERT RETURNING answers a row"
    return _schedule_from(row)


async def list_of(
    connection: AnyConnection, provider: Affiliated, *, after_id: str = "", row_limit: int
) -> list[Schedule]:
    """The provider's schedules for the brand, in the order they were made."""
    rows = await _list_schedules.rows(
        connection, **_whose(provider), after_id=after_id, row_limit=row_limit
    )
    return [_schedule_from(row) for row in rows]


async def get(connection: AnyConnection, provider: Affiliated, schedule_id: str) -> Schedule:
    row = await _get_schedule.row(connection, **_whose(provider), schedule_id=schedule_id)
    if row is None:
        raise NotFound(NO_SUCH_SCHEDULE)
    return _schedule_from(row)


async def change(connection: AnyConnection, provider: Affiliated, schedule: Schedule) -> Schedule:
    """Put it in the place of the one with its id, whose version grows by one."""
    row = await _change_schedule.row(connection, **_values(provider, schedule))
    assert row is not None, "the caller read it behind the provider's lock"
    return _schedule_from(row)


async def remove(connection: AnyConnection, provider: Affiliated, schedule_id: str) -> None:
    await _remove_schedule.run(connection, **_whose(provider), schedule_id=schedule_id)


async def add_time_off(connection: AnyConnection, provider: Affiliated, off: TimeOff) -> TimeOff:
    row = await _add_time_off.row(
        connection,
        **_whose(provider),
        time_off_id=off.time_off_id,
        wall_from=off.wall_from,
        wall_until=off.wall_until,
        time_zone=off.time_zone,
        starts_at=off.starts_at,
        ends_at=off.ends_at,
    )
    assert row is not None, "INSERT RETURNING answers a row"
    return TimeOff(**row)


async def list_time_off(
    connection: AnyConnection, provider: Affiliated, *, after: tuple[datetime, str], row_limit: int
) -> list[TimeOff]:
    """At most `row_limit` that end after (end, id) `after`, those that end first before others."""
    after_at, after_id = after
    rows = await _list_time_off.rows(
        connection, **_whose(provider), after_at=after_at, after_id=after_id, row_limit=row_limit
    )
    return [TimeOff(**row) for row in rows]


async def get_time_off(
    connection: AnyConnection, provider: Affiliated, time_off_id: str
) -> TimeOff:
    row = await _get_time_off.row(connection, **_whose(provider), time_off_id=time_off_id)
    if row is None:
        raise NotFound(NO_SUCH_TIME_OFF)
    return TimeOff(**row)


async def move_time_off(
    connection: AnyConnection, provider: Affiliated, moved: Sequence[tuple[str, Interval]]
) -> None:
    """Say of each what its wall times mean now."""
    await _move_time_off.run(
        connection,
        brand_id=provider.brand_id,
        time_off_ids=[time_off_id for time_off_id, _ in moved],
        starts_ats=[interval.starts_at for _, interval in moved],
        ends_ats=[interval.ends_at for _, interval in moved],
    )


async def remove_time_off(
    connection: AnyConnection, provider: Affiliated, time_off_id: str
) -> None:
    await _remove_time_off.run(connection, **_whose(provider), time_off_id=time_off_id)


async def visits_ahead(connection: AnyConnection, provider: Affiliated) -> list[VisitAhead]:
    """The provider's visits of the brand that take time and have not begun, earliest first."""
    rows = await _list_visits_ahead.rows(
        connection, brand_id=provider.brand_id, provider_no=provider.provider_no
    )
    return [
        VisitAhead(
            row["visit_id"],
            row["slot_id"],
            Interval(row["starts_at"], row["ends_at"]),
            row["is_derived"],
        )
        for row in rows
    ]


async def times_taken(
    connection: AnyConnection, provider: Affiliated, window: Interval
) -> list[TimeTaken]:
    """When the provider has visits, in whatever brand, the past ones too; earliest first."""
    rows = await _list_times_taken.rows(
        connection,
        brand_id=provider.brand_id,
        provider_no=provider.provider_no,
        from_at=window.starts_at,
        until_at=window.ends_at,
    )
    return [
        TimeTaken(Interval(row["starts_at"], row["ends_at"]), row["is_held"], row["is_own"])
        for row in rows
    ]


def _whose(provider: Affiliated) -> dict[str, object]:
    return {
        "brand_id": provider.brand_id,
        "provider_no": provider.provider_no,
        "provider_id": provider.provider_id,
    }


def _values(provider: Affiliated, schedule: Schedule) -> dict[str, object]:
    return {
        **_whose(provider),
        "schedule_id": schedule.schedule_id,
        "time_zone": schedule.time_zone,
        "valid_from": schedule.valid_from,
        "valid_until": schedule.valid_until,
        "holiday_region": schedule.holiday_region,
        "rules": msgspec.json.encode(schedule.rules).decode(),
    }


def _schedule_from(row: Record) -> Schedule:
    return Schedule(**{**row, "rules": _rules.decode(row["rules"])})
