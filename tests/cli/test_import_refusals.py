import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from books import overlapping_visits
from bookwell.cli.program import run
from clinic_book import HEADER, entries, entry, times
from importing import Import, counted, importer, statuses
from world import LOOP, LOOPBIO, World


@pytest.fixture
def import_book(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    return importer(world, tmp_path, capsys)


def test_a_refused_line_never_stops_its_neighbours_and_is_told_by_number_and_cause(
    import_book: Import, world: World
) -> None:
    done = import_book(
        entry(external_id="apt-1"),
        entry(external_id="apt-2", outcome="vanished"),
        entry(external_id="apt-3", start_time="08:00"),
        entry(external_id="apt 4"),
        entry(external_id="apt-5"),
    )

    assert done.code == 1
    assert done.counts == (2, 0, 3)
    assert [line.split(":")[0] for line in done.refusals] == [
        "line 3 (apt-2)",
        "line 4 (apt-3)",
        "line 5",
    ]
    assert "outcome must be empty or one of" in done.refusals[0]
    assert "start_time must be an instant" in done.refusals[1]
    assert "external_id must be 1 to 128 visible characters" in done.refusals[2]
    assert set(statuses(world)) == {"apt-1", "apt-5"}


def test_a_thousand_refusals_are_all_told(import_book: Import) -> None:
    done = import_book(
        *(entry(external_id=f"apt-{n}", outcome="?" if n % 2 else "") for n in range(2_000)),
    )

    refused = [line for line in done.refusals if "outcome" in line]
    assert [line.split(" ")[2] for line in refused] == [f"(apt-{n}):" for n in range(1, 2_000, 2)]


def test_a_person_of_another_brand_is_refused_until_somebody_says_they_are_the_same(
    import_book: Import, world: World
) -> None:
    book = [entry(external_id="apt-1", provider_id="prv_sam"), entry(external_id="apt-2")]

    first = import_book(*book)
    name = ["--name", "Sam", "--database-url", world.database_url]
    added = run(["provider", "add", "prv_sam", "--brand", LOOP, *name])
    second = import_book(*book)

    assert (first.code, first.counts) == (1, (1, 0, 1))
    assert "another brand" in first.refusals[0]
    assert "bookwell provider add" in first.refusals[0]
    assert added == 0
    assert (second.code, second.counts) == (0, (1, 1, 0))


def test_a_refused_persons_affiliations_stay_as_they_were(
    import_book: Import, world: World
) -> None:
    before = counted(world)

    import_book(entry(provider_id="prv_sam"))

    assert counted(world) == before


def test_a_coach_has_no_visits(import_book: Import) -> None:
    done = import_book(
        entry(external_id="apt-1", provider_id="coach_jo"),
        entry(external_id="apt-2", provider_id="coach_max"),
    )

    assert done.counts == (0, 0, 2)
    assert all("coach's" in line for line in done.refusals)


def test_a_booked_visit_that_overlaps_another_of_the_provider_is_refused(
    import_book: Import, world: World
) -> None:
    at_ten = datetime(2030, 5, 6, 10, tzinfo=UTC)
    half = timedelta(minutes=30)
    both = {"provider_id": "prv_both"}
    first = import_book(entry(external_id="first", provider_id="prv_both", outcome="booked", **times(at_ten)), brand=LOOPBIO)  # fmt: skip

    done = import_book(
        entry(external_id="before", outcome="booked", **both, **times(at_ten - half)),
        entry(external_id="over", outcome="", **both, **times(at_ten + half / 2)),
        entry(external_id="over-2", outcome="checked_in", **both, **times(at_ten)),
        entry(external_id="after", outcome="booked", **both, **times(at_ten + half)),
        entry(external_id="other", outcome="booked", provider_id="prv_kim", **times(at_ten)),
    )

    assert first.code == 0
    assert (done.code, done.counts) == (1, (3, 0, 2))
    assert done.refusals == [
        "line 3 (over): The time overlaps another visit of this provider.",
        "line 4 (over-2): The time overlaps another visit of this provider.",
    ]
    assert overlapping_visits(world) == []


def test_of_two_lines_that_overlap_the_first_goes_in(import_book: Import, world: World) -> None:
    at_ten = datetime(2030, 5, 6, 10, tzinfo=UTC)

    done = import_book(
        *(entry(external_id=f"apt-{n}", outcome="booked", **times(at_ten)) for n in range(5))
    )

    assert done.counts == (1, 0, 4)
    assert statuses(world) == {"apt-0": "booked"}


def test_history_may_overlap_and_takes_nobodys_time(import_book: Import) -> None:
    past = ("completed", "no_show", "cancelled")

    done = import_book(
        *(entry(external_id=outcome, outcome=outcome) for outcome in past),
        entry(external_id="booked", outcome="booked"),
    )

    assert (done.code, done.counts) == (0, (4, 0, 0))


def test_nobody_is_added_for_a_line_that_is_refused(import_book: Import, world: World) -> None:
    at_ten = datetime(2030, 5, 6, 10, tzinfo=UTC)
    import_book(entry(external_id="apt-1", patient_id="pat-1", outcome="", **times(at_ten)))
    before = counted(world)

    import_book(
        entry(external_id="apt-2", patient_id="pat-new", outcome="", **times(at_ten)),
        entry(external_id="apt-3", patient_id="pat-newer", outcome="?", provider_id="new"),
    )

    assert counted(world) == before


def test_a_line_gets_its_own_try_when_its_twin_was_refused(
    import_book: Import, world: World
) -> None:
    done = import_book(
        entry(external_id="apt-1", provider_id="prv_sam"),
        entry(external_id="apt-1", provider_id="coach_jo"),
        entry(external_id="apt-1", provider_id="prv_kim"),
        entry(external_id="apt-1", provider_id="prv_kim"),
    )

    assert done.counts == (1, 1, 2)
    assert [line.split(":")[0] for line in done.refusals] == ["line 2 (apt-1)", "line 3 (apt-1)"]
    assert statuses(world) == {"apt-1": "completed"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "No such file or directory."),
        ("", "is empty: it has no header."),
        ("external_id,outcome\n", "has no column patient_id, provider_id,"),
        (",".join(HEADER).replace("outcome", "result"), "has no column outcome."),
        ("caf\xe9,", "The line is not UTF-8."),
    ],
)
def test_a_file_that_is_no_book_is_one_sentence_and_exit_2(
    text: str | None, sentence: str, import_book: Import, tmp_path: Path
) -> None:
    file = tmp_path / "book.csv"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))

    done = import_book(file=str(file))

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"bookwell: {file}")
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_a_brand_that_is_none_is_one_sentence_and_exit_2(import_book: Import, world: World) -> None:
    before = counted(world)

    done = import_book(*entries(3), brand="nowhere")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "bookwell: There is no brand nowhere; `bookwell brand list` shows those there are.\n"
    )
    assert counted(world) == before


def test_no_patient_is_named_in_what_is_said_or_audited_of_a_visit(
    import_book: Import, world: World
) -> None:
    at_ten = datetime(2030, 5, 6, 10, tzinfo=UTC)
    canary = "canary-7f3a"

    done = import_book(
        entry(external_id="a", patient_id=canary, outcome="", unit=canary, **times(at_ten)),
        entry(external_id="b", patient_id=canary, outcome="", **times(at_ten)),
        entry(external_id="c", patient_id=f"{canary} x", visit_type=canary),
        entry(external_id="d", patient_id=canary, start_time=canary),
        entry(external_id="e", patient_id=canary, outcome=canary),
    )

    assert done.counts == (1, 0, 4)
    assert canary not in done.out + done.err
    audited = world.sql("SELECT to_jsonb(a) FROM booking.audit AS a WHERE entity_type <> 'patient'")
    assert canary not in json.dumps(audited)


def test_a_hostile_id_writes_nothing_to_the_terminal(import_book: Import) -> None:
    done = import_book(
        entry(external_id="\x1b]0;owned\x07"), entry(external_id="[red]", outcome="?")
    )

    assert "\x1b" not in done.out
    assert "line 3 ([red]): " in done.out
