import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.cli import csv_book
from bookwell.cli.csv_book import CsvBook
from bookwell.domain.errors import InvalidInput
from bookwell.domain.imports import COLUMNS
from bookwell.domain.lines import Refusal, Row
from clinic_book import entries, entry, text_of

GOOD = text_of([entry(external_id="good-1"), entry(external_id="good-2")]).splitlines()
HEAD, FIRST, SECOND = GOOD


def read(text: str | bytes) -> list[Row | Refusal]:
    source = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return list(CsvBook(source, "book.csv", COLUMNS).rows())


def told(text: str | bytes) -> list[tuple[int, str]]:
    """Each row as (line, external id), each refusal as (line, why)."""
    return [
        (found.number, found.values[0] if isinstance(found, Row) else found.why)
        for found in read(text)
    ]


def lines(*parts: str | bytes, end: bytes = b"\n") -> bytes:
    return b"".join((part.encode() if isinstance(part, str) else part) + end for part in parts)


def test_rows_have_our_columns_in_our_order_whatever_the_file_has() -> None:
    shuffled = "outcome,x,end_time,start_time,booked_at,visit_type,provider_id,patient_id,external_id\r\n1,2,3,4,5,6,7,8,9\r\n"

    [row] = read(shuffled)

    assert row == Row(2, ["9", "8", "7", "6", "5", "4", "3", "1"])


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(end: bytes, bom: bytes) -> None:
    book = bom + lines(HEAD, FIRST, SECOND, end=end)

    assert told(book) == [(2, "good-1"), (3, "good-2")]


def test_the_last_line_needs_no_end_and_blank_lines_are_none() -> None:
    book = lines("", HEAD, "", FIRST, "", SECOND).removesuffix(b"\n")

    assert told(book) == [(4, "good-1"), (6, "good-2")]


def test_quoted_fields_may_hold_commas_quotation_marks_and_line_breaks() -> None:
    book = text_of(
        [entry(external_id="a", unit='Unit "7",\r\nsecond floor'), entry(external_id="b,c")]
    )

    assert told(book) == [(2, "a"), (4, "b,c")]


def test_a_missing_quotation_mark_costs_its_own_line_only() -> None:
    torn = FIRST.replace("Monte Belo", '"Monte Belo')

    assert told(lines(HEAD, FIRST, torn, FIRST, SECOND)) == [
        (2, "good-1"),
        (3, csv_book.NOT_CLOSED),
        (4, "good-1"),
        (5, "good-2"),
    ]


def test_two_missing_quotation_marks_cost_two_lines_and_none_between() -> None:
    torn = FIRST.replace("outpatient", '"outpatient')

    found = told(lines(HEAD, torn, SECOND, torn, SECOND))

    assert found == [
        (2, csv_book.NOT_CLOSED),
        (3, "good-2"),
        (4, csv_book.NOT_CLOSED),
        (5, "good-2"),
    ]


def test_a_quotation_that_runs_into_one_of_our_columns_is_torn_and_costs_its_own_line_only() -> (
    None
):
    opens = FIRST.replace("pat-1", '"pat-1')
    closes = SECOND.replace("pat-1", 'x"')

    found = told(lines(HEAD, opens, closes, SECOND))

    assert found[0] == (2, csv_book.NOT_CLOSED)
    assert found[-1] == (4, "good-2")


def test_a_misplaced_quotation_mark_costs_its_own_line_only() -> None:
    torn = FIRST.replace("Monte Belo", '"Monte" Belo')

    assert told(lines(HEAD, torn, SECOND)) == [(2, csv_book.MISPLACED), (3, "good-2")]


def test_a_line_that_is_not_utf8_is_refused_alone() -> None:
    latin = FIRST.replace("Monte Belo", "Santo André").encode("latin-1")

    assert told(lines(HEAD, latin, SECOND)) == [(2, csv_book.NOT_UTF8), (3, "good-2")]


@pytest.mark.parametrize(("line", "columns"), [("a,b", 2), (FIRST + ",", 11), ("x", 1)])
def test_a_line_with_other_columns_than_the_header_is_refused_alone(
    line: str, columns: int
) -> None:
    found = told(lines(HEAD, line, SECOND))

    assert found == [
        (2, f"The line has {columns} columns, the header {len(HEAD.split(','))}."),
        (3, "good-2"),
    ]


