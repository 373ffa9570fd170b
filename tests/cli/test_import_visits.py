import asyncio
import io
import os
import pty
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from books import is_whole
from bookwell.domain.events import EVENTS
from clinic_book import book_of, entries, entry, text_of, times
from commands import PATIENCE_SECONDS, environment_of
from importing import Import, counted, importer, statuses
from world import LOOP, LOOPBIO, World, headers


@pytest.fixture
def import_book(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    return importer(world, tmp_path, capsys)


def test_a_clinic_day_is_imported_whole(import_book: Import, world: World) -> None:
    before = counted(world)

    done = import_book(*entries(600))

    assert (done.code, done.counts, done.err) == (0, (600, 0, 0), "")
    after = counted(world)
    assert after["visit"] == after["slot"] == 600
    assert after["provider"] == before["provider"] + 24
    assert after["patient"] == before["patient"] + 540
    assert Counter(statuses(world).values()) == {"completed": 480, "no_show": 120}
    assert is_whole(world)


def test_a_second_import_adds_nothing(import_book: Import, world: World) -> None:
    import_book(*entries(300))
    before = counted(world)

    again = import_book(*entries(300))

    assert (again.code, again.counts) == (0, (0, 300, 0))
    assert counted(world) == before


def test_a_longer_book_adds_what_is_new_and_leaves_what_was_moved_or_cancelled_since(
    import_book: Import, world: World
) -> None:
    import_book(entry(external_id="apt-1", outcome="booked"))
    world.sql("UPDATE booking.visit SET status = 'cancelled', cancelled_at = now(), version = 2")

    done = import_book(entry(external_id="apt-1", outcome="completed"), entry(external_id="apt-2"))

    assert done.counts == (1, 1, 0)
    assert statuses(world) == {"apt-1": "cancelled", "apt-2": "completed"}


def test_a_line_is_a_visit_on_a_slot_of_its_own(import_book: Import, world: World) -> None:
    import_book(entry())

    [row] = world.sql(
        "SELECT v.brand_id, v.patient_id, p.provider_id, v.visit_type, v.status, v.version,"
        " v.external_id, v.reason, v.notes, v.cancelled_at, v.cancel_reason,"
        " v.created_at, v.updated_at, s.created_at, v.starts_at, v.ends_at, s.starts_at, s.ends_at,"
        " s.brand_id, s.provider_no = v.provider_no, s.deleted_at"
        " FROM booking.visit AS v JOIN booking.slot AS s USING (slot_id)"
        " JOIN booking.provider AS p ON p.provider_no = v.provider_no"
    )

    booked_at = datetime(2016, 1, 5, 11, 53, 44, tzinfo=UTC)
    start, end = datetime(2016, 4, 29, 11, tzinfo=UTC), datetime(2016, 4, 29, 11, 20, tzinfo=UTC)
    assert row == (
        *("loop", "pat-1", "monte-belo-1", "outpatient", "completed", 1),
        *("apt-1", None, None, None, None),
        *(booked_at, booked_at, booked_at, start, end, start, end),
        *("loop", True, None),
    )


def test_each_outcome_is_a_status_and_a_past_visit_without_one_stays_booked(
    import_book: Import, world: World
) -> None:
    outcomes = ["", "booked", "Checked_in", "completed", "no_show", "no-show", "CANCELLED"]

    done = import_book(
        *(
            entry(external_id=f"apt-{n}", outcome=outcome, provider_id=f"prv-{n}")
            for n, outcome in enumerate(outcomes)
        )
    )

    assert done.code == 0
    assert [statuses(world)[f"apt-{n}"] for n in range(7)] == [
        *("booked", "booked", "checked_in", "completed", "no_show", "no_show", "cancelled")
    ]


def test_a_cancelled_visit_was_cancelled_when_it_was_booked_and_without_that_now(
    import_book: Import, world: World
) -> None:
    import_book(
        entry(external_id="dated", outcome="cancelled"),
        entry(external_id="undated", outcome="cancelled", booked_at=""),
    )

    rows = world.sql(
        "SELECT external_id, cancelled_at = created_at, updated_at = created_at, created_at"
        " FROM booking.visit ORDER BY external_id"
    )

    assert [row[:3] for row in rows] == [("dated", True, True), ("undated", True, True)]
    assert rows[0][3] == datetime(2016, 1, 5, 11, 53, 44, tzinfo=UTC)
    assert abs(rows[1][3] - datetime.now(UTC)) < timedelta(minutes=1)  # type: ignore[operator]  # an instant


def test_people_who_are_known_stay_who_they_are(import_book: Import, world: World) -> None:
    before = counted(world)
    people = "SELECT * FROM booking.patient, booking.provider, booking.affiliation ORDER BY 2, 6, 9"
    who = world.sql(people)

    done = import_book(entry(patient_id="pat_ada", provider_id="prv_kim"))

    assert done.code == 0
    assert world.sql(people) == who
    assert counted(world)["patient"] == before["patient"]


def test_two_brands_may_use_one_external_id_and_one_patient_id(
    import_book: Import, world: World
) -> None:
    one = import_book(entry(provider_id="prv_kim"))
    other = import_book(entry(provider_id="prv_sam"), brand=LOOPBIO)

    assert (one.counts, other.counts) == ((1, 0, 0), (1, 0, 0))
    assert counted(world)["visit"] == 2


def test_an_external_id_that_stands_twice_is_imported_once(
    import_book: Import, world: World
) -> None:
    done = import_book(
        entry(external_id="apt-1", outcome="completed"),
        entry(external_id="apt-2"),
        entry(external_id="apt-1", outcome="no_show"),
        entry(external_id="apt-1", outcome="no_show"),
    )

    assert (done.code, done.counts) == (0, (2, 2, 0))
    assert statuses(world)["apt-1"] == "completed"


def test_every_visit_and_slot_leaves_as_an_event_that_says_what_the_code_says(
    import_book: Import, world: World
) -> None:
    import_book(entry(booked_at="2016-01-05T11:53:44.25Z", outcome="no_show"))

    [(visit_id, slot_id)] = world.sql("SELECT visit_id, slot_id FROM booking.visit")
    events = world.sql(
        "SELECT event_type, entity_id, sequence, brand_id, data FROM booking.event ORDER BY event_no"
    )
    assert [event[:4] for event in events] == [
        ("booking.slot.created.v1", slot_id, 1, LOOP),
        ("booking.visit.imported.v1", visit_id, 1, LOOP),
    ]
    both = {
        "provider_id": "monte-belo-1",
        "brand_id": LOOP,
        "slot_start": "2016-04-29T11:00:00Z",
        "slot_end": "2016-04-29T11:20:00Z",
        "created_at": "2016-01-05T11:53:44.250000Z",
    }
    visit = {"visit_id": visit_id, "patient_id": "pat-1", "visit_type": "outpatient"}
    assert events[0][4] == both | {"slot_id": slot_id}
    assert events[1][4] == both | visit | {"status": "no_show"}
    for event_type, *_, data in events:
        fact = EVENTS[str(event_type)]
        assert set(msgspec.to_builtins(msgspec.convert(data, fact))) == set(data)  # type: ignore[call-overload]  # an object


def test_every_change_is_audited_as_the_operators(import_book: Import, world: World) -> None:
    import_book(entry())

    [(visit_id, slot_id)] = world.sql("SELECT visit_id, slot_id FROM booking.visit")
    rows = world.sql(
        "SELECT event_type, entity_type, entity_id, brand_id, details, actor_type, actor_id,"
        " actor_brand_id, request_id FROM booking.audit ORDER BY id"
    )
    assert [row[:5] for row in rows] == [
        ("provider.created", "provider", "monte-belo-1", LOOP, {"kind": "clinician"}),
        ("patient.created", "patient", "pat-1", LOOP, {}),
        ("slot.created", "slot", slot_id, LOOP, {}),
        ("visit.imported", "visit", visit_id, LOOP, {"slot_id": slot_id, "status": "completed", "version": 1}),
    ]  # fmt: skip
    assert {row[5] for row in rows} == {"system"}
    assert {row[7] for row in rows} == {None}
    assert all(str(row[6]).startswith("cli:") for row in rows)
    assert len({row[8] for row in rows}) == 1


async def test_the_book_stands_on_the_pages_of_the_list_newest_first(
    api: httpx.AsyncClient, import_book: Import, world: World
) -> None:
    book = list(entries(350))
    await asyncio.to_thread(import_book, *book)

    visits, sizes = [], []
    query: dict[str, str] = {"brand_id": LOOP, "limit": "100"}
    while True:
        page = (await api.get("/v1/visits", params=query, headers=headers(world.staff))).json()
        visits += page["visits"]
        sizes.append(len(page["visits"]))
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]

    assert sizes == [100, 100, 100, 50]
    keys = [(visit["start_time"], visit["id"]) for visit in visits]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 350
    names = ("patient_id", "provider_id", "visit_type", "status")
    said = Counter(
        (*(visit[name] for name in names), *instants(visit, "created_at")) for visit in visits
    )
    wrote = Counter(
        (*(cells[name] for name in (*names[:3], "outcome")), *instants(cells, "booked_at"))
        for cells in book
    )
    assert said == wrote


