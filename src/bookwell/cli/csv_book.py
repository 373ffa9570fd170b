"""Rows of a CSV file (RFC 4180, UTF-8), one after the other in bounded memory.

A line that no row can be made of is refused alone. Where a quotation mark is missing, the lines
that the open quotation swallowed are read again, each for itself.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from bookwell.domain.errors import InvalidInput
from bookwell.domain.lines import Refusal, Row

# The longest visit we know of fills 300 bytes; this leaves room for columns that we ignore.
LINE_BYTES_MAX = 65_536
# How far a quoted field, and so a row, may reach before its closing quotation mark is missing.
ROW_BYTES_MAX = 65_536
ROW_LINES_MAX = 200

_BOM = b"\xef\xbb\xbf"

TOO_LONG = f"The line is longer than {LINE_BYTES_MAX:,} bytes."
NOT_UTF8 = "The line is not UTF-8."
MISPLACED = "The line is not CSV: a quotation mark or a line break is out of place."
NOT_CLOSED = "The line opens a quotation that does not end."


@dataclass(frozen=True, slots=True)
class _TextLine:
    """A line of the file with its end, or what is wrong with it."""

    number: int
    text: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    """Fields, and the lines they were made of."""

    fields: list[str]
    lines: list[_TextLine]


class _Torn(Exception):
    """These lines do not make a row."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class CsvBook:
    """The rows of one file, in these of its columns. Reading its header is the first thing done.

    Raises:
        InvalidInput: The file has no header, or lacks a column; `name` says which file.
    """

    def __init__(self, source: BinaryIO, name: str, columns: Sequence[str]) -> None:
        self.bytes_read = 0
        self._source = source
        self._lines = self._read_lines()
        # Lines that were read for a row that turned out to be torn.
        self._again: deque[_TextLine] = deque()
        header = self._header(name, columns)
        self._width = len(header)
        self._places = [header.index(column) for column in columns]

    def rows(self) -> Iterator[Row | Refusal]:
        """What follows the header; blank lines are no rows."""
        while (record := self._next_record()) is not None:
            if isinstance(record, Refusal):
                yield record
            elif record.fields:
                yield self._row(record)

    def _row(self, record: _Record) -> Row | Refusal:
        number = record.lines[0].number
        if len(record.fields) != self._width:
            if len(record.lines) > 1:
                return self._torn(record.lines, NOT_CLOSED)
            return Refusal(
                number=number,
                why=f"The line has {len(record.fields)} columns, the header {self._width}.",
            )
        values = [record.fields[place] for place in self._places]
        if len(record.lines) > 1 and any("\n" in value for value in values):
            # None of our columns has line breaks, so this is a quotation mark too many or too few.
            return self._torn(record.lines, NOT_CLOSED)
        return Row(number, values)

    def _header(self, name: str, columns: Sequence[str]) -> list[str]:
        record = self._next_record()
        while isinstance(record, _Record) and not record.fields:
            record = self._next_record()
        if record is None:
            raise InvalidInput(f"{name} is empty: it has no header.", field="header")
        if isinstance(record, Refusal):
            raise InvalidInput(
                f"{name} has no header that can be read. {record.why}", field="header"
            )
        header = [column.strip() for column in record.fields]
        missing = [column for column in columns if column not in header]
        if missing:
            raise InvalidInput(f"{name} has no column {', '.join(missing)}.", field=missing[0])
        for column in columns:
            if header.count(column) > 1:
                raise InvalidInput(f"{name} has the column {column} twice.", field=column)
        return header

    def _next_record(self) -> _Record | Refusal | None:
        """The next record, or why the next line is none; None at the end of the file."""
        taken: list[_TextLine] = []
        try:
            fields = next(csv.reader(self._take(taken), strict=True), None)
        except _Torn as error:
            return self._torn(taken, error.why)
        except csv.Error:
            return self._torn(taken, MISPLACED if len(taken) == 1 else NOT_CLOSED)
        return None if fields is None else _Record(fields, taken)

    def _torn(self, taken: list[_TextLine], why: str) -> Refusal:
        """Refuse the first of these lines, and read the others again."""
        self._again.extendleft(reversed(taken[1:]))
        return Refusal(number=taken[0].number, why=why)

    def _take(self, taken: list[_TextLine]) -> Iterator[str]:
        """The text of one line after the other, for as long as it may be the same row's."""
        size = 0
        while True:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            taken.append(line)
            size += len(line.text)
            if line.problem is not None:
                raise _Torn(line.problem if len(taken) == 1 else NOT_CLOSED)
            if size > ROW_BYTES_MAX or len(taken) > ROW_LINES_MAX:
                raise _Torn(NOT_CLOSED)
            yield line.text

    def _read_lines(self) -> Iterator[_TextLine]:
        number = 0
        while piece := self._read_piece():
            number += 1
            if number == 1:
                piece = piece.removeprefix(_BOM)
            if len(piece) > LINE_BYTES_MAX:
                while piece and not piece.endswith(b"\n"):
                    piece = self._read_piece()
                yield _TextLine(number, "", TOO_LONG)
                continue
            try:
                yield _TextLine(number, piece.decode())
            except UnicodeDecodeError:
                yield _TextLine(number, "", NOT_UTF8)

    def _read_piece(self) -> bytes:
        """A line with its end, or as much of it as a line may have and one byte."""
        piece = self._source.readline(LINE_BYTES_MAX + 1)
        self.bytes_read += len(piece)
        return piece
