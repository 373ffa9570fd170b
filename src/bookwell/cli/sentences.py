"""From any error to the one sentence that a person at the command line reads."""

from collections.abc import Callable
from typing import Any

import asyncpg
import psycopg
from typer.exceptions import TyperException

from bookwell.domain.errors import BookwellError, DatabaseUnavailable
from bookwell.logs import places_of
from bookwell.processes.listening import CannotServe
from bookwell.prove.arrangement import CannotProve
from bookwell.storage.embedded import EmbeddedPostgresError

EXIT_REFUSED = 2
# EX_SOFTWARE of sysexits.h: not the person's fault.
EXIT_BUG = 70


def sentence_of(error: Exception) -> tuple[str, int]:
    """What to say of it on one line, and the exit code."""
    for kind, say in _SAYINGS:
        if isinstance(error, kind):
            return _as_sentence(say(error)), EXIT_REFUSED
    # A bug's message may quote what somebody wrote, so it stays out.
    where = ", ".join(places_of(error.__traceback__))
    bug = f"This is a bug in bookwell, please report it: {type(error).__name__} at {where}."
    return bug, EXIT_BUG


def _say_away(error: DatabaseUnavailable) -> str:
    """With the driver's reason, which names host and port and never the password."""
    message = error.message.removesuffix(".")
    return f"{message}: {_first_line(error.__cause__)}" if error.__cause__ else message


def _say_of_system(error: OSError) -> str:
    reason = error.strerror or _first_line(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].strip()


def _as_sentence(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) or not line else f"{line}."


# The first that fits says it.
_SAYINGS: list[tuple[type[Exception], Callable[[Any], str]]] = [
    # "Value error, " is the library's own, and says nothing to anybody.
    (TyperException, lambda error: error.format_message().replace("Value error, ", "")),
    (DatabaseUnavailable, _say_away),
    (BookwellError, lambda error: error.message),
    (EmbeddedPostgresError, _first_line),
    (CannotServe, _first_line),
    (CannotProve, _first_line),
    (psycopg.Error, lambda error: f"The database refuses this: {_first_line(error)}"),
    (asyncpg.PostgresError, lambda error: f"The database refuses this: {_first_line(error)}"),
    (OSError, _say_of_system),
]
