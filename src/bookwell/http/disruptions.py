"""The routes of the disruption desk: a provider is out, and their visits need a decision."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Response, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bookwell.domain.disruptions import (
    VISITS_MAX,
    Action,
    Alternative,
    Choice,
    DisruptedVisit,
    Disruption,
    DisruptionStatus,
    Outcome,
    Wish,
)
from bookwell.domain.errors import InvalidInput
from bookwell.domain.visits import VisitStatus
from bookwell.http.calls import AnyRequest, answer, call_of, database_of, etag, versions_wanted
from bookwell.http.fields import Id, Instant, Reason, checked_instant, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor, write_cursor
from bookwell.http.plugged import plugged_into
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.schedules import BrandIfNamed
from bookwell.usecases import disruption_commit, disruptions
from bookwell.usecases.disruptions import Desk, Out

TAG = "disruptions"


class AlternativeBody(Struct, kw_only=True):
    """A slot that no booking rule stands against for the visit."""

    slot_id: str
    provider_id: str
    start_time: datetime
    end_time: datetime


class AlternativesBody(Struct, kw_only=True):
    """At most three each: the same provider's earliest; other providers' nearest to the visit."""

    same_provider: list[AlternativeBody]
    other_providers: list[AlternativeBody]


class ChoiceBody(Struct, kw_only=True):
    """What was decided for a visit. `version` is the disruption's, and its ETag.

    `hold_expires_at` is null once the hold is over: the slot may then be taken by others before the
    disruption is committed.
    """

    visit_id: str
    action: Action
    slot_id: str | None
    hold_id: str | None
    hold_expires_at: datetime | None
    reason: str | None
    version: int | UnsetType = UNSET


class DisruptedVisitBody(Struct, kw_only=True):
    """An affected visit, at the time it had when staff last looked.

    `is_new` says that it came, or changed its time, since then; choose for it to go on.
    `is_affected` is false once it no longer lies in the time out. `outcome` is there once the
    disruption is committed.
    """

    visit_id: str
    patient_id: str
    slot_id: str
    start_time: datetime
    end_time: datetime
    status: VisitStatus
    visit_type: str
    is_affected: bool
    is_new: bool
    choice: ChoiceBody
    outcome: Outcome | None
    alternatives: AlternativesBody


class DisruptionSummary(Struct, kw_only=True, rename={"from_": "from"}):
    """A provider is out from one instant to another. A preview has no id, times or version."""

    id: str | None
    brand_id: str
    provider_id: str
    from_: datetime
    until: datetime
    status: DisruptionStatus
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None


class DisruptionBody(DisruptionSummary, kw_only=True):
    """A disruption with the visits it is about, the earliest first."""

    visits: list[DisruptedVisitBody]


class DisruptionList(Struct, kw_only=True):
    """A page of disruptions, newest first, without their visits."""

    disruptions: list[DisruptionSummary]
    next_cursor: str | UnsetType = UNSET


class Choose(Struct, kw_only=True):
    """What is to become of a visit. `move` takes a `slot_id`; `cancel` may give a `reason`."""

    action: Action
    slot_id: Id | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class ChooseForVisit(Choose, kw_only=True):
    """What is to become of this visit."""

    visit_id: Id


class OpenDisruption(Struct, kw_only=True, rename={"from_": "from"}):
    """From when until when the provider is out. A dry run writes nothing, and takes no choices."""

    brand_id: Id
    from_: Instant
    until: Instant
    dry_run: bool = False
    choices: Annotated[list[ChooseForVisit], Meta(max_length=VISITS_MAX)] = []


class CommitDisruption(Struct, kw_only=True):
    """With `leave_undecided`, visits that nobody has decided about are left for staff."""

    leave_undecided: bool = False


def disruption_body(disruption: Disruption) -> DisruptionBody:
    return DisruptionBody(
        **_summary_values(disruption),
        visits=[_visit_body(visit) for visit in disruption.visits],
    )


@post(
    "/v1/providers/{id:str}/disruptions",
    **operation("open_disruption", "A provider is out", tag=TAG, scope="write:visits"),
    response_description="Disruption drawn up",
    responses={
        200: ResponseSpec(
            DisruptionBody, description="Preview; nothing was written", generate_examples=False
        ),
        **refusals({404: "Provider not found", 409: "A chosen slot cannot be had"}),
    },
)
async def open_disruption(
    request: AnyRequest, provider_id: PathId, data: JSONBody[OpenDisruption]
) -> Response[DisruptionBody]:
    """Which visits a provider's absence affects, each with the best alternatives.

    A dry run writes nothing. Otherwise it is kept, to choose for each visit and commit all at once;
    slots that are chosen are held meanwhile, for an hour unless configured otherwise.
    """
    call = await call_of(request, brand_id=data.brand_id)
    out = Out(checked_instant(data.from_, "from"), checked_instant(data.until, "until"))
    if data.dry_run:
        if data.choices:
            raise InvalidInput("A dry run takes no choices.", field="choices")
        preview = await disruptions.preview_disruption(database_of(request), call, provider_id, out)
        return Response(disruption_body(preview), status_code=200)
    wishes = [_wish(choice.visit_id, choice) for choice in data.choices]
    opened = disruptions.open_disruption(
        database_of(request), call, provider_id, out, wishes, _desk(request)
    )
    return await answer(opened, Disruption, disruption_body, status_code=201)


@get(
    "/v1/providers/{id:str}/disruptions",
    **operation("list_disruptions", "List a provider's disruptions", tag=TAG, scope="read:visits"),
    response_description="List of disruptions",
    responses=refusals({404: "Provider not found"}),
)
async def list_disruptions(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: BrandIfNamed = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> DisruptionList:
    """The provider's disruptions in the brand, newest first."""
    page = await disruptions.list_disruptions(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        before_id=read_id_cursor(cursor),
        limit=limit,
    )
    return DisruptionList(
        disruptions=[DisruptionSummary(**_summary_values(each)) for each in page.items],
        next_cursor=write_cursor(page.next_key),
    )


