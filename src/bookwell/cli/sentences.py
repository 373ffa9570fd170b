"""From any error to the one sentence that a person at the command line reads."""

import asyncpg
import psycopg
from typer.exceptions import TyperException

from bookwell.domain.errors import BookwellError, DatabaseUnavailable
from bookwell.logs import places_of
from bookwell.processes.listening import CannotServe
from bookwell.storage.embedded import EmbeddedPostgresError

EXIT_REFUSED = 2
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h


def sentence_of(error: Exception) -> tuple[str, int]:
    """What to say of it on one line, and the exit code."""
    said = _said_of(error)
    if said is not None:
        return said, EXIT_REFUSED
    # A bug's message may quote what somebody wrote, so it stays out.
    where = ", ".join(places_of(error.__traceback__))
    kind = type(error).__name__
    return f"This is a bug in bookwell, please report it: {kind} at {where}.", EXIT_BUG


def _said_of(error: Exception) -> str | None:
    match error:
        case TyperException():
            return _line(error.format_message())
        case DatabaseUnavailable(__cause__=psycopg.Error() as cause):
            return f"{error.message.removesuffix('.')}: {_first_line(cause)}."
        case BookwellError():
            return _line(error.message)
        case EmbeddedPostgresError() | CannotServe():
            return f"{_first_line(error)}."
        case psycopg.Error() | asyncpg.PostgresError():
            return f"The database refuses this: {_first_line(error)}."
        case OSError():
            reason = error.strerror or _first_line(error)
            return f"{error.filename}: {reason}." if error.filename else f"{reason}."
        case _:
            return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].strip().removesuffix(".")


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?", ")")) else f"{line}."
