"""All generated pages by file name."""

from bookwell.app import routes
from bookwell.http.openapi import document_of
from bookwell.reference.api import api_page, openapi_json
from bookwell.reference.command_line import command_line_page
from bookwell.reference.configuration import configuration_page
from bookwell.reference.database import database_page
from bookwell.reference.errors import errors_page
from bookwell.reference.events import events_page
from bookwell.reference.statuses import statuses_page


def pages(database_url: str) -> dict[str, str]:
    """The text of each page of `docs/reference/`; the database is one that is migrated."""
    document = document_of(routes())
    return {
        "api.md": api_page(document),
        "cli.md": command_line_page(),
        "configuration.md": configuration_page(),
        "database.md": database_page(database_url),
        "errors.md": errors_page(),
        "events.md": events_page(),
        "openapi.json": openapi_json(document),
        "statuses.md": statuses_page(document),
    }