def instants(cells: dict[str, str], created: str) -> list[datetime]:
    return [datetime.fromisoformat(cells[name]) for name in (created, "start_time", "end_time")]


async def test_an_imported_visit_lives_on_like_any_other(
    api: httpx.AsyncClient, import_book: Import, world: World
) -> None:
    at_ten = world.at(10)
    await asyncio.to_thread(
        import_book,
        entry(patient_id="pat_ada", provider_id="prv_kim", outcome="booked", **times(at_ten)),
    )
    staff = headers(world.staff)
    [visit] = (await api.get("/v1/visits", params={"brand_id": LOOP}, headers=staff)).json()["visits"]  # fmt: skip

    cancelled = await api.post(f"/v1/visits/{visit['id']}/cancel", headers=headers(world.patient))
    again = await api.post("/v1/visits", json=world.book(visit["slot_id"]), headers=staff)

    assert (cancelled.status_code, cancelled.json()["version"]) == (200, 2)
    assert again.status_code == 201
    assert is_whole(world)


def test_a_book_may_come_from_a_pipe(import_book: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(text_of(entries(30)).encode()))
    monkeypatch.setattr(sys, "stdin", pipe)

    done = import_book(file="-")

    assert (done.code, done.counts) == (0, (30, 0, 0))


def test_a_bar_shows_on_a_terminal_how_far_it_is(world: World, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bookwell", "import", "visits", "--brand", LOOP]
    book = book_of(tmp_path, *entries(700))

    ended = subprocess.run(
        [*command, str(book)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment_of(BOOKWELL_DATABASE_URL=world.database_url, TERM="xterm"),
        timeout=PATIENCE_SECONDS,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)

    assert "700 imported, 0 refused" in shown
    assert "100%" in shown
    assert b"\x1b" not in ended.stdout


def test_a_header_alone_imports_nothing_and_is_no_mistake(import_book: Import) -> None:
    done = import_book()

    assert (done.code, done.counts) == (0, (0, 0, 0))
