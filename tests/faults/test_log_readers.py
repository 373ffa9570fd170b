"""A log whose reader is slow, gone or late: requests go on, and what is lost is counted."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs

from bookwell.log_outlet import GATHER_SECONDS, LINES_MAX, Outlet
from waiting import until

# What a pipe holds by itself on Linux, and more.
PIPE_BYTES = 256 * 1024


def line(number: int) -> str:
    return f"{number:07}{'.' * 200}\n"


@contextmanager
def full_pipe() -> Iterator[tuple[Outlet, io.FileIO]]:
    """An outlet into a pipe that nobody reads, and that holds nothing more."""
    reading, writing = os.pipe()
    with io.FileIO(reading) as reader:
        with os.fdopen(writing, "w") as stream:
            outlet = Outlet(stream)
            for number in range(PIPE_BYTES // len(line(0))):
                outlet.gather(line(number))
            time.sleep(3 * GATHER_SECONDS)  # so that the outlet's thread is inside its write
            yield outlet, reader
            # The thread has to come out of it before the stream is closed.
            draining = threading.Thread(target=_drain, args=[reader])
            draining.start()
            outlet.flush(patience_seconds=20)
        draining.join()


def _drain(reader: io.FileIO) -> None:
    while reader.read(PIPE_BYTES):
        pass


def written_by(*program: str) -> list[str]:
    """What a process of its own, which sets the log up, leaves on its standard error."""
    imports = "import sys; from bookwell import logs; from bookwell.log_outlet import Outlet"
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join([imports, *program])],
        capture_output=True,
        check=True,
        text=True,
    )
    return ended.stderr.splitlines()


FIELDS = (
    "dict(method='GET', route='/v1/visits/{id}', status=200, duration_ms=1.25,"
    " request_id='req_1', trace_id=None, caller='staff')"
)
LOG_A_REQUEST = f"logs.log_request(logs.RequestLine(**{FIELDS}))"


def test_a_line_that_is_written_at_once_comes_after_those_gathered_before_it() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)

    for number in range(100):
        outlet.gather(line(number))
    outlet.write("at once\n")
    outlet.flush()

    assert stream.getvalue() == "".join(line(number) for number in range(100)) + "at once\n"


async def test_gathered_lines_come_by_themselves() -> None:
    stream = io.StringIO()

    Outlet(stream).gather("soon\n")

    await until(lambda: stream.getvalue() == "soon\n")


def test_after_the_end_of_a_service_each_line_is_written_at_once() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)

    outlet.gather("before\n")
    outlet.settle()
    before = stream.getvalue()
    outlet.gather("after\n")

    assert before == "before\n"
    assert stream.getvalue() == "before\nafter\n"


def test_a_reader_who_does_not_read_keeps_nobody_waiting() -> None:
    def log(outlet: Outlet) -> None:
        for number in range(LINES_MAX * 2):
            outlet.gather(line(number))
        outlet.write("a warning\n")
        outlet.flush()

    with full_pipe() as (outlet, _):
        logging = threading.Thread(target=log, args=[outlet])
        logging.start()
        logging.join(timeout=20)
        has_finished_unread = not logging.is_alive()
    logging.join()

    assert has_finished_unread


def test_what_was_dropped_is_counted_and_told() -> None:
    with capture_logs() as logged, full_pipe() as (outlet, _):
        for number in range(LINES_MAX * 2):
            outlet.gather(line(number))

    (told,) = logged
    assert told["event"] == "log_lines_dropped"
    # The lines that waited before the first of these took places too.
    assert LINES_MAX <= told["count"] <= LINES_MAX + PIPE_BYTES // len(line(0))


class _Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_log_that_nobody_can_write_to_stops_no_request() -> None:
    outlet = Outlet(_Gone())

    outlet.gather("lost\n")
    outlet.flush()
    outlet.gather("lost too\n")
    outlet.settle()


def test_a_requests_line_says_what_a_line_of_structlog_would() -> None:
    lines = written_by(
        "logs.set_up('info', 'json')",
        LOG_A_REQUEST,
        f"import structlog; structlog.get_logger('other').info('request', **{FIELDS})",
    )

    ours, theirs = ({**json.loads(text), "timestamp": "now"} for text in lines)
    assert ours == theirs
    assert list(ours) == list(theirs)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", json.loads(lines[0])["timestamp"])


def test_a_quieter_log_has_no_lines_of_requests() -> None:
    assert written_by("logs.set_up('warning', 'json')", LOG_A_REQUEST) == []


def test_as_text_a_requests_line_is_text() -> None:
    (text,) = written_by("logs.set_up('info', 'text')", LOG_A_REQUEST)

    assert "[info     ] request " in text
    assert "route=/v1/visits/{id}" in text


def test_a_process_that_ends_by_itself_leaves_no_line_behind() -> None:
    lines = written_by(
        "outlet = Outlet(sys.stderr)",
        "for number in range(1000): outlet.gather(f'{number}\\n')",
    )

    assert lines == [str(number) for number in range(1000)]
