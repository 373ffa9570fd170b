from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain import lines
from bookwell.domain.imports import COLUMNS, STATUS_OF_OUTCOME, Line, read_row
from bookwell.domain.lines import Refusal, Row
from bookwell.domain.visits import VisitStatus
from bookwell.http import fields
from clinic_book import entry, times

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def read(**cells: str) -> Line | Refusal:
    """The first line after the header, of a visit that took place, with these cells changed."""
    line = entry(**cells)
    return read_row(Row(2, [line[column] for column in COLUMNS]), now=NOW)


def test_a_line_becomes_a_visit_with_aware_instants() -> None:
    line = read()

    assert line == Line(
        number=2,
        external_id="apt-1",
        patient_id="pat-1",
        provider_id="monte-belo-1",
        visit_type="outpatient",
        booked_at=datetime(2016, 1, 5, 11, 53, 44, tzinfo=UTC),
        starts_at=datetime(2016, 4, 29, 11, tzinfo=UTC),
        ends_at=datetime(2016, 4, 29, 11, 20, tzinfo=UTC),
        status=VisitStatus.COMPLETED,
    )


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("", VisitStatus.BOOKED),
        ("booked", VisitStatus.BOOKED),
        ("Checked_In", VisitStatus.CHECKED_IN),
        ("COMPLETED", VisitStatus.COMPLETED),
        ("cancelled", VisitStatus.CANCELLED),
        ("no_show", VisitStatus.NO_SHOW),
        ("no-show", VisitStatus.NO_SHOW),
        ("NoShow", VisitStatus.NO_SHOW),
    ],
)
def test_an_outcome_is_a_status_in_whatever_case(outcome: str, status: VisitStatus) -> None:
    line = read(outcome=outcome)

    assert isinstance(line, Line)
    assert line.status is status


def test_a_hold_is_nothing_that_an_earlier_book_knows() -> None:
    assert set(VisitStatus) - set(STATUS_OF_OUTCOME.values()) == {
        VisitStatus.HELD,
        VisitStatus.EXPIRED,
    }


def test_a_visit_may_have_no_instant_at_which_it_was_booked() -> None:
    line = read(booked_at="")

    assert isinstance(line, Line)
    assert line.booked_at is None


@pytest.mark.parametrize("column", ["external_id", "patient_id", "provider_id"])
@pytest.mark.parametrize(
    "text", ["", " ", "two words", " led", "nul\x00", "line\nbreak", "tab\t", "\x1b[31m", "x" * 129]
)
def test_an_id_that_is_none_is_refused_by_its_column(column: str, text: str) -> None:
    refusal = read(**{column: text})

    assert isinstance(refusal, Refusal)
    assert refusal.why == f"{column} must be 1 to 128 visible characters."


@pytest.mark.parametrize("column", ["external_id", "patient_id", "provider_id", "visit_type"])
@pytest.mark.parametrize("text", ["x" * 128, "ação/7", "[red]", "病人-1"])
def test_an_id_may_be_any_visible_characters(column: str, text: str) -> None:
    assert isinstance(read(**{column: text}), Line)


@pytest.mark.parametrize("column", ["booked_at", "start_time", "end_time"])
@pytest.mark.parametrize(
    "text",
    [
        "2016-04-29T08:00:00",
        "2016-04-29",
        "29/04/2016 08:00",
        "2016-02-30T08:00:00Z",
        "2016-04-29T24:00:00Z",
        "2016-04-29T08:00:00+25:00",
        "1461913200",
        "soon",
        "2016-04-29T08:00:00Z\x00",
        "9" * 10_000,
    ],
)
def test_an_instant_without_an_offset_or_a_date_is_refused_by_its_column(
    column: str, text: str
) -> None:
    refusal = read(**{column: text})

    assert isinstance(refusal, Refusal)
    assert refusal.why.startswith(f"{column} must be an instant with an offset from UTC")


