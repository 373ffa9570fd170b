"""The routes of schedules: a provider's week for a brand, and the slots that come of it."""

from datetime import date, datetime, time
from typing import Annotated

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.ids import VISIBLE
from bookwell.domain.office_hours import Weekday
from bookwell.domain.schedule_rules import (
    RULES_MAX,
    VISIT_TYPES_MAX,
    Effect,
    OneOffHours,
    RecurringHours,
    Rules,
    WeeklyHours,
)
from bookwell.domain.schedules import Schedule
from bookwell.domain.week import Week
from bookwell.http.calls import AnyRequest, answer, call_of, database_of, etag, versions_wanted
from bookwell.http.fields import Id, VisitType, WallTime, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.usecases import schedules
from bookwell.usecases.schedules import Upkeep

TAG = "schedules"
TimeZone = Annotated[str, Meta(min_length=1, max_length=64)]
_VisitTypes = Annotated[list[VisitType], Meta(min_length=1, max_length=VISIT_TYPES_MAX)]
_Text = Annotated[str, Meta(max_length=256)]
BrandIfNamed = Annotated[
    str | None, QueryParameter(pattern=VISIBLE, description="The caller's brand.")
]
KeepVisits = Annotated[
    bool, QueryParameter(description="Leave visits as they are that would be left behind.")
]


class WeeklyHoursBody(Struct, kw_only=True):
    """Hours of one weekday; `visit_types` is null where they are for every type of the brand."""

    id: str
    weekday: Weekday
    start_time: time
    end_time: time
    visit_types: list[str] | None
    valid_from: date | None
    valid_until: date | None


class RecurringHoursBody(Struct, kw_only=True):
    """Hours on each day of an RRULE, opened or closed; without times, the whole day."""

    id: str
    effect: Effect
    rrule: str
    starts_on: date
    start_time: time | None
    end_time: time | None
    visit_types: list[str] | None


class OpeningBody(Struct, kw_only=True):
    """Hours on one day."""

    id: str
    date: date
    start_time: time
    end_time: time
    visit_types: list[str] | None


class ScheduleBody(Struct, kw_only=True):
    """A provider's week for a brand, in wall time of its zone; each rule has an id."""

    id: str
    brand_id: str
    provider_id: str
    time_zone: str
    valid_from: date | None
    valid_until: date | None
    holiday_region: str | None
    weekly: list[WeeklyHoursBody]
    recurring: list[RecurringHoursBody]
    openings: list[OpeningBody]
    created_at: datetime
    updated_at: datetime
    version: int


class ScheduleList(Struct, kw_only=True):
    """A page of schedules, in the order they were made."""

    schedules: list[ScheduleBody]
    next_cursor: str | UnsetType = UNSET


class WeeklyHoursWanted(Struct, kw_only=True):
    """Every week on this weekday. An `end_time` of 00:00 is the end of the day."""

    weekday: Weekday
    start_time: WallTime
    end_time: WallTime
    id: _Text | UnsetType = UNSET
    visit_types: _VisitTypes | UnsetType | None = UNSET
    valid_from: date | UnsetType | None = UNSET
    valid_until: date | UnsetType | None = UNSET


class RecurringHoursWanted(Struct, kw_only=True):
    """On each day of the RRULE value (RFC 5545) from `starts_on` on: open, or closed."""

    effect: Effect
    rrule: _Text
    starts_on: date
    id: _Text | UnsetType = UNSET
    start_time: WallTime | UnsetType | None = UNSET
    end_time: WallTime | UnsetType | None = UNSET
    visit_types: _VisitTypes | UnsetType | None = UNSET


class OpeningWanted(Struct, kw_only=True):
    """On one day, even if it is closed otherwise."""

    date: date
    start_time: WallTime
    end_time: WallTime
    id: _Text | UnsetType = UNSET
    visit_types: _VisitTypes | UnsetType | None = UNSET