@get(
    "/v1/disruptions/{id:str}",
    **operation("get_disruption", "Get a disruption", tag=TAG, scope="read:visits"),
    response_description="The disruption",
    responses=refusals({404: "Not found"}),
)
async def get_disruption(request: AnyRequest, disruption_id: PathId) -> Response[DisruptionBody]:
    """One disruption with its visits; while it is open with alternatives, looked for anew."""
    found = await disruptions.get_disruption(
        database_of(request), await call_of(request), disruption_id
    )
    assert found.version is not None, "what is kept has a version"
    return Response(disruption_body(found), headers={"ETag": etag(found.version)})


@put(
    "/v1/disruptions/{id:str}/choices/{visit_id:str}",
    **operation("choose_for_visit", "Choose for an affected visit", tag=TAG, scope="write:visits"),
    response_description="Chosen",
    responses=refusals(
        {
            404: "Disruption, visit or slot not found",
            409: "The slot cannot be had",
            412: "Committed, abandoned, or changed since",
        }
    ),
)
async def choose_for_visit(
    request: AnyRequest, disruption_id: PathId, visit_id: FromPath[str], data: JSONBody[Choose]
) -> Response[ChoiceBody]:
    """Move it to a slot, which is held from now on, cancel it, or leave it for staff.

    What was chosen before is replaced, and its hold released. The same slot again is held anew.
    """
    chosen = disruptions.choose(
        database_of(request),
        await call_of(request),
        disruption_id,
        _wish(visit_id, data),
        _desk(request),
        versions=versions_wanted(request),
    )
    return await answer(chosen, Choice, _choice_body)


