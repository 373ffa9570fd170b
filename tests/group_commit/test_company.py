"""What comes of a call does not depend on the company it is written in."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookwell.domain.callers import Call, Caller, IdempotencyKey, Role
from bookwell.domain.errors import BookwellError
from bookwell.domain.holds import HoldTerms
from bookwell.domain.visits import CANCEL, CHECK_IN, CONFIRM, MARK_NO_SHOW, Change, Visit, Wanted
from bookwell.storage import group_commit
from bookwell.storage.database import Database
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.idempotency import Replayed
from bookwell.storage.statements import STATEMENTS
from bookwell.usecases.visit_changes import change_visit
from bookwell.usecases.visits import take_slot
from conftest import clone
from world import LOOP, LOOPBIO, populate

SLOTS = ("nine", "overlaps", "ten", "shared", "foreign", "past", "nowhere")
PATIENTS = ("ada", "bob", "eve", "nobody")
# What is written for one side, in words that both share.
BOOKS = (
    """
    SELECT replace(slot_id, %(name)s, ''), replace(patient_id, %(name)s, ''), status, version,
           hold_place
    FROM booking.visit
    WHERE slot_id LIKE %(mine)s
    ORDER BY 1, 2, 3, 4
    """,
    """
    SELECT event_type, sequence, count(*)
    FROM booking.event
    JOIN booking.visit ON visit_id = entity_id
    WHERE slot_id LIKE %(mine)s
    GROUP BY 1, 2
    ORDER BY 1, 2
    """,
    """
    SELECT event_type, details->>'status', actor_id = %(who)s, count(*)
    FROM booking.audit
    JOIN booking.visit ON visit_id = entity_id
    WHERE slot_id LIKE %(mine)s
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    """,
    """
    SELECT key, route, brand_id, fingerprint, outcome
    FROM booking.idempotency
    WHERE caller = 'staff:' || %(who)s
    ORDER BY 1, 2, 3
    """,
)
TRANSITIONS = (CONFIRM, CANCEL, CHECK_IN, MARK_NO_SHOW)


@dataclass(frozen=True)
class Wish:
    """A call: it takes a slot, or changes the visit that an earlier wish led to."""

    brand_id: str
    slot: str
    patient: str
    is_hold: bool
    key: str | None
    changes: int | None
    transition: int
    versions: tuple[int, ...] | None
    payload: int


WISHES = st.builds(
    Wish,
    brand_id=st.sampled_from((LOOP, LOOP, LOOP, LOOPBIO)),
    slot=st.sampled_from(("nine", "ten", "shared", *SLOTS)),
    patient=st.sampled_from(("ada", "bob", *PATIENTS)),
    is_hold=st.booleans(),
    key=st.sampled_from((None, None, "k1", "k2", "k3", "k4")),
    changes=st.none() | st.integers(0, 3),
    transition=st.integers(0, len(TRANSITIONS) - 1),
    versions=st.sampled_from((None, None, (1,), (2,), (1, 2), ())),
    payload=st.integers(0, 1),
)
ROUNDS = st.lists(st.lists(WISHES, min_size=2, max_size=8), min_size=2, max_size=4)


def in_order(wishes: Sequence[Wish]) -> list[Wish]:
    """Without second uses of a key or of a patient's holds, and as a statement for many writes it.

    Those would go with the next statement, and who comes first there is not ours to say.
    """
    kept: list[Wish] = []
    seen: set[object] = set()
    for wish in wishes:
        marks: set[object] = {("visit", wish.changes)} if wish.changes is not None else set()
        if wish.changes is None and wish.is_hold:
            marks.add(("hold", wish.brand_id, wish.patient))
        if wish.key is not None:
            marks.add(("key", wish.key))
        if not marks & seen:
            kept.append(wish)
            seen |= marks
    return sorted(
        kept, key=lambda wish: (wish.brand_id, wish.patient) if wish.is_hold else ("", "")
    )


class Side:
    """People, times and calls of one of two worlds that are the same but for their ids."""

    def __init__(self, name: str, database: Database) -> None:
        self.name, self.database = name, database
        self.visits: list[str] = []

    def named(self, name: str) -> str:
        return f"{self.name}-{name}"

    def populate(self, connection: "psycopg.Connection[Any]") -> None:
        """Two providers, one of whom works for both brands, and some of their time."""
        for provider, brands in (("own", (LOOP,)), ("both", (LOOP, LOOPBIO))):
            connection.execute(
                "INSERT INTO booking.provider (provider_id, brand_id, kind)"
                " VALUES (%s, 'loop', 'clinician')",
                (self.named(provider),),
            )
            for brand_id in brands:
                connection.execute(
                    "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
                    " SELECT %s, provider_no, 'N.' FROM booking.provider WHERE provider_id = %s",
                    (brand_id, self.named(provider)),
                )
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for slot, provider, brand_id, hours in (
            ("nine", "own", LOOP, 0.0),
            ("overlaps", "own", LOOP, 0.25),
            ("ten", "own", LOOP, 1),
            ("shared", "both", LOOP, 0.0),
            ("foreign", "both", LOOPBIO, 0.25),
            ("later", "both", LOOP, 2),
            ("past", "own", LOOP, -48),
        ):
            starts_at = tomorrow + timedelta(hours=hours)
            connection.execute(
                "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
                " SELECT %s, %s, provider_no, %s, %s FROM booking.provider WHERE provider_id = %s",
                (
                    self.named(slot),
                    brand_id,
                    starts_at,
                    starts_at + timedelta(minutes=30),
                    self.named(provider),
                ),
            )
        for patient, brand_id in (("ada", LOOP), ("bob", LOOP), ("eve", LOOPBIO)):
            connection.execute(
                "INSERT INTO booking.patient (brand_id, patient_id) VALUES (%s, %s)",
                (brand_id, self.named(patient)),
            )

    def call(self, wish: Wish) -> Call:
        route = "POST /change" if wish.changes is not None else "POST /take"
        key = wish.key and IdempotencyKey(
            key=wish.key, route=route, fingerprint=bytes([wish.payload])
        )
        caller = Caller(
            role=Role.STAFF,
            subject=self.name,
            brand_id=wish.brand_id,
            scopes=frozenset({"manage:visits"}),
        )
        return Call(caller=caller, brand_id=wish.brand_id, request_id="req_1", key=key or None)

    async def make(self, wish: Wish) -> object:
        """What comes of the wish, in words that both sides share."""
        try:
            visit = await self._visit_of(wish)
        except BookwellError as refusal:
            # What is open near a time depends on who else of the company was first.
            facts = {
                name: str(fact) for name, fact in refusal.facts.items() if name != "nearest_slots"
            }
            return self._shared([type(refusal).__name__, facts, refusal.is_replay])
        except Replayed as replayed:
            answer = msgspec.json.decode(replayed.answer)
            return self._shared(["replayed", answer["slot_id"], answer["status"]])
        return visit

    async def _visit_of(self, wish: Wish) -> Visit:
        if wish.changes is None:
            wanted = Wanted(
                patient_id=self.named(wish.patient),
                slot_id=self.named(wish.slot),
                visit_type="follow_up",
                terms=HoldTerms(length=timedelta(minutes=5), holds_max=1) if wish.is_hold else None,
            )
            return await take_slot(self.database, self.call(wish), wanted)
        visit_id = self.visits[wish.changes] if wish.changes < len(self.visits) else "vis_none"
        change = Change(
            visit_id=visit_id, transition=TRANSITIONS[wish.transition], versions=wish.versions
        )
        return await change_visit(self.database, self.call(wish), change)

    def heard(self, outcomes: Sequence[object], wishes: Sequence[Wish]) -> list[object]:
        """The outcomes in shared words; visits that came to be are remembered for later wishes."""
        said: list[object] = []
        for outcome, wish in zip(outcomes, wishes, strict=True):
            if not isinstance(outcome, Visit):
                said.append(outcome)
                continue
            if wish.changes is None:
                self.visits.append(outcome.visit_id)
            said.append(
                self._shared([outcome.slot_id, outcome.patient_id, outcome.status, outcome.version])
            )
        return said

    def _shared(self, value: object) -> object:
        return repr(value).replace(f"{self.name}-", "")

    def books(self, connection: "psycopg.Connection[Any]") -> list[list[tuple[object, ...]]]:
        """What is written, in shared words."""
        values = {"name": f"{self.name}-", "mine": f"{self.name}-%", "who": self.name}
        return [connection.execute(each.encode(), values).fetchall() for each in BOOKS]


@pytest.fixture(scope="module")
def url(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    with clone(server, template) as url:
        populate(url)
        yield url


_numbers = count()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS)
def test_calls_written_together_come_to_what_they_come_to_one_after_the_other(
    url: str, rounds: list[list[Wish]]
) -> None:
    number = next(_numbers)

    async def play() -> None:
        database = await Database.connect(url, pool_size=12)
        together, one_by_one = (Side(f"{side}{number}", database) for side in "tb")
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                for side in (together, one_by_one):
                    side.populate(connection)
                for wishes in map(in_order, rounds):
                    takes = [wish for wish in wishes if wish.changes is None]
                    changes = [wish for wish in wishes if wish.changes is not None]
                    for company in (takes, changes):
                        one = [await one_by_one.make(wish) for wish in company]
                        many = await in_company(together, company)
                        assert together.heard(many, company) == one_by_one.heard(one, company)
                assert together.books(connection) == one_by_one.books(connection)
        finally:
            await database.close()

    asyncio.run(play())


async def in_company(side: Side, wishes: Sequence[Wish]) -> list[object]:
    """What comes of them when they arrive while something else is being written."""
    something = Wish(LOOP, "nowhere", "nobody", False, None, None, 0, None, 0)
    if wishes and wishes[0].changes is not None:
        something = replace(something, changes=99)
    _, *outcomes = await asyncio.gather(*map(side.make, (something, *wishes)))
    return outcomes


async def test_alone_is_written_by_the_one_row_statement_and_company_by_the_other(
    url: str,
) -> None:
    database = await Database.connect(url, pool_size=1)
    side = Side(f"s{next(_numbers)}", database)
    with psycopg.connect(url, autocommit=True) as connection:
        side.populate(connection)
    book = Wish(LOOP, "nine", "ada", False, None, None, 0, None, 0)
    others = [Wish(LOOP, slot, "bob", False, None, None, 0, None, 0) for slot in ("ten", "shared")]

    async def last_statement() -> str:
        async with database.reading() as connection:
            return str(
                await connection.fetchval(
                    "SELECT string_agg(name, ' ' ORDER BY name) FROM (SELECT CASE WHEN statement"
                    " LIKE '%jsonb_to_recordset%' THEN 'many' ELSE 'one' END AS name"
                    " FROM pg_prepared_statements WHERE statement = ANY ($1)) AS s",
                    [STATEMENTS[name].sql for name in ("take_slot", "take_slots")],
                )
            )

    await side.make(book)
    alone = await last_statement()
    await asyncio.gather(*(side.make(each) for each in (book, *others)))
    together = await last_statement()
    await database.close()

    assert (alone, together) == ("one", "many one")


async def test_two_services_that_hold_for_the_same_patients_wait_for_each_other_and_never_both(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed: list[BookwellError] = []

    def is_of_one_row(error: BookwellError) -> bool:
        crossed.append(error)
        return True

    monkeypatch.setattr(group_commit, "is_of_one_row", is_of_one_row)
    name = f"d{next(_numbers)}"
    databases = [await Database.connect(url, pool_size=4) for _ in range(2)]
    ours, theirs = (Side(name, database) for database in databases)
    hold = Wish(LOOP, "nine", "ada", True, None, None, 0, None, 0)
    with psycopg.connect(url, autocommit=True) as connection:
        ours.populate(connection)
        connection.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER dawdle BEFORE INSERT ON booking.visit"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
        await asyncio.gather(
            in_company(ours, [hold, replace(hold, slot="ten", patient="bob")]),
            in_company(
                theirs,
                [replace(hold, slot="later", patient="bob"), replace(hold, slot="shared")],
            ),
        )
        connection.execute("DROP FUNCTION dawdle CASCADE")
        held = [str(row[1]) for row in ours.books(connection)[0]]
    for database in databases:
        await database.close()

    assert sorted(held) == ["ada", "bob"]
    assert crossed == []