class ScheduleWanted(Struct, kw_only=True):
    """A provider's week. It holds from `valid_from` to `valid_until`, both days included."""

    time_zone: TimeZone
    valid_from: date | UnsetType | None = UNSET
    valid_until: date | UnsetType | None = UNSET
    holiday_region: _Text | UnsetType | None = UNSET
    weekly: Annotated[list[WeeklyHoursWanted], Meta(max_length=RULES_MAX)] = []
    recurring: Annotated[list[RecurringHoursWanted], Meta(max_length=RULES_MAX)] = []
    openings: Annotated[list[OpeningWanted], Meta(max_length=RULES_MAX)] = []
    keep_visits: bool = False


class AddSchedule(ScheduleWanted, kw_only=True):
    """A provider's week for a brand; ids of rules are given by the service."""

    brand_id: Id


class ChangeSchedule(ScheduleWanted, kw_only=True):
    """What the schedule is to be. A rule that carries its `id` keeps it."""

    brand_id: Id | UnsetType = UNSET


def schedule_body(schedule: Schedule) -> ScheduleBody:
    rules = schedule.rules
    return ScheduleBody(
        id=schedule.schedule_id,
        brand_id=schedule.brand_id,
        provider_id=schedule.provider_id,
        time_zone=schedule.time_zone,
        valid_from=schedule.valid_from,
        valid_until=schedule.valid_until,
        holiday_region=schedule.holiday_region,
        weekly=[_weekly_body(rule) for rule in rules.weekly],
        recurring=[_recurring_body(rule) for rule in rules.recurring],
        openings=[_opening_body(rule) for rule in rules.openings],
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
        version=schedule.version,
    )


def upkeep_of(request: AnyRequest, *, keep_visits: bool) -> Upkeep:
    """How far ahead slots are made here, and whether visits may be left behind."""
    return Upkeep(plugged_into(request.app).horizon, keep_visits)


@post(
    "/v1/providers/{id:str}/schedules",
    **operation("add_schedule", "Give a provider a schedule", tag=TAG, scope="write:slots"),
    response_description="Schedule created",
    responses=refusals({404: "Provider not found"}),
)
async def add_schedule(
    request: AnyRequest, provider_id: PathId, data: JSONBody[AddSchedule]
) -> Response[ScheduleBody]:
    """Keep a provider's week for the brand, and make its slots at once."""
    added = schedules.add_schedule(
        database_of(request),
        await call_of(request, brand_id=data.brand_id),
        provider_id,
        _week(data),
        upkeep_of(request, keep_visits=data.keep_visits),
    )
    return await answer(added, Schedule, schedule_body, status_code=201)


