"""Remind patients of their visits, each once, and say what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from bookwell.domain.callers import Call
from bookwell.domain.errors import InvalidInput
from bookwell.domain.quiet_hours import QuietHours
from bookwell.domain.reminders import (
    EARLY,
    GRACE,
    Because,
    Occasion,
    Reminder,
    ReminderRule,
    State,
    judge,
)
from bookwell.domain.visits import Visit, VisitStatus
from bookwell.domain.wall_time import DAY, zone_named
from bookwell.storage import journal, reminders, reminding, visits
from bookwell.storage.database import Database
from bookwell.storage.reminding import Candidate, Settled, Settling, Turn, Window
from bookwell.storage.statements import AnyConnection

# How often somebody looks for what has just come due in a brand: a reminder is so late at most
# while all is well.
LOOK_EVERY = timedelta(seconds=5)
# How often all visits are looked through whose reminder may still leave: for what could not when it
# came due, because nobody was there, or its patient was elsewhere then.
LOOK_THROUGH_EVERY = timedelta(minutes=5)
# A transaction that books may be open so long.
_SLACK = timedelta(minutes=1)
# What has just come due: all that did since the visits were looked through, and what was due when
# it was booked meanwhile.
_RECENT = LOOK_THROUGH_EVERY + GRACE + _SLACK
# When quiet hours end, or are about to begin, much comes due that was asked for at another time; so
# long from then on all visits are looked through, also for what is booked meanwhile.
_TURN = GRACE + _SLACK
# What is settled in one transaction, so that nobody who cancels waits long for it.
SETTLED_AT_ONCE = 200
# A clock that is put forward makes a quiet night an hour longer than its times say.
_LONGEST_STRETCH = DAY
# More rules than a brand has visit types.
_RULES_MAX = 10_000


class Planned(Struct, frozen=True, kw_only=True):
    """A reminder of a visit: what is to become of it, or what did.

    `message_status` is there where it went, or is to go, to the message service.
    """

    starts_at: datetime
    offset_minutes: int
    channel: str
    template_key: str
    state: State
    due_at: datetime
    because: str | None = None
    settled_at: datetime | None = None
    message_status: str | None = None
    message_cause: str | None = None
    message_attempts: int | None = None
    message_next_attempt_at: datetime | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """A visit's reminders in the order they are due, those of its earlier starts last.

    `time_zone` is where they are due.
    """

    visit_id: str
    starts_at: datetime
    time_zone: str
    reminders: list[Planned]


async def remind_due(database: Database, *, with_messages: bool) -> None:
    """Send what is due, of every brand whose turn it is. Any number of workers may do so."""
    while await _remind_next(database, with_messages=with_messages):
        pass


async def _remind_next(database: Database, *, with_messages: bool) -> bool:
    turn: Turn | None = None
    try:
        async with database.reading() as connection, connection.transaction():
            turn = await reminding.next_brand(
                connection, every=LOOK_EVERY, through_every=LOOK_THROUGH_EVERY
            )
            if turn is None:
                return False
            if await remind_brand(
                connection, turn.brand_id, with_messages=with_messages, is_deep=turn.is_deep
            ):
                await reminding.note_look(connection, turn.brand_id, is_deep=turn.is_deep)
            return True
    except Exception:
        if turn is not None:
            # It comes last from now on: what fails for one brand must not keep it from all others.
            async with database.reading() as connection:
                await reminding.note_look(connection, turn.brand_id, is_deep=False)
        raise


async def remind_brand(
    connection: AnyConnection, brand_id: str, *, with_messages: bool, is_deep: bool = True
) -> bool:
    """Settle the brand's reminders that are due, in the caller's transaction.

    With `is_deep`, of all visits whose reminder may still leave, and else of those whose reminder
    has just come due. Returns False once about `SETTLED_AT_ONCE` are settled, and there may be
    more. The nearest ones are settled first, so that of several that are due only one is sent.
    """
    rules = await reminders.list_rules(
        connection, brand_id=brand_id, after_id="", row_limit=_RULES_MAX
    )
    if not any(rule.reminders for rule in rules):
        return True
    own_types = [rule.visit_type for rule in rules if rule.visit_type is not None]
    look = await _Look.begin(connection, brand_id, with_messages=with_messages, is_deep=is_deep)
    for rule in rules:
        others = own_types if rule.visit_type is None else []
        for reminder in rule.reminders:
            if not await look.settle(rule, reminder, other_types=others):
                return False
    return True


class _Look:
    """One look through a brand's visits: one instant, one idea of who may be sent something."""

    def __init__(
        self,
        connection: AnyConnection,
        now: datetime,
        quiet: QuietHours,
        zones: Mapping[str, ZoneInfo],
        *,
        with_messages: bool,
        is_deep: bool,
    ) -> None:
        self._connection = connection
        self._now = now
        self._quiet = quiet
        self._zones = zones
        self._with_messages = with_messages
        self._left = SETTLED_AT_ONCE
        self._quiet_zones = self._quiet_at(now)
        self._is_deep = is_deep or any(self._has_turned(zone) for zone in zones.values())
        self._soon_zones = (
            sorted(self._quiet_at(now + EARLY) - self._quiet_zones) if self._is_deep else []
        )

    @classmethod
    async def begin(
        cls, connection: AnyConnection, brand_id: str, *, with_messages: bool, is_deep: bool
    ) -> "_Look":
        quiet = await reminders.quiet_hours_of(connection, brand_id)
        names = await reminding.zones_of(connection, brand_id) if quiet.is_on else ()
        zones = {name: zone_of(name) for name in names}
        now = await journal.now(connection)
        return cls(connection, now, quiet, zones, with_messages=with_messages, is_deep=is_deep)

    def _quiet_at(self, instant: datetime) -> set[str]:
        return {name for name, zone in self._zones.items() if self._quiet.around(instant, zone)}

    def _has_turned(self, zone: ZoneInfo) -> bool:
        """Whether quiet hours have just ended there, or what cannot wait has just come due."""
        return any(
            self._now - _TURN < instant <= self._now
            for stretch in self._quiet.near(self._now, zone)
            for instant in (stretch.ends_at, stretch.starts_at - EARLY)
        )

    def _window(self, offset: timedelta) -> Window:
        back = min(offset / 2, DAY)
        ahead = _LONGEST_STRETCH + EARLY if self._soon_zones else timedelta(0)
        return Window(
            from_at=self._now + offset - (back if self._is_deep else min(back, _RECENT)),
            until_at=self._now + offset + ahead,
            asked_for=self._now + offset,
            quiet_zones=sorted(self._quiet_zones),
            soon_zones=self._soon_zones,
        )

    async def settle(
        self, rule: ReminderRule, reminder: Reminder, *, other_types: Sequence[str]
    ) -> bool:
        """Settle this reminder of all visits; False where there may be more than one look does."""
        after: tuple[datetime, str] | None = None
        # A page that is much smaller than what it may have to pass over is not worth its look.
        while (page := self._left) > SETTLED_AT_ONCE // 4:
            found = await reminding.list_candidates(
                self._connection,
                rule,
                reminder,
                self._window(reminder.offset),
                other_types=other_types,
                after=after,
                row_limit=page,
            )
            settlings = [
                each for each in (self._judged(rule, reminder, one) for one in found) if each
            ]
            if settlings:
                # Those that somebody is changing are not among them, and are passed over.
                settled = await reminding.settle(
                    self._connection, rule, reminder, settlings, with_messages=self._with_messages
                )
                self._left -= len(settled)
            if len(found) < page:
                return True
            after = (found[-1].starts_at, found[-1].visit_id)
        return False

    def _judged(
        self, rule: ReminderRule, reminder: Reminder, candidate: Candidate
    ) -> Settling | None:
        occasion = Occasion(
            starts_at=candidate.starts_at,
            booked_at=candidate.booked_at,
            ruled_at=rule.holds_since,
            quiet=self._quiet,
            zone=self._zones.get(candidate.time_zone) or zone_of(candidate.time_zone),
        )
        verdict = judge(occasion, reminder, now=self._now, is_superseded=candidate.is_superseded)
        if verdict.state is State.PLANNED:
            return None
        return Settling(candidate, verdict.due_at, verdict.because)


