"""One week of a provider, as somebody would draw it: open, away, closed for a holiday, booked."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.errors import NotFound
from bookwell.domain.holidays import public_holidays
from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import Opened, opened
from bookwell.domain.wall_time import zone_named
from bookwell.storage import catalog, journal, schedules
from bookwell.storage.database import Database
from bookwell.storage.schedules import TimeTaken

_ROWS_MAX = 10_000
_WEEK = timedelta(days=7)
# Whatever the zone, its week lies within this much of the same week in UTC.
_MARGIN = timedelta(days=1)


class WeekSeen(Struct, frozen=True, kw_only=True):
    """What is known of the seven days from `monday` on, on the wall of `zone`."""

    provider_id: str
    name: str
    brand_id: str
    monday: date
    zone: ZoneInfo
    opened: list[Opened]
    away: list[Interval]
    taken: list[TimeTaken]
    holidays: frozenset[date]

    @property
    def days(self) -> list[date]:
        return [self.monday + timedelta(days=number) for number in range(_WEEK.days)]


async def see_week(
    database: Database, call: Call, provider_id: str, *, monday: date | None
) -> WeekSeen:
    """The week that begins on this Monday, or this week; in the zone of the oldest schedule.

    Raises:
        NotFound: No such provider works for the brand, or they have no schedule there.
    """
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        known = await schedules.list_of(connection, provider, row_limit=_ROWS_MAX)
        if not known:
            raise NotFound(f"{provider_id} has no schedule in {call.brand_id}.")
        zone = zone_named(known[0].time_zone)
        if monday is None:
            today = (await journal.now(connection)).astimezone(zone).date()
            monday = today - timedelta(days=today.weekday())
        begins = datetime.combine(monday, datetime.min.time(), UTC)
        window = Interval(begins - _MARGIN, begins + _WEEK + _MARGIN)
        away = await schedules.list_time_off(
            connection, provider, after=(window.starts_at, ""), row_limit=_ROWS_MAX
        )
        taken = await schedules.times_taken(connection, provider, window)
    days = {monday + timedelta(days=number) for number in range(_WEEK.days)}
    regions = {schedule.holiday_region for schedule in known if schedule.holiday_region}
    closed = {
        day
        for region in regions
        for year in {day.year for day in days}
        for day in public_holidays(region, year)
    }
    return WeekSeen(
        provider_id=provider.provider_id,
        name=provider.name,
        brand_id=provider.brand_id,
        monday=monday,
        zone=zone,
        opened=opened(known, window),
        away=[Interval(off.starts_at, off.ends_at) for off in away],
        taken=taken,
        holidays=frozenset(closed & days),
    )
