"""Who goes with whom, and that nobody is left behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest
from structlog.testing import capture_logs

from bookwell.domain.errors import DatabaseUnavailable, Overloaded, SlotUnavailable
from bookwell.storage import group_commit
from bookwell.storage.group_commit import LATE_SECONDS, Lane
from toy_lines import Line, Lines
from waiting import until

# Far more than a statement takes on a busy machine, and less than PostgreSQL's lock timeout.
PATIENCE_SECONDS = 4.0
# How many make a company here: some more than two, and they fit into one statement.
COMPANY = 8


def line(number: int, **changes: object) -> Line:
    values = {"line_id": f"l{number}", "token": f"t{number}", "place": f"p{number}", **changes}
    return Line(**values)  # type: ignore[arg-type]  # by name


def kept(url: str) -> list[str]:
    """What the table has."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT line_id FROM toy_line ORDER BY line_id").fetchall()
    return [line_id for (line_id,) in rows]


@asynccontextmanager
async def locked(url: str, statement: str = "LOCK TABLE toy_line") -> AsyncIterator[None]:
    """Meanwhile this was run by somebody else, who takes it back in the end."""
    session = psycopg.connect(url)
    try:
        session.execute(statement.encode())
        yield
    finally:
        session.rollback()
        session.close()


async def waiting_sessions(url: str, number: int) -> None:
    """Return when so many of our sessions wait for a lock."""

    def so_many_wait() -> bool:
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'bookwell' AND wait_event_type = 'Lock'"
            ).fetchall()
        return len(rows) == number

    await until(so_many_wait)


def callers(lane: Lane[Line, str], wanted: Sequence[Line]) -> list["asyncio.Task[str]"]:
    return [asyncio.create_task(lane.write(each)) for each in wanted]


async def heard(calls: Sequence["asyncio.Task[str]"]) -> list[str | BaseException]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*calls, return_exceptions=True)