async def plan_of_visit(database: Database, call: Call, visit_id: str) -> Plan:
    """When the visit's patient was and will be reminded of it, and why not.

    Raises:
        NotFound: The visit is not this caller's to see.
    """
    async with database.reading() as connection:
        visit = await visits.get(connection, call, visit_id)
        at = await reminding.occasion_of(connection, brand_id=call.brand_id, visit_id=visit_id)
        settled = await reminding.list_settled(
            connection, brand_id=call.brand_id, visit_id=visit_id
        )
        rule = await _rule_for(connection, visit)
        quiet = await reminders.quiet_hours_of(connection, call.brand_id)
    ahead: list[Planned] = []
    if rule is not None and visit.status is VisitStatus.BOOKED:
        occasion = Occasion(
            visit.starts_at, at["booked_at"], rule.holds_since, quiet, zone_of(at["time_zone"])
        )
        ahead = _ahead(occasion, rule.reminders, settled, now=at["now"])
    found = [*ahead, *map(_settled, settled)]
    return Plan(
        visit_id=visit_id,
        starts_at=visit.starts_at,
        time_zone=at["time_zone"],
        reminders=sorted(
            found,
            key=lambda each: (each.starts_at != visit.starts_at, each.starts_at, each.due_at),
        ),
    )


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; UTC where the package that we read zones from has it no more."""
    try:
        return zone_named(name)
    except InvalidInput:
        return zone_named("UTC")


async def _rule_for(connection: AnyConnection, visit: Visit) -> ReminderRule | None:
    for visit_type in (visit.visit_type, None):
        rule = await reminders.find_rule(connection, brand_id=visit.brand_id, visit_type=visit_type)
        if rule is not None:
            return rule
    return None


def _ahead(
    occasion: Occasion, wanted: Sequence[Reminder], settled: Sequence[Settled], *, now: datetime
) -> list[Planned]:
    """The reminders that nobody has settled yet."""
    known = {each.offset_minutes: each for each in settled if each.starts_at == occasion.starts_at}
    sent = [offset for offset, each in known.items() if each.skipped_because is None]
    found = []
    for reminder in wanted:
        if reminder.offset_minutes in known:
            continue
        nearer = any(offset < reminder.offset_minutes for offset in sent)
        verdict = judge(occasion, reminder, now=now, is_superseded=nearer)
        if verdict.state is State.DUE:
            sent.append(reminder.offset_minutes)
        found.append(
            Planned(
                starts_at=occasion.starts_at,
                offset_minutes=reminder.offset_minutes,
                channel=reminder.channel,
                template_key=reminder.template_key,
                state=verdict.state,
                due_at=verdict.due_at,
                because=verdict.because,
            )
        )
    return found


def _settled(each: Settled) -> Planned:
    is_sent = each.skipped_because is None
    return Planned(
        starts_at=each.starts_at,
        offset_minutes=each.offset_minutes,
        channel=each.channel,
        template_key=each.template_key,
        state=State.SENT if is_sent else State.SKIPPED,
        due_at=each.due_at,
        because=each.skipped_because if is_sent else Because(each.skipped_because or ""),
        settled_at=each.settled_at,
        message_status=each.message_status,
        message_cause=each.cause,
        message_attempts=each.attempts,
        message_next_attempt_at=each.next_attempt_at,
    )
