"""Logs: one JSON object a line, or coloured text on a terminal; never what somebody wrote.

An exception is logged as its kind and its places in the code. Its message stays out, because a
database's message quotes what somebody wrote.
"""

import logging
import sys
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

_PLACES_MAX = 12


def set_up(level: str, log_format: str, *, stream: TextIO | None = None) -> None:
    """Send our logs and those of the libraries to `stream` (standard error)."""
    stream = stream or sys.stderr
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
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
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