@pytest.mark.parametrize(
    ("book", "sentence"),
    [
        (b"", "book.csv is empty: it has no header."),
        (b"\n\r\n", "book.csv is empty: it has no header."),
        (b"\xef\xbb\xbf", "book.csv is empty: it has no header."),
        (b"external_id,patient_id\n", "book.csv has no column provider_id, visit_type"),
        (HEAD.replace(",", ";").encode(), "book.csv has no column external_id,"),
        (HEAD.replace("outcome", "result").encode(), "book.csv has no column outcome."),
        (f"{HEAD},outcome\n".encode(), "book.csv has the column outcome twice."),
        (HEAD.encode("utf-16"), "book.csv has no header that can be read. The line is not UTF-8."),
        (b'"external_id\n', "book.csv has no header that can be read. The line "),
        (b"x" * 70_000, "book.csv has no header that can be read. The line is longer"),
    ],
)
def test_a_file_without_our_header_is_refused_in_one_sentence(book: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(book)

    assert refused.value.message.startswith(sentence)


def test_a_header_alone_is_an_empty_book() -> None:
    assert read(HEAD) == []


def test_the_bytes_that_were_read_add_up_to_the_file() -> None:
    book = lines(HEAD, FIRST, "x" * 200_000, SECOND)
    source = CsvBook(io.BytesIO(book), "book.csv", COLUMNS)

    seen = [source.bytes_read for _ in source.rows()]

    assert seen == sorted(seen)
    assert source.bytes_read == len(book)


class Endless(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        taken, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def peak_of_reading(parts: Iterator[bytes]) -> tuple[int, int, int]:
    """The most bytes held while reading, and the numbers of rows and refusals."""
    rows = refusals = 0
    tracemalloc.start()
    try:
        book = CsvBook(io.BufferedReader(Endless(parts)), "book.csv", COLUMNS)
        for found in book.rows():
            rows += isinstance(found, Row)
            refusals += isinstance(found, Refusal)
        return tracemalloc.get_traced_memory()[1], rows, refusals
    finally:
        tracemalloc.stop()


def test_a_long_book_is_read_in_little_memory() -> None:
    page = lines(*text_of(entries(500)).splitlines()[1:])

    def parts() -> Iterator[bytes]:
        yield lines(HEAD)
        for _ in range(40):
            yield page

    peak, rows, refusals = peak_of_reading(parts())

    assert (rows, refusals) == (20_000, 0)
    assert peak < 1_000_000


@pytest.mark.parametrize("opening", [b"", b'"'])
def test_a_line_of_100_megabytes_is_refused_in_little_memory(opening: bytes) -> None:
    def parts() -> Iterator[bytes]:
        yield lines(HEAD, FIRST) + opening
        for _ in range(1_600):
            yield b"x" * 65_536
        yield b"\n" + lines(SECOND)

    peak, rows, refusals = peak_of_reading(parts())

    assert (rows, refusals) == (2, 1)
    assert peak < 1_000_000


def test_a_quotation_that_never_ends_is_refused_in_little_memory_and_every_line_after_it_read() -> (
    None
):
    def parts() -> Iterator[bytes]:
        yield lines(HEAD) + b'"' + lines(FIRST)
        for _ in range(40):
            yield lines(*[SECOND] * 100)

    peak, rows, refusals = peak_of_reading(parts())

    assert (rows, refusals) == (4_000, 1)
    assert peak < 2_000_000


@given(st.lists(st.lists(st.text(), min_size=len(COLUMNS), max_size=len(COLUMNS))))
def test_what_a_csv_writer_wrote_is_read_back_or_refused(book: list[list[str]]) -> None:
    """Only a line break in one of our own columns is refused; no id and no instant has one."""
    plain = [["".join(cell.splitlines()) for cell in cells] for cells in book]
    encodable = [[cell.encode("utf-8", "replace").decode() for cell in cells] for cells in plain]
    text = text_of([dict(zip(COLUMNS, cells, strict=True)) for cells in encodable])

    found = read(text)

    assert [list(row.values) for row in found if isinstance(row, Row)] == encodable


@given(st.binary(max_size=400))
def test_whatever_follows_the_header_good_lines_before_it_are_read(rest: bytes) -> None:
    found = told(lines(HEAD, FIRST, SECOND) + rest)

    assert found[:2] == [(2, "good-1"), (3, "good-2")]
