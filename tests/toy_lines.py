"""A writing of the tests' own: lines in a table, written by one statement each, or many by one."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from bookwell.domain.errors import BookwellError, SlotUnavailable
from bookwell.storage.database import Database
from bookwell.storage.group_commit import ALONE, Alone
from bookwell.storage.statements import AnyConnection

TABLE = """
CREATE TABLE toy_line (
    line_id  text NOT NULL,
    token    text NOT NULL CONSTRAINT toy_token_once PRIMARY KEY,
    place    text NOT NULL CONSTRAINT toy_place_once UNIQUE,
    weight   integer NOT NULL CONSTRAINT toy_weight_is_sane CHECK (weight > 0)
)
"""
WRITE = """
INSERT INTO toy_line (line_id, token, place, weight)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[])
ON CONFLICT ON CONSTRAINT toy_place_once DO NOTHING
RETURNING line_id
"""


@dataclass(frozen=True)
class Line:
    """What a caller wants to write.

    Of two lines with one `token` the second fails, and all that is written with it; of two with one
    `place` the second is refused. No line with a `weight` of 0 goes in, and all that is written
    with it fails. A `shy` one is written in no company. Two with one `apart` never meet.
    """

    line_id: str
    token: str
    place: str
    weight: int = 1
    is_shy: bool = False
    apart: str | None = None


# Told the connection, and which lines are written through it.
Fault = Callable[[AnyConnection, Sequence[str]], object]


def no_fault(_: AnyConnection, __: Sequence[str]) -> None:
    """Nothing happens."""


@dataclass
class Lines:
    """Writes lines; `statements` are the lines of each that began, in their order."""

    database: Database
    statements: list[list[str]] = field(default_factory=list)
    before: Fault = no_fault
    after: Fault = no_fault

    async def one(self, line: Line, /) -> str:
        written = await self._write([line])
        if line.line_id not in written:
            raise SlotUnavailable
        return line.line_id

    async def many(self, lines: Sequence[Line], /) -> list[str | BookwellError | Alone]:
        written = await self._write([line for line in lines if not line.is_shy])
        return [
            ALONE if line.is_shy else line.line_id if line.line_id in written else SlotUnavailable()
            for line in lines
        ]

    @property
    def begun(self) -> list[str]:
        """Every line of every statement, in their order."""
        return [line_id for lines in self.statements for line_id in lines]

    def apart(self, line: Line, /) -> Iterable[Hashable]:
        if line.apart is not None:
            yield line.apart

    def known_as(self, line: Line, /) -> str:
        return line.line_id

    async def _write(self, lines: Sequence[Line]) -> set[str]:
        line_ids = [line.line_id for line in lines]
        self.statements.append(line_ids)
        async with self.database.reading() as connection:
            self.before(connection, line_ids)
            rows = await connection.fetch(
                WRITE,
                line_ids,
                [line.token for line in lines],
                [line.place for line in lines],
                [line.weight for line in lines],
            )
            self.after(connection, line_ids)
            if connection.is_closed():
                # It broke between the commit and the answer: nobody hears what was written.
                raise ConnectionResetError
            return {row["line_id"] for row in rows}
