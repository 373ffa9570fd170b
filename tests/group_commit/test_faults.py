"""A lane under faults drawn by a seed: whatever happens, everybody hears once, and hears the truth."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import psycopg
import pytest

from bookwell.domain.errors import DatabaseUnavailable, SlotUnavailable
from bookwell.storage.group_commit import Lane
from bookwell.storage.statements import AnyConnection
from toy_lines import Line, Lines

CALLERS = 60
PATIENCE_SECONDS = 8.0
GROUPS = ("red", "green", None, None, None)
REFUSALS = (SlotUnavailable, asyncpg.UniqueViolationError, asyncpg.CheckViolationError)

Heard = str | BaseException


class Play:
    """One seed's callers and their misfortunes."""

    def __init__(self, seed: int, lines: Lines, database_url: str) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.lines, self.url = lines, database_url
        self.lane = Lane(lines)
        self.never_began: set[str] = set()
        self.wanted = [self._line(number) for number in range(CALLERS)]
        lines.before = lines.after = self._break

    def _line(self, number: int) -> Line:
        # Tokens and places are drawn from fewer than there are lines, so that some collide.
        return Line(
            line_id=f"l{number}",
            token=f"t{self.chance.randrange(CALLERS * 8)}",
            place=f"p{self.chance.randrange(CALLERS * 4)}",
            weight=0 if self.chance.random() < 0.03 else 1,
            is_shy=self.chance.random() < 0.1,
            apart=self.chance.choice(GROUPS),
        )

    def _break(self, connection: AnyConnection, _: Sequence[str]) -> None:
        if self.chance.random() < 0.04:
            connection.terminate()

    async def call(self, line: Line) -> str:
        await asyncio.sleep(self.chance.random() * 0.15)
        return await self.lane.write(line)

    async def go(self) -> list[Heard]:
        """What each caller heard."""
        calls = [asyncio.create_task(self.call(line)) for line in self.wanted]
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as others:
            others.create_task(self._cancel_some(calls))
            others.create_task(self._end_sessions())
            for _ in range(3):
                others.create_task(asyncio.to_thread(self._hold_tokens, self.chance.random()))
            return await asyncio.gather(*calls, return_exceptions=True)

    async def _cancel_some(self, calls: Sequence["asyncio.Task[str]"]) -> None:
        for number in self.chance.sample(range(CALLERS), CALLERS // 5):
            await asyncio.sleep(self.chance.random() * 0.02)
            line_id = self.wanted[number].line_id
            if line_id not in self.lines.begun and calls[number].cancel():
                self.never_began.add(line_id)
            else:
                calls[number].cancel()

    async def _end_sessions(self) -> None:
        for _ in range(3):
            await asyncio.sleep(self.chance.random() * 0.1)
            await asyncio.to_thread(
                ask,
                self.url,
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'bookwell'"
                " ORDER BY wait_event_type = 'Lock' DESC LIMIT 1",
            )

    def _hold_tokens(self, chance: float) -> None:
        """Somebody else is just writing with the tokens of two callers, and may take it back."""
        tokens = [self.wanted[int(chance * CALLERS)].token, self.wanted[int(chance * 7)].token]
        with psycopg.connect(self.url) as session, suppress(psycopg.Error):
            session.execute("SET lock_timeout = '50ms'")
            session.execute(
                "INSERT INTO toy_line SELECT 'other', token, token || %s, 1"
                " FROM (SELECT DISTINCT unnest(%s::text[])) AS held (token)",
                (str(chance), tokens),
            )
            session.execute("SELECT pg_sleep(%s)", (chance * 0.15,))
            if chance < 0.5:
                session.rollback()


def ask(url: str, statement: str) -> list[tuple[str, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_breaks_each_caller_hears_once_and_what_they_hear_is_so(
    lines: Lines, database_url: str, seed: int
) -> None:
    play = Play(seed, lines, database_url)

    answers = await play.go()

    # Writes whose callers left are still on their way; the lane is idle when they are back.
    lines.before = lines.after = lambda *_: None
    await settle()
    rows = ask(database_url, "SELECT line_id FROM toy_line WHERE line_id <> 'other'")
    kept = Counter(line_id for (line_id,) in rows)
    assert set(kept.values()) <= {1}
    for line, answer in zip(play.wanted, answers, strict=True):
        said = f"{line}: {answer!r}, kept {kept[line.line_id]} times"
        if isinstance(answer, str):
            assert (answer, kept[line.line_id]) == (line.line_id, 1), said
        elif isinstance(answer, REFUSALS):
            assert kept[line.line_id] == 0, said
        else:
            # These do not know; but who was never begun knows that there is nothing.
            assert isinstance(answer, DatabaseUnavailable | asyncio.CancelledError), said
            assert line.line_id in lines.begun or kept[line.line_id] == 0, said
    assert play.never_began.isdisjoint(lines.begun)
    await assert_idle(play)


async def settle() -> None:
    """Return when nothing is being written any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


async def assert_idle(play: Play) -> None:
    """The next goes at once and alone; and what was kept apart may be written again."""
    play.lines.statements.clear()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await play.lane.write(Line("next", "next", "next")) == "next"
        assert play.lines.statements == [["next"]]
        answers = await asyncio.gather(
            *(
                play.lane.write(Line(f"again{n}", f"again{n}", f"again{n}", apart=GROUPS[n % 3]))
                for n in range(9)
            )
        )
    assert answers == [f"again{n}" for n in range(9)]