async def turns(number: int = 3) -> None:
    """Let everybody who can go on do so."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_caller_alone_goes_at_once_and_by_itself(lines: Lines) -> None:
    lane = Lane(lines)

    answers = [await lane.write(line(n)) for n in range(3)]

    assert answers == ["l0", "l1", "l2"]
    assert lines.statements == [["l0"], ["l1"], ["l2"]]


async def test_who_comes_while_one_is_written_goes_together_in_one_statement(lines: Lines) -> None:
    lane = Lane(lines)

    answers = await heard(callers(lane, [line(n) for n in range(COMPANY)]))

    assert answers == [f"l{n}" for n in range(COMPANY)]
    assert lines.statements == [["l0"], [f"l{n}" for n in range(1, COMPANY)]]


async def test_however_many_wait_they_wait_for_the_one_write_on_the_way(
    lines: Lines, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LATE_SECONDS", 10 * PATIENCE_SECONDS)
    lane = Lane(lines)
    async with locked(database_url):
        calls = callers(lane, [line(n) for n in range(1 + 3 * COMPANY)])
        await waiting_sessions(database_url, 1)

        assert lines.statements == [["l0"]]
    assert len(await heard(calls)) == 1 + 3 * COMPANY
    assert [len(each) for each in lines.statements] == [1, 3 * COMPANY]


async def test_who_waits_behind_a_late_write_goes_without_it(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    async with locked(database_url):
        calls = callers(lane, [line(n) for n in range(1 + COMPANY)])
        await waiting_sessions(database_url, 2)

        assert [len(each) for each in lines.statements] == [1, COMPANY]
    assert await heard(calls) == [f"l{n}" for n in range(1 + COMPANY)]


async def test_the_next_statement_is_sent_before_the_first_caller_of_the_last_goes_on(
    lines: Lines,
) -> None:
    await lines.one(line(99))  # a connection is open, so that nothing but the order is seen
    sent: list[Sequence[str]] = []
    lines.before = lambda _, line_ids: sent.append(line_ids)
    lane = Lane(lines)

    async def sent_when_told(number: int) -> list[Sequence[str]]:
        await lane.write(line(number))
        return list(sent)

    async with asyncio.timeout(PATIENCE_SECONDS):
        first, *_ = await asyncio.gather(*(sent_when_told(n) for n in range(4)))

    assert first == [["l0"], ["l1", "l2", "l3"]]


async def test_a_company_has_a_largest_size_and_the_rest_goes_next(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ROWS_MAX", 10)
    lane = Lane(lines)

    answers = await heard(callers(lane, [line(n) for n in range(30)]))

    assert answers == [f"l{n}" for n in range(30)]
    assert max(len(each) for each in lines.statements) <= 10
    assert lines.begun == answers


async def test_a_write_that_waits_for_a_lock_keeps_nobody_else_waiting(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    held = "INSERT INTO toy_line VALUES ('a', 't0', 'a', 1), ('b', 't1', 'b', 1)"
    async with locked(database_url, held):
        stuck = callers(lane, [line(0), line(1)])
        await waiting_sessions(database_url, 2)

        others = await heard(callers(lane, [line(n) for n in range(2, 5)]))
        again = await heard(callers(lane, [line(5)]))

        assert (others, again) == (["l2", "l3", "l4"], ["l5"])
        assert not any(call.done() for call in stuck)
    assert await heard(stuck) == ["l0", "l1"]


async def test_one_row_that_fails_its_statement_costs_its_company_one_more_round_trip(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    wanted = [line(n, weight=0 if n == 3 else 1) for n in range(COMPANY)]

    answers = await heard(callers(lane, wanted))

    assert type(answers[3]).__name__ == "CheckViolationError"
    good = [f"l{n}" for n in range(COMPANY) if n != 3]
    assert [each for each in answers if isinstance(each, str)] == good
    company = [f"l{n}" for n in range(1, COMPANY)]
    assert lines.statements == [["l0"], company, *[[each] for each in company]]
    assert kept(database_url) == good


async def test_who_goes_alone_is_the_only_one_to_hear_later(lines: Lines) -> None:
    lane = Lane(lines)
    wanted = [line(0), line(1), line(2, is_shy=True), line(3)]

    answers = await heard(callers(lane, wanted))

    assert answers == ["l0", "l1", "l2", "l3"]
    assert lines.statements == [["l0"], ["l1", "l3"], ["l2"]]


async def test_a_refusal_is_its_own_rows_alone(lines: Lines) -> None:
    lane = Lane(lines)
    wanted = [line(0), line(1), line(2, place="p1"), line(3)]

    answers = await heard(callers(lane, wanted))

    assert isinstance(answers.pop(2), SlotUnavailable)
    assert answers == ["l0", "l1", "l3"]


async def test_two_who_may_not_meet_are_written_one_after_the_other(lines: Lines) -> None:
    lane = Lane(lines)
    wanted = [line(n, apart="both" if n in (0, 2, 4, 5) else None) for n in range(COMPANY)]

    answers = await heard(callers(lane, wanted))

    assert answers == [f"l{n}" for n in range(COMPANY)]
    apart = {"l0", "l2", "l4", "l5"}
    assert all(len(apart & set(each)) <= 1 for each in lines.statements)
    assert [each for each in lines.begun if each in apart] == sorted(apart)


async def test_nobody_boards_who_may_not_meet_somebody_on_the_way(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    async with locked(database_url):
        first = callers(lane, [line(0, apart="both")])
        rest = callers(lane, [line(n, apart="both" if n == 1 else None) for n in range(1, 12)])
        # Longer than a write may be late: also then the two do not meet.
        await asyncio.sleep(3 * LATE_SECONDS)

        assert "l1" not in lines.begun
        assert "l11" in lines.begun
    assert len(await heard([*first, *rest])) == 12
    assert lines.statements[-1] == ["l1"]


async def test_who_goes_alone_still_meets_nobody_they_may_not_meet(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    wanted = [line(0), line(1, is_shy=True, apart="both"), line(2)]
    held = "INSERT INTO toy_line VALUES ('other', 't1', 'other', 1)"
    async with locked(database_url, held):
        calls = callers(lane, wanted)
        await waiting_sessions(database_url, 1)
        late = callers(lane, [line(n, apart="both" if n == 4 else None) for n in range(3, 12)])
        await heard([*late[:1], *late[2:]])

        assert "l4" not in lines.begun
    assert await heard([*calls, *late]) == [f"l{n}" for n in range(12)]
    assert lines.statements[-1] == ["l4"]


async def test_more_than_the_platform_holds_are_told_at_once(
    lines: Lines, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "WAITING_MAX", 3)
    lane = Lane(lines)
    async with locked(database_url):
        calls = callers(lane, [line(n) for n in range(6)])
        await turns()

        assert [call.done() for call in calls] == [False] * 4 + [True] * 2
    answers = await heard(calls)
    assert answers[:4] == ["l0", "l1", "l2", "l3"]
    assert all(isinstance(answer, Overloaded) for answer in answers[4:])


async def test_a_caller_cancelled_on_the_platform_is_never_written(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    calls = callers(lane, [line(n) for n in range(5)])
    await turns()
    for number in (1, 4):  # the first and the last of them
        calls[number].cancel()

    answers = await heard(calls)

    assert [type(answer) for answer in (answers[1], answers[4])] == [asyncio.CancelledError] * 2
    assert lines.statements == [["l0"], ["l2", "l3"]]
    assert kept(database_url) == ["l0", "l2", "l3"]


async def test_when_all_on_the_platform_are_cancelled_the_next_goes_at_once(lines: Lines) -> None:
    lane = Lane(lines)
    calls = callers(lane, [line(n) for n in range(5)])
    await turns()
    for call in calls[1:]:
        call.cancel()
    await heard(calls)

    assert await lane.write(line(9)) == "l9"

    assert lines.statements == [["l0"], ["l9"]]


async def test_a_caller_cancelled_on_the_way_is_written_and_the_log_says_so(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    with capture_logs() as logged:
        async with locked(database_url):
            calls = callers(lane, [line(n) for n in range(1 + COMPANY)])
            await waiting_sessions(database_url, 2)  # the first is late, and they went
            calls[0].cancel()
            calls[2].cancel()
        await until(lambda: len(logged) == 2)
        await heard(calls)

    assert {each["request_id"] for each in logged} == {"l0", "l2"}
    assert {each["event"] for each in logged} == {"written_for_nobody"}
    assert len(kept(database_url)) == 1 + COMPANY


async def test_a_caller_cancelled_in_the_moment_they_are_told_is_in_the_log_too(
    lines: Lines,
) -> None:
    lane = Lane(lines)

    async def cancel_the_next() -> str:
        answer = await lane.write(line(1))
        # Both were told in one turn of the loop; the other has not gone on yet.
        calls[2].cancel()
        return answer

    calls = callers(lane, [line(0)])
    await turns()
    calls += [asyncio.create_task(cancel_the_next()), *callers(lane, [line(2)])]
    with capture_logs() as logged:
        answers = await heard(calls)

    assert isinstance(answers[2], asyncio.CancelledError)
    assert lines.statements == [["l0"], ["l1", "l2"]]
    assert [each["request_id"] for each in logged] == ["l2"]


async def test_who_is_cancelled_before_going_alone_is_not_written(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    calls = callers(lane, [line(0), line(1), line(2, is_shy=True), line(3)])
    async with locked(database_url):
        await waiting_sessions(database_url, 1)
    lines.before = lambda _, line_ids: len(line_ids) > 1 and calls[2].cancel()

    answers = await heard(calls)

    assert isinstance(answers[2], asyncio.CancelledError)
    assert kept(database_url) == ["l0", "l1", "l3"]


async def test_who_is_cancelled_while_waiting_for_a_turn_alone_is_not_written(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines, alone_max=1)
    async with locked(database_url, "INSERT INTO toy_line VALUES ('a', 't0', 'a', 1)"):
        calls = callers(lane, [line(0)])
        await waiting_sessions(database_url, 1)
        calls += callers(lane, [line(1, is_shy=True)])
        # Tried in company first, since the only turn is taken; then it waits for that turn.
        await until(lambda: lane._alone.locked() and not lane._platform)  # noqa: SLF001 - seen nowhere else
        await asyncio.sleep(2 * LATE_SECONDS)
        calls[1].cancel()
        await turns()

    answers = await heard(calls)

    assert isinstance(answers[1], asyncio.CancelledError)
    assert kept(database_url) == ["l0"]


async def test_sessions_that_end_are_heard_of_by_all_who_wait_and_the_lane_goes_on(
    lines: Lines, database_url: str
) -> None:
    lane = Lane(lines)
    wanted = [line(n) for n in range(1 + COMPANY)]
    async with locked(database_url):
        calls = callers(lane, wanted)
        # One alone, and when it is late all the others.
        await waiting_sessions(database_url, 2)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'bookwell'"
            )
        answers = await heard(calls)

    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert len({id(answer) for answer in answers}) == len(answers)
    assert kept(database_url) == []
    assert await heard(callers(lane, wanted)) == [each.line_id for each in wanted]


async def test_when_a_company_loses_its_connection_those_on_the_platform_hear_it_too(
    lines: Lines, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ROWS_MAX", COMPANY)
    lane = Lane(lines)
    wanted = [line(n) for n in range(COMPANY + 4)]
    lines.before = lambda connection, line_ids: len(line_ids) > 1 and connection.terminate()

    async with locked(database_url):
        calls = callers(lane, wanted)
        answers = await heard(calls[1:])

    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert await heard(calls[:1]) == ["l0"]
    assert [len(each) for each in lines.statements] == [1, COMPANY]
    assert kept(database_url) == ["l0"]


async def test_an_item_that_cannot_be_told_apart_fails_its_own_caller_only(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = lines.apart

    def apart(each: Line) -> object:
        if each.line_id == "l2":
            raise ZeroDivisionError
        return known(each)

    monkeypatch.setattr(lines, "apart", apart)
    lane = Lane(lines)

    answers = await heard(callers(lane, [line(n) for n in range(5)]))

    assert isinstance(answers.pop(2), ZeroDivisionError)
    assert answers == ["l0", "l1", "l3", "l4"]


def test_a_loop_that_ends_leaves_nobody_waiting() -> None:
    async def leave_in_the_middle() -> list["asyncio.Task[str]"]:
        calls = callers(Lane(Endless()), [line(n) for n in range(3 * COMPANY)])
        await turns()
        return calls

    calls = asyncio.run(leave_in_the_middle())

    assert all(call.cancelled() for call in calls)


class Endless:
    """A writing that never comes back."""

    async def one(self, _: Line, /) -> str:
        await asyncio.Event().wait()
        return ""

    async def many(self, _: Sequence[Line], /) -> list[str]:
        await asyncio.Event().wait()
        return []

    def apart(self, _: Line, /) -> tuple[()]:
        return ()

    def known_as(self, each: Line, /) -> str:
        return each.line_id