@post(
    "/v1/disruptions/{id:str}/commit",
    **operation("commit_disruption", "Do all that was chosen", tag=TAG, scope="write:visits"),
    status_code=200,
    response_description="Disruption committed",
    responses=refusals(
        {
            404: "Not found",
            409: "Out of date, undecided, or a slot is taken",
            412: "Committed, abandoned, or changed since",
        }
    ),
)
async def commit_disruption(
    request: AnyRequest, disruption_id: PathId, data: JSONBody[CommitDisruption | None] = None
) -> Response[DisruptionBody]:
    """Move, cancel and leave the visits as chosen, and enter the time off: all, or nothing."""
    committed = disruption_commit.commit_disruption(
        database_of(request),
        await call_of(request),
        disruption_id,
        _desk(request),
        leave_undecided=data.leave_undecided if data else False,
        versions=versions_wanted(request),
    )
    return await answer(committed, Disruption, disruption_body)


@post(
    "/v1/disruptions/{id:str}/abandon",
    **operation("abandon_disruption", "Abandon a disruption", tag=TAG, scope="write:visits"),
    status_code=200,
    response_description="Disruption abandoned",
    responses=refusals({404: "Not found", 412: "Committed, abandoned, or changed since"}),
)
async def abandon_disruption(
    request: AnyRequest, disruption_id: PathId
) -> Response[DisruptionBody]:
    """The provider is there after all: every hold is released, and no visit was touched."""
    abandoned = disruptions.abandon_disruption(
        database_of(request),
        await call_of(request),
        disruption_id,
        versions=versions_wanted(request),
    )
    return await answer(abandoned, Disruption, disruption_body)


def _desk(request: AnyRequest) -> Desk:
    plugged = plugged_into(request.app)
    return Desk(hold_length=plugged.disruption_hold_length, horizon=plugged.horizon)


def _wish(visit_id: str, said: Choose) -> Wish:
    return Wish(
        visit_id=visit_id,
        action=said.action,
        slot_id=or_none(said.slot_id),
        cancel_reason=or_none(said.reason),
    )


def _summary_values(disruption: Disruption) -> dict[str, Any]:
    return {
        "id": disruption.disruption_id,
        "brand_id": disruption.brand_id,
        "provider_id": disruption.provider_id,
        "from_": disruption.starts_at,
        "until": disruption.ends_at,
        "status": disruption.status,
        "created_at": disruption.created_at,
        "updated_at": disruption.updated_at,
        "version": disruption.version,
    }


def _visit_body(visit: DisruptedVisit) -> DisruptedVisitBody:
    return DisruptedVisitBody(
        visit_id=visit.visit_id,
        patient_id=visit.patient_id,
        slot_id=visit.slot_id,
        start_time=visit.starts_at,
        end_time=visit.ends_at,
        status=visit.status,
        visit_type=visit.visit_type,
        is_affected=visit.is_affected,
        is_new=visit.is_new,
        choice=ChoiceBody(
            visit_id=visit.visit_id,
            action=visit.action,
            slot_id=visit.chosen_slot_id,
            hold_id=visit.hold_id,
            hold_expires_at=visit.hold_expires_at,
            reason=visit.cancel_reason,
        ),
        outcome=visit.outcome,
        alternatives=AlternativesBody(
            same_provider=[_alternative_body(each) for each in visit.same_provider],
            other_providers=[_alternative_body(each) for each in visit.other_providers],
        ),
    )


def _alternative_body(alternative: Alternative) -> AlternativeBody:
    return AlternativeBody(
        slot_id=alternative.slot_id,
        provider_id=alternative.provider_id,
        start_time=alternative.starts_at,
        end_time=alternative.ends_at,
    )


def _choice_body(choice: Choice) -> ChoiceBody:
    return ChoiceBody(
        visit_id=choice.visit_id,
        action=choice.action,
        slot_id=choice.slot_id,
        hold_id=choice.hold_id,
        hold_expires_at=choice.hold_expires_at,
        reason=choice.cancel_reason,
        version=choice.version,
    )


ROUTES = [
    open_disruption,
    list_disruptions,
    get_disruption,
    choose_for_visit,
    commit_disruption,
    abandon_disruption,
]