@pytest.mark.parametrize("column", ["start_time", "end_time"])
def test_a_visit_has_a_beginning_and_an_end(column: str) -> None:
    assert isinstance(read(**{column: ""}), Refusal)


@pytest.mark.parametrize("column", ["booked_at", "start_time", "end_time"])
@pytest.mark.parametrize("year", ["0001", "1899", "2200", "9999"])
def test_a_year_in_which_nobody_books_is_refused_by_its_column(column: str, year: str) -> None:
    refusal = read(**{column: f"{year}-06-01T08:00:00Z"})

    assert isinstance(refusal, Refusal)
    assert refusal.why == f"{column} must lie in 1900 to 2199."


@pytest.mark.parametrize(
    ("minutes", "is_read"), [(-20, False), (0, False), (1, True), (1440, True), (1441, False)]
)
def test_a_visit_ends_after_it_starts_and_within_a_day(minutes: int, is_read: bool) -> None:
    found = read(**times(datetime(2016, 4, 29, 8, tzinfo=UTC), minutes))

    assert isinstance(found, Line) == is_read
    if isinstance(found, Refusal):
        assert found.why.startswith("end_time must be ")


@pytest.mark.parametrize("outcome", ["held", "expired", "done", "no show", "completed ", "ß"])
def test_an_unknown_outcome_is_refused_by_its_column(outcome: str) -> None:
    refusal = read(outcome=outcome)

    assert isinstance(refusal, Refusal)
    assert refusal.why.startswith("outcome must be empty or one of booked,")


def test_nobody_books_in_the_future() -> None:
    at_once = read(booked_at=NOW.isoformat())
    later = read(booked_at=(NOW + timedelta(seconds=1)).isoformat())

    assert isinstance(at_once, Line)
    assert isinstance(later, Refusal)
    assert later.why == "booked_at must not lie in the future."


def test_nobody_missed_a_visit_that_is_yet_to_come() -> None:
    to_come = times(NOW + timedelta(days=1))

    refusal = read(outcome="no_show", **to_come)

    assert isinstance(refusal, Refusal)
    assert refusal.why.startswith("outcome is no_show")
    assert isinstance(read(outcome="booked", **to_come), Line)


def test_a_refusal_names_the_line_and_its_external_id_if_that_is_one() -> None:
    known, unknown = read(outcome="?"), read(external_id="\x1b[2J")

    assert isinstance(known, Refusal)
    assert (known.number, known.external_id) == (2, "apt-1")
    assert isinstance(unknown, Refusal)
    assert (unknown.number, unknown.external_id) == (2, None)


@given(st.lists(st.text(), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_whatever_stands_in_a_line_is_read_or_refused(values: list[str]) -> None:
    assert isinstance(read_row(Row(1, values), now=NOW), Line | Refusal)


@pytest.mark.parametrize("text", ["", "nul\x00", "line\nbreak", "tab\t", "\x1b[31m", "x" * 129])
def test_a_visit_type_that_is_none_is_refused_by_its_column(text: str) -> None:
    refusal = read(visit_type=text)

    assert isinstance(refusal, Refusal)
    assert refusal.why == "visit_type must be 1 to 128 characters."


def test_a_visit_type_may_be_a_clinics_own_words() -> None:
    line = read(visit_type="Follow up")

    assert isinstance(line, Line)
    assert line.visit_type == "Follow up"


@pytest.mark.parametrize("column", [column for column in COLUMNS if column != "visit_type"])
def test_a_refusal_never_quotes_what_stands_in_the_line(column: str) -> None:
    refusal = read(**{column: "ada lovelace"})

    assert isinstance(refusal, Refusal)
    assert "ada" not in refusal.why
    assert "pat-1" not in refusal.why


def test_the_import_takes_what_the_http_door_takes() -> None:
    assert (lines.YEAR_MIN, lines.YEAR_MAX) == (fields.YEAR_MIN, fields.YEAR_MAX)
