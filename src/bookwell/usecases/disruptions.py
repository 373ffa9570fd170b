"""A provider is out: which visits that affects, and where they could go instead."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from bookwell.domain.callers import Call, Role
from bookwell.domain.catalog import Provider
from bookwell.domain.disruptions import (
    Choice,
    Disruption,
    DisruptionStatus,
    Wish,
    check_number,
    check_open,
    check_out,
)
from bookwell.domain.errors import Forbidden, InvalidInput, VersionMismatch
from bookwell.domain.ids import DISRUPTION, new_id
from bookwell.domain.visits import VisitStatus
from bookwell.storage import alternatives, catalog, disruptions, idempotency, journal
from bookwell.storage.database import Database
from bookwell.storage.disruptions import Stored
from bookwell.storage.journal import Entry
from bookwell.storage.statements import AnyConnection
from bookwell.usecases import disruption_choices
from bookwell.usecases.paging import Page


class Desk(NamedTuple):
    """For how long chosen slots are held; how far ahead slots are made out of schedules."""

    hold_length: timedelta
    horizon: timedelta


class Out(NamedTuple):
    """From when until when a provider is out of the brand."""

    starts_at: datetime
    ends_at: datetime


async def preview_disruption(
    database: Database, call: Call, provider_id: str, out: Out
) -> Disruption:
    """Which visits would be affected, with alternatives; nothing is written.

    Raises:
        InvalidInput: Nobody can be out then, or too many visits are affected.
        NotFound: No such provider works for the brand.
    """
    refuse_patients(call)
    async with database.reading() as connection:
        provider, preview = await _preview(connection, call, provider_id, out)
        return await _with_alternatives(connection, call, Stored(preview, provider.provider_no))


async def open_disruption(
    database: Database,
    call: Call,
    provider_id: str,
    out: Out,
    wishes: Sequence[Wish],
    desk: Desk,
) -> Disruption:
    """Draw up what is to become of the affected visits; until it is committed only slots are held.

    `wishes` are choices that are made at once. Where one of them fails, nothing is kept.

    Raises:
        InvalidInput, NotFound: As `preview_disruption`, and as `choose`.
        Conflict, WrongState: As `choose`.
    """
    refuse_patients(call)
    for number, wish in enumerate(wishes):
        wish.check(place=f"choices[{number}].")
    if len({wish.visit_id for wish in wishes}) < len(wishes):
        raise InvalidInput("choices must name each visit once.", field="choices")
    async with database.transaction(call) as connection:
        provider, preview = await _preview(connection, call, provider_id, out)
        drafted = replace(preview, disruption_id=new_id(DISRUPTION))
        added = await disruptions.add(connection, drafted, provider.provider_no)
        stored = Stored(added, provider.provider_no)
        await disruptions.know(connection, added, [visit.visit_id for visit in preview.visits])
        await journal.record_all(
            connection,
            call,
            [journal.Change(entry=_entry("opened", added, visits=len(preview.visits)))],
        )
        await disruption_choices.decide(
            connection, call, stored, wishes, hold_length=desk.hold_length
        )
        opened = await _with_alternatives(connection, call, stored)
        await idempotency.remember(connection, call, opened)
    return opened


async def get_disruption(database: Database, call: Call, disruption_id: str) -> Disruption:
    """The disruption as it stands now; while it is open with alternatives, looked for anew.

    Raises:
        NotFound: The brand has no such disruption.
    """
    refuse_patients(call)
    async with database.reading() as connection:
        stored = await disruptions.get(connection, call, disruption_id)
        return await _with_alternatives(connection, call, stored)


async def list_disruptions(
    database: Database, call: Call, provider_id: str, *, before_id: str | None, limit: int
) -> Page[Disruption]:
    """A page of the provider's disruptions in the brand, newest first, without their visits.

    Raises:
        NotFound: No such provider works for the brand.
    """
    refuse_patients(call)
    async with database.reading() as connection:
        provider = await catalog.get_clinician(
            connection, brand_id=call.brand_id, provider_id=provider_id
        )
        found = await disruptions.list_newest_first(
            connection,
            brand_id=call.brand_id,
            provider_no=provider.provider_no,
            provider_id=provider_id,
            before_id=before_id,
            row_limit=limit + 1,
        )
    return Page.cut(found, limit, lambda each: (each.disruption_id or "",))


async def choose(
    database: Database,
    call: Call,
    disruption_id: str,
    wish: Wish,
    desk: Desk,
    *,
    versions: Sequence[int] | None = None,
) -> Choice:
    """Say what is to become of a visit, in the place of what was said before; a new time is held.

    Raises:
        InvalidInput: A field does not go with the action.
        NotFound: The brand has no such disruption or slot, or no such visit is affected.
        DisruptionNotOpen: It was committed or abandoned already.
        VersionMismatch: It has changed since the versions named.
        VisitNotReschedulable: Only a booked visit moves.
        RuleBroken: A booking rule stands against the slot.
        SlotUnavailable: The slot has begun, or its time is taken.
    """
    refuse_patients(call)
    wish.check()
    async with database.transaction(call) as connection:
        stored = await lock_open(connection, call, disruption_id, versions=versions)
        changed = await disruptions.change(connection, stored.disruption, DisruptionStatus.OPEN)
        (choice,) = await disruption_choices.decide(
            connection,
            call,
            stored._replace(disruption=changed),
            [wish],
            hold_length=desk.hold_length,
        )
        await idempotency.remember(connection, call, choice)
    return choice


async def abandon_disruption(
    database: Database, call: Call, disruption_id: str, *, versions: Sequence[int] | None = None
) -> Disruption:
    """The provider is there after all: what was held is free again, and no visit was touched.

    Raises:
        NotFound: The brand has no such disruption.
        DisruptionNotOpen: It was committed or abandoned already.
        VersionMismatch: It has changed since the versions named.
    """
    refuse_patients(call)
    async with database.transaction(call) as connection:
        stored = await lock_open(connection, call, disruption_id, versions=versions)
        visits = await disruptions.visits_of(connection, *stored)
        await disruptions.lock_time(
            connection, call, stored.provider_no, slot_ids=[], visits=visits
        )
        released = await disruption_choices.release(connection, call, stored.disruption, visits)
        await journal.record_all(connection, call, released)
        await disruptions.settle(
            connection, stored.disruption, dict.fromkeys(visit.visit_id for visit in visits)
        )
        ended = await disruptions.change(connection, stored.disruption, DisruptionStatus.ABANDONED)
        ended = replace(
            ended, visits=await disruptions.visits_of(connection, ended, stored.provider_no)
        )
        await journal.record(
            connection, call, _entry("abandoned", ended, holds_released=len(released)), answer=ended
        )
    return ended


async def lock_open(
    connection: AnyConnection, call: Call, disruption_id: str, *, versions: Sequence[int] | None
) -> Stored:
    """The disruption, which nobody else writes until the transaction ends.

    Raises:
        NotFound: The brand has no such disruption.
        DisruptionNotOpen: It was committed or abandoned already.
        VersionMismatch: It has changed since the versions named.
    """
    stored = await disruptions.lock(connection, call, disruption_id)
    check_open(stored.disruption.status)
    if versions is not None and stored.disruption.version not in versions:
        raise VersionMismatch(version=stored.disruption.version)
    return stored


def refuse_patients(call: Call) -> None:
    """Forbidden for a patient's token: here are other patients' visits."""
    if call.caller.role is Role.PATIENT:
        raise Forbidden("The disruption desk is for staff and services.")


async def _preview(
    connection: AnyConnection, call: Call, provider_id: str, out: Out
) -> tuple[Provider, Disruption]:
    provider = await catalog.get_clinician(
        connection, brand_id=call.brand_id, provider_id=provider_id
    )
    check_out(out.starts_at, out.ends_at, now=await journal.now(connection))
    preview = Disruption(
        disruption_id=None,
        brand_id=call.brand_id,
        provider_id=provider_id,
        starts_at=out.starts_at,
        ends_at=out.ends_at,
        status=DisruptionStatus.PREVIEW,
        created_at=None,
        updated_at=None,
        version=None,
    )
    visits = await disruptions.visits_of(connection, preview, provider.provider_no)
    check_number(visits)
    return provider, replace(preview, visits=visits)


async def _with_alternatives(connection: AnyConnection, call: Call, stored: Stored) -> Disruption:
    """The disruption with its visits, and where those could go that staff may move."""
    disruption, provider_no = stored
    visits = await disruptions.visits_of(connection, disruption, provider_no)
    movable = [
        visit.visit_id
        for visit in visits
        if visit.is_affected and visit.status is VisitStatus.BOOKED
    ]
    later = await alternatives.of_same_provider(
        connection, call, movable, from_at=disruption.ends_at
    )
    elsewhere = await alternatives.of_other_providers(
        connection, call, movable, provider_no=provider_no
    )
    return replace(
        disruption,
        visits=[
            replace(
                visit,
                same_provider=later.get(visit.visit_id, []),
                other_providers=elsewhere.get(visit.visit_id, []),
            )
            for visit in visits
        ],
    )


def _entry(what: str, disruption: Disruption, **counts: object) -> Entry:
    """The audit's words for a change of a disruption: ids and counts."""
    assert disruption.disruption_id is not None, "a preview is not audited"
    return Entry(
        event_type=f"disruption.{what}",
        entity_type="disruption",
        entity_id=disruption.disruption_id,
        details={"provider_id": disruption.provider_id, **counts},
    )
