"""`bookwell slots import`: a file of times, all of it or nothing."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bookwell.domain.events import SlotCreated, data_of
from bookwell.usecases import slot_import
from commands import Bookwell, Said
from importing import counted
from world import LOOP, LOOPBIO, World

DAY = datetime(2031, 5, 6, 9, tzinfo=UTC)
HEADER = "provider_id,start_time,end_time"
COUNTS = ("imported", "already there", "refused")


def line(number: int, provider_id: str = "prv_kim", minutes: int = 30) -> str:
    """The number-th half hour of the day, as a line of the file."""
    start = DAY + number * timedelta(minutes=30)
    return f"{provider_id},{start.isoformat()},{(start + timedelta(minutes=minutes)).isoformat()}"


class Importer:
    """Runs the command for loop or another brand."""

    def __init__(self, bookwell: Bookwell, world: World, folder: Path) -> None:
        self._bookwell = bookwell
        self._world = world
        self._file = folder / "times.csv"

    def __call__(self, *lines: str, brand: str = LOOP, header: str = HEADER) -> Said:
        self._file.write_text("\n".join((header, *lines, "")), encoding="utf-8")
        return self.run(str(self._file), brand=brand)

    def run(self, file: str, *, brand: str = LOOP) -> Said:
        options = ["--brand", brand, "--database-url", self._world.database_url]
        return self._bookwell("slots", "import", file, *options)


@pytest.fixture
def import_times(bookwell: Bookwell, world: World, tmp_path: Path) -> Importer:
    return Importer(bookwell, world, tmp_path)


def counts(said: Said) -> tuple[int, ...]:
    """Imported, already there, refused."""
    told = [row for row in said.out.splitlines() if row.startswith(COUNTS)]
    assert [row.rpartition(" ")[0].strip() for row in told] == list(COUNTS), said
    return tuple(int(row.rpartition(" ")[2].replace(",", "")) for row in told)


def refusals(said: Said) -> list[str]:
    return [row for row in said.out.splitlines() if row.startswith("line ")]


def slots_of(world: World, provider_id: str) -> list[datetime]:
    rows = world.sql(
        "SELECT starts_at FROM booking.slot JOIN booking.provider USING (provider_no)"
        " WHERE provider_id = %s AND deleted_at IS NULL ORDER BY starts_at",
        provider_id,
    )
    return [starts_at for (starts_at,) in rows if isinstance(starts_at, datetime)]


def half_hours(numbers: Iterable[int]) -> list[datetime]:
    return [DAY + number * timedelta(minutes=30) for number in numbers]


def test_the_times_of_a_file_are_offered_whosever_they_are(
    import_times: Importer, world: World
) -> None:
    said = import_times(line(2), line(0), line(0, "prv_both"), line(1))

    assert (said.code, counts(said), said.err) == (0, (4, 0, 0), "")
    assert slots_of(world, "prv_kim") == half_hours(range(3))
    assert slots_of(world, "prv_both") == half_hours([0])
    assert world.sql("SELECT DISTINCT brand_id FROM booking.slot") == [(LOOP,)]


def test_each_slot_leaves_its_event_and_its_audit_row(import_times: Importer, world: World) -> None:
    import_times(line(0), line(1, "prv_both"))

    rows = world.sql(
        "SELECT slot_id, provider_id, e.data, e.sequence, a.event_type, a.actor_type, a.brand_id"
        " FROM booking.slot AS s JOIN booking.provider AS p USING (provider_no)"
        " JOIN booking.event AS e ON e.entity_id = slot_id"
        " JOIN booking.audit AS a ON a.entity_id = slot_id ORDER BY s.starts_at"
    )

    assert [row[1] for row in rows] == ["prv_kim", "prv_both"]
    for slot_id, provider_id, data, *journal in rows:
        fact = msgspec.convert(data, SlotCreated)
        assert data_of(fact) == data
        assert (fact.slot_id, fact.provider_id, fact.brand_id) == (slot_id, provider_id, LOOP)
        assert journal == [1, "slot.created", "system", LOOP]
    assert world.sql("SELECT count(*) FROM booking.event") == [(2,)]


def test_a_single_refused_line_and_nothing_is_imported(
    import_times: Importer, world: World
) -> None:
    before = counted(world)

    said = import_times(line(0), line(1, "prv_nobody"), line(2))

    assert said.code == 1
    assert counts(said) == (0, 0, 1)
    assert refusals(said) == [
        "line 3, provider_id: provider_id is no clinician of the brand.",
    ]
    assert counted(world) == before


@pytest.mark.parametrize(
    ("bad", "column", "why"),
    [
        (line(0, "prv_nobody"), "provider_id", "is no clinician of the brand"),
        (line(0, "prv_sam"), "provider_id", "is no clinician of the brand"),
        (line(0, "coach_jo"), "provider_id", "is no clinician of the brand"),
        (line(0, ""), "provider_id", "must be 1 to 128 visible characters"),
        (line(0, minutes=0), "end_time", "must be after start_time"),
        (line(0, minutes=24 * 60 + 1), "end_time", "lasts 24 hours at most"),
        ("prv_kim,2020-01-01T09:00:00Z,2020-01-01T10:00:00Z", "start_time", "not be in the past"),
        ("prv_kim,2031-01-01T09:00:00,2031-01-01T10:00:00Z", "start_time", "with an offset"),
        ("prv_kim,2031-01-01T09:00:00Z,", "end_time", "must be an instant"),
        ("prv_kim,2031-01-01T09:00:00Z,2231-01-01T09:00:00Z", "end_time", "lie in 1900 to 2199"),
    ],
)
def test_a_refusal_names_the_line_the_column_and_the_reason(
    import_times: Importer, bad: str, column: str, why: str
) -> None:
    said = import_times(line(5), bad)

    (told,) = refusals(said)
    assert told.startswith(f"line 3, {column}: ")
    assert why in told
    assert said.code == 1


def test_a_line_that_is_no_row_is_refused_by_its_number(import_times: Importer) -> None:
    said = import_times(line(0), "prv_kim,2031-01-01T09:00:00Z", 'prv_kim,"2031', line(1))

    assert [told.partition(":")[0] for told in refusals(said)] == ["line 3", "line 4"]
    assert said.code == 1


def test_every_refused_line_is_told_of_in_its_order_beyond_one_batch(
    import_times: Importer, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    monkeypatch.setattr(slot_import, "BATCH_SLOTS", 7)
    bad = {n for n in range(60) if n % 9 == 4}

    said = import_times(*(line(n, "prv_nobody" if n in bad else "prv_kim") for n in range(60)))

    assert [told.split(",")[0] for told in refusals(said)] == [f"line {n + 2}" for n in sorted(bad)]
    assert counts(said) == (0, 0, len(bad))
    assert slots_of(world, "prv_kim") == []


def test_the_same_file_again_adds_nothing_and_says_so(import_times: Importer, world: World) -> None:
    lines = [line(n) for n in range(20)]
    import_times(*lines)
    before = counted(world)

    again = import_times(*lines)
    longer = import_times(*lines, line(20))

    assert (again.code, counts(again)) == (0, (0, 20, 0))
    assert (longer.code, counts(longer)) == (0, (1, 20, 0))
    assert counted(world) == {
        table: number + (table in {"slot", "event", "audit"}) for table, number in before.items()
    }


@pytest.mark.parametrize("batch", [2, 5_000])
def test_a_time_that_stands_in_the_file_twice_is_offered_once(
    import_times: Importer, world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_import, "BATCH_SLOTS", batch)

    said = import_times(line(0), line(0), line(1), line(0), line(0, minutes=60))

    assert counts(said) == (3, 2, 0)
    assert slots_of(world, "prv_kim") == half_hours([0, 0, 1])


def test_a_time_that_was_taken_back_stays_away(import_times: Importer, world: World) -> None:
    import_times(line(0), line(1))
    world.sql("UPDATE booking.slot SET deleted_at = now() WHERE starts_at = %s", DAY)

    again = import_times(line(0), line(1))

    assert counts(again) == (0, 2, 0)
    assert slots_of(world, "prv_kim") == half_hours([1])


def test_a_time_that_is_offered_for_another_brand_is_another_offer(
    import_times: Importer, world: World
) -> None:
    for brand in (LOOP, LOOPBIO):
        said = import_times(line(0, "prv_both"), brand=brand)
        assert counts(said) == (1, 0, 0)

    assert slots_of(world, "prv_both") == half_hours([0, 0])


def test_what_fails_in_the_last_batch_undoes_the_first(
    import_times: Importer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_import, "BATCH_SLOTS", 5)
    before = counted(world)
    # As the database would refuse it, behind the back of every check.
    world.sql(
        "ALTER TABLE booking.slot ADD CONSTRAINT not_so_late CHECK (starts_at < %s)".replace(
            "%s", f"'{DAY + timedelta(hours=9)}'"
        )
    )

    said = import_times(*(line(n) for n in range(20)))

    assert said.code != 0
    assert counts(said) == (0, 0, 0)
    assert "stopped after line 21" in said.out
    assert counted(world) == before


def test_a_file_with_more_than_may_be_imported_at_once_is_refused_whole(
    import_times: Importer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_import, "SLOTS_MAX", 10)
    monkeypatch.setattr(slot_import, "BATCH_SLOTS", 4)

    at_the_limit = import_times(*(line(n) for n in range(10)))
    beyond = import_times(*(line(n) for n in range(10, 21)))

    assert (at_the_limit.code, counts(at_the_limit)) == (0, (10, 0, 0))
    assert beyond.code == 2
    assert beyond.err == "bookwell: A file holds 10 slots at most; split it.\n"
    assert len(slots_of(world, "prv_kim")) == 10


def test_a_file_may_have_other_columns_in_any_order(import_times: Importer, world: World) -> None:
    provider_id, start, end = line(0).split(",")

    said = import_times(f"{end},North,{provider_id},{start}", header="end_time,room," + HEADER[:22])

    assert counts(said) == (1, 0, 0)
    assert slots_of(world, "prv_kim") == half_hours([0])


def test_a_file_without_one_of_the_columns_is_refused(import_times: Importer) -> None:
    said = import_times(line(0), header="provider_id,start_time,until")

    assert said.code == 2
    assert said.err.endswith("times.csv has no column end_time.\n")


def test_a_file_without_lines_imports_nothing(import_times: Importer) -> None:
    said = import_times()

    assert (said.code, counts(said)) == (0, (0, 0, 0))


def test_a_brand_that_is_not_there_is_named(import_times: Importer) -> None:
    said = import_times(line(0), brand="never")

    assert said.code == 2
    assert "There is no brand never" in said.err


def test_a_file_that_is_not_there_is_named(import_times: Importer) -> None:
    said = import_times.run("/nowhere/times.csv")

    assert said.code == 2
    assert said.err == "bookwell: /nowhere/times.csv: No such file or directory.\n"


def test_times_come_from_standard_input_too(
    import_times: Importer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join((HEADER, line(0), line(1), ""))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    said = import_times.run("-")

    assert counts(said) == (2, 0, 0)
    assert slots_of(world, "prv_kim") == half_hours([0, 1])