@get(
    "/v1/providers/{id:str}/schedules",
    **operation("list_schedules", "List a provider's schedules", tag=TAG, scope="read:slots"),
    response_description="List of schedules",
    responses=refusals({404: "Provider not found"}),
)
async def list_schedules(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: BrandIfNamed = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ScheduleList:
    """The provider's schedules for the brand, in the order they were made."""
    page = await schedules.list_schedules(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return ScheduleList(
        schedules=[schedule_body(schedule) for schedule in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@get(
    "/v1/providers/{id:str}/schedules/{schedule_id:str}",
    **operation("get_schedule", "Read a schedule", tag=TAG, scope="read:slots"),
    response_description="The schedule",
    responses=refusals({404: "Schedule not found"}),
)
async def get_schedule(
    request: AnyRequest, provider_id: PathId, schedule_id: FromPath[str]
) -> Response[ScheduleBody]:
    """One schedule, with its version as `ETag`."""
    found = await schedules.get_schedule(
        database_of(request), await call_of(request), provider_id, schedule_id
    )
    return Response(schedule_body(found), headers={"ETag": etag(found.version)})


@put(
    "/v1/providers/{id:str}/schedules/{schedule_id:str}",
    **operation("change_schedule", "Replace a schedule", tag=TAG, scope="write:slots"),
    response_description="Schedule changed",
    responses=refusals(
        {
            404: "Schedule not found",
            409: "Visits would be left behind",
            412: "Version does not match",
        }
    ),
)
async def change_schedule(
    request: AnyRequest,
    provider_id: PathId,
    schedule_id: FromPath[str],
    data: JSONBody[ChangeSchedule],
) -> Response[ScheduleBody]:
    """Put this week in the place of the schedule's. A slot with a visit on it is never touched."""
    changed = schedules.change_schedule(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        provider_id,
        schedule_id,
        _week(data),
        upkeep_of(request, keep_visits=data.keep_visits),
        versions=versions_wanted(request),
    )
    return await answer(changed, Schedule, schedule_body)


@delete(
    "/v1/providers/{id:str}/schedules/{schedule_id:str}",
    **operation("delete_schedule", "Take a schedule away", tag=TAG, scope="write:slots"),
    status_code=200,
    response_description="Schedule deleted",
    responses=refusals(
        {
            404: "Schedule not found",
            409: "Visits would be left behind",
            412: "Version does not match",
        }
    ),
)
async def delete_schedule(
    request: AnyRequest,
    provider_id: PathId,
    schedule_id: FromPath[str],
    keep_visits: KeepVisits = False,
) -> Response[ScheduleBody]:
    """Take the schedule away, and the free slots that come of it."""
    deleted = schedules.delete_schedule(
        database_of(request),
        await call_of(request),
        provider_id,
        schedule_id,
        upkeep_of(request, keep_visits=keep_visits),
        versions=versions_wanted(request),
    )
    return await answer(deleted, Schedule, schedule_body)


def _week(data: ScheduleWanted) -> Week:
    return Week(
        time_zone=data.time_zone,
        valid_from=data.valid_from or None,
        valid_until=data.valid_until or None,
        holiday_region=or_none(data.holiday_region),
        rules=Rules(
            weekly=tuple(_weekly(rule) for rule in data.weekly),
            recurring=tuple(_recurring(rule) for rule in data.recurring),
            openings=tuple(_opening(rule) for rule in data.openings),
        ),
    )


def _weekly(rule: WeeklyHoursWanted) -> WeeklyHours:
    return WeeklyHours(
        rule_id=rule.id or "",
        weekday=rule.weekday,
        wall_from=time.fromisoformat(rule.start_time),
        wall_until=time.fromisoformat(rule.end_time),
        visit_types=_types(rule.visit_types),
        valid_from=rule.valid_from or None,
        valid_until=rule.valid_until or None,
    )


def _recurring(rule: RecurringHoursWanted) -> RecurringHours:
    return RecurringHours(
        rule_id=rule.id or "",
        effect=rule.effect,
        rrule=rule.rrule,
        starts_on=rule.starts_on,
        wall_from=time.fromisoformat(rule.start_time) if rule.start_time else None,
        wall_until=time.fromisoformat(rule.end_time) if rule.end_time else None,
        visit_types=_types(rule.visit_types),
    )


def _opening(rule: OpeningWanted) -> OneOffHours:
    return OneOffHours(
        rule_id=rule.id or "",
        on=rule.date,
        wall_from=time.fromisoformat(rule.start_time),
        wall_until=time.fromisoformat(rule.end_time),
        visit_types=_types(rule.visit_types),
    )


def _types(named: list[str] | UnsetType | None) -> tuple[str, ...] | None:
    return tuple(named) if named else None


def _weekly_body(rule: WeeklyHours) -> WeeklyHoursBody:
    return WeeklyHoursBody(
        id=rule.rule_id,
        weekday=rule.weekday,
        start_time=rule.wall_from,
        end_time=rule.wall_until,
        visit_types=_types_told(rule.visit_types),
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
    )


def _recurring_body(rule: RecurringHours) -> RecurringHoursBody:
    return RecurringHoursBody(
        id=rule.rule_id,
        effect=rule.effect,
        rrule=rule.rrule,
        starts_on=rule.starts_on,
        start_time=rule.wall_from,
        end_time=rule.wall_until,
        visit_types=_types_told(rule.visit_types),
    )


def _opening_body(rule: OneOffHours) -> OpeningBody:
    return OpeningBody(
        id=rule.rule_id,
        date=rule.on,
        start_time=rule.wall_from,
        end_time=rule.wall_until,
        visit_types=_types_told(rule.visit_types),
    )


def _types_told(visit_types: tuple[str, ...] | None) -> list[str] | None:
    return None if visit_types is None else list(visit_types)


ROUTES = [add_schedule, list_schedules, get_schedule, change_schedule, delete_schedule]
