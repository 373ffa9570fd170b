"""Logs: one JSON object a line, or coloured text on a terminal; never what somebody wrote.

An exception is logged as its kind and its places in the code. Its message stays out, because a
database's message quotes what somebody wrote.

The lines of requests are most of what is logged. They are made by one encode and written together
a few times a second (`log_outlet`); all other lines are written at once.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

from bookwell.log_outlet import Outlet

_PLACES_MAX = 12

_log = structlog.get_logger("bookwell.http")


def _now() -> datetime:
    return datetime.now(UTC)


class RequestLine(msgspec.Struct, kw_only=True):
    """What is logged of each request, in the order of the line."""

    method: str
    # The template and never the path: an id says who saw whom.
    route: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str | None
    caller: str | None
    event: str = "request"
    level: str = "info"
    timestamp: datetime = msgspec.field(default_factory=_now)


def _through_structlog(line: RequestLine) -> None:
    fields = msgspec.structs.asdict(line)
    for name in ("event", "level", "timestamp"):
        del fields[name]
    _log.info("request", **fields)


_outlet: Outlet | None = None
_write_request: Callable[[RequestLine], None] = _through_structlog


def log_request(line: RequestLine) -> None:
    """Log a request that was answered. Never waits for whoever reads the log."""
    _write_request(line)


def settle() -> None:
    """Write what waits to be written; from now on every line is written at once."""
    if _outlet is not None:
        _outlet.settle()


def set_up(level: str, log_format: str, *, stream: TextIO | None = None) -> None:
    """Send our logs and those of the libraries to `stream` (standard error)."""
    global _outlet, _write_request  # noqa: PLW0603 - a process has one log
    stream = stream or sys.stderr
    _outlet = outlet = Outlet(stream)
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        places_instead_of_messages,
    ]
    if as_json:
        render: structlog.typing.Processor = structlog.processors.JSONRenderer(serializer=_json)
    else:
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=outlet),  # type: ignore[arg-type]  # all it needs
        cache_logger_on_first_use=True,
    )
    if number > logging.INFO:
        _write_request = _not_at_all
    elif as_json:
        _write_request = _as_json_through(outlet)
    else:
        _write_request = _through_structlog
    handler = logging.StreamHandler(outlet)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(max(number, logging.INFO))
    # Their lines of business are ours already, with less in them.
    for name in ("uvicorn.access", "httpx", "httpcore", "yoyo"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def _not_at_all(_line: RequestLine) -> None:
    pass


def _as_json_through(outlet: Outlet) -> Callable[[RequestLine], None]:
    encode = msgspec.json.Encoder().encode

    def write(line: RequestLine) -> None:
        outlet.gather(encode(line).decode() + "\n")

    return write


def places_instead_of_messages(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace an exception by its kind and where it passed."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = type(error).__name__
        event["where"] = places_of(error.__traceback__)
    return event


def places_of(trace: TracebackType | None) -> list[str]:
    """`file:line` of each frame, innermost last."""
    places = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename.rpartition("site-packages/")[2]
        places.append(f"{file.rpartition('/src/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-_PLACES_MAX:]


def _json(event: object, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
