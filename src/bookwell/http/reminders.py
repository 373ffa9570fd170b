"""The routes of reminders: a brand's rules, and what became of each visit's."""

from datetime import datetime
from typing import Annotated

from litestar import Response, delete, get, put
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.reminders import (
    OFFSET_MINUTES_MAX,
    REMINDERS_MAX,
    Reminder,
    ReminderRule,
    State,
)
from bookwell.http.calls import AnyRequest, answer, call_of, database_of, versions_wanted
from bookwell.http.fields import Code, Id, VisitType, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visit_types import BrandOfCaller
from bookwell.usecases import reminder_rules, reminders
from bookwell.usecases.reminders import Plan, Planned

TAG = "reminders"

_Offset = Annotated[int, Meta(ge=1, le=OFFSET_MINUTES_MAX)]


class ReminderFields(Struct, kw_only=True):
    """So many minutes before a visit begins, by this channel, in the words of this template.

    Channel and template are codes of the message service's own, such as `sms` or `visit_soon`.
    """

    offset_minutes: _Offset
    channel: Code
    template_key: Code


class SetReminderRule(Struct, kw_only=True):
    """All reminders of a visit type; absent or null is every type that has no rule of its own.

    An empty list is no reminders at all.
    """

    reminders: Annotated[list[ReminderFields], Meta(max_length=REMINDERS_MAX)]
    visit_type: VisitType | UnsetType | None = UNSET
    brand_id: Id | UnsetType = UNSET


class ReminderRuleBody(Struct, kw_only=True):
    """The reminders of a visit type, or (null) of every type that has no rule of its own."""

    id: str
    brand_id: str
    visit_type: str | None
    reminders: list[ReminderFields]
    created_at: datetime
    updated_at: datetime
    version: int


class ReminderRuleList(Struct, kw_only=True):
    """A page of reminder rules, by id."""

    reminder_rules: list[ReminderRuleBody]
    next_cursor: str | UnsetType = UNSET


class VisitReminderBody(Struct, kw_only=True):
    """A reminder of a visit, for the start it had then.

    `planned`: it leaves at `due_at`. `due`: it leaves within seconds. `sent`: it left at
    `settled_at`. `skipped`: it does not leave, and `because` says why. `message_status` tells how
    the message service fares with it: `waiting`, `sent`, `dropped` (nobody wants it any more) or
    `failed` (refused for good); `message_cause` why.
    """

    start_time: datetime
    offset_minutes: int
    channel: str
    template_key: str
    state: State
    due_at: datetime
    because: str | None
    settled_at: datetime | None
    message_status: str | None
    message_cause: str | None
    message_attempts: int | None
    message_next_attempt_at: datetime | None


class VisitReminderList(Struct, kw_only=True):
    """A visit's reminders as they are due, and behind them those of its earlier starts."""

    visit_id: str
    start_time: datetime
    time_zone: str
    reminders: list[VisitReminderBody]


def rule_body(rule: ReminderRule) -> ReminderRuleBody:
    return ReminderRuleBody(
        id=rule.rule_id,
        brand_id=rule.brand_id,
        visit_type=rule.visit_type,
        reminders=[
            ReminderFields(
                offset_minutes=each.offset_minutes,
                channel=each.channel,
                template_key=each.template_key,
            )
            for each in rule.reminders
        ],
        created_at=rule.created_at,
        updated_at=rule.updated_at,
        version=rule.version,
    )


@get(
    "/v1/reminder-rules",
    **operation(
        "list_reminder_rules", "List a brand's reminder rules", tag=TAG, scope="read:visits"
    ),
    response_description="List of reminder rules",
    responses=refusals({404: "Brand not found"}),
)
async def list_reminder_rules(
    request: AnyRequest,
    brand_id: BrandOfCaller,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ReminderRuleList:
    """When the brand's patients are reminded of their visits."""
    call = await call_of(request, brand_id=brand_id)
    page = await reminder_rules.list_rules(
        database_of(request), call, after_id=read_id_cursor(cursor), limit=limit
    )
    return ReminderRuleList(
        reminder_rules=[rule_body(each) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@put(
    "/v1/reminder-rules",
    **operation("set_reminder_rule", "Say when patients are reminded", tag=TAG, scope=ADMIN_SCOPE),
    response_description="Reminder rule set",
    responses=refusals({404: "Brand not found", 412: "It has changed since"}),
)
async def set_reminder_rule(
    request: AnyRequest, data: JSONBody[SetReminderRule]
) -> Response[ReminderRuleBody]:
    """Say all reminders of a visit type, in place of those it had.

    They hold for visits that are booked already, as far as their time is still to come.
    """
    wanted = [
        Reminder(
            offset_minutes=each.offset_minutes,
            channel=each.channel,
            template_key=each.template_key,
        )
        for each in data.reminders
    ]
    said = reminder_rules.set_rule(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        visit_type=or_none(data.visit_type),
        wanted=wanted,
        versions=versions_wanted(request),
    )
    return await answer(said, ReminderRule, rule_body)


@delete(
    "/v1/reminder-rules/{id:str}",
    **operation("delete_reminder_rule", "Delete a reminder rule", tag=TAG, scope=ADMIN_SCOPE),
    status_code=200,
    response_description="Reminder rule deleted",
    responses=refusals({404: "Not found", 412: "It has changed since"}),
)
async def delete_reminder_rule(request: AnyRequest, rule_id: PathId) -> Response[ReminderRuleBody]:
    """Have visits of its type reminded as those of all other types are."""
    deleted = reminder_rules.delete_rule(
        database_of(request), await call_of(request), rule_id, versions=versions_wanted(request)
    )
    return await answer(deleted, ReminderRule, rule_body)


@get(
    "/v1/visits/{id:str}/reminders",
    **operation("list_visit_reminders", "List a visit's reminders", tag=TAG, scope="read:visits"),
    response_description="The visit's reminders",
    responses=refusals({404: "Not found"}),
)
async def list_visit_reminders(request: AnyRequest, visit_id: PathId) -> VisitReminderList:
    """When the patient was and will be reminded of the visit, and why not."""
    plan = await reminders.plan_of_visit(database_of(request), await call_of(request), visit_id)
    return _plan_body(plan)


def _plan_body(plan: Plan) -> VisitReminderList:
    return VisitReminderList(
        visit_id=plan.visit_id,
        start_time=plan.starts_at,
        time_zone=plan.time_zone,
        reminders=[_reminder_body(each) for each in plan.reminders],
    )


def _reminder_body(each: Planned) -> VisitReminderBody:
    return VisitReminderBody(
        start_time=each.starts_at,
        offset_minutes=each.offset_minutes,
        channel=each.channel,
        template_key=each.template_key,
        state=each.state,
        due_at=each.due_at,
        because=each.because,
        settled_at=each.settled_at,
        message_status=each.message_status,
        message_cause=each.message_cause,
        message_attempts=each.message_attempts,
        message_next_attempt_at=each.message_next_attempt_at,
    )


ROUTES = [list_reminder_rules, set_reminder_rule, delete_reminder_rule, list_visit_reminders]
