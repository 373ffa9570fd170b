"""The options that commands share, and the settings that they and the environment make."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from bookwell.http.fields import Id, Name, Slug, VisitType
from bookwell.settings import DATABASE_SCHEMES, PORT_MAX, Settings

DATABASE_PANEL = "Database"


def settings_from(
    *,
    database_url: str | None = None,
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> Settings:
    """The environment's settings, with the options that were given in their place.

    A data directory on the command line means the embedded database in it, even where the
    environment names another database.

    Raises:
        InvalidInput: A variable is not what it must be.
    """
    options = {"host": host, "port": port, "workers": workers}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if data_dir is not None:
        given.update(data_dir=data_dir, database_url=None)
    if database_url is not None:
        given.update(database_url=database_url)
    return replace(Settings.from_environment(), **given)


def _reader_of(kind: object, sentence: str) -> Callable[[str], str]:
    """Reads an argument that must be of this kind; the sentence says what that means."""

    def parse(text: str) -> str:
        try:
            value: str = msgspec.convert(text, kind)
        except msgspec.ValidationError as error:
            raise typer.BadParameter(sentence) from error
        return value

    return parse


def as_database_url(text: str) -> str:
    if not text.startswith(DATABASE_SCHEMES):
        raise typer.BadParameter(f"it must begin with {DATABASE_SCHEMES[0]}.")
    return text


as_id = _reader_of(Id, "it must be 1 to 128 visible characters.")
as_name = _reader_of(Name, "it must be 1 to 200 characters.")
as_visit_type = _reader_of(
    VisitType, "it must be 1 to 128 characters, none of them a control character."
)
as_brand = _reader_of(Slug, "it must be a slug: lower-case letters, digits and single hyphens.")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        parser=as_database_url,
        help="A PostgreSQL, 15 or newer (BOOKWELL_DATABASE_URL; embedded).",
        rich_help_panel=DATABASE_PANEL,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIRECTORY",
        help="The embedded one's folder (BOOKWELL_DATA_DIR; .bookwell).",
        rich_help_panel=DATABASE_PANEL,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=PORT_MAX,
        metavar="PORT",
        help="The port; 0 picks a free one (BOOKWELL_PORT; 8000).",
    ),
]
Brand = Annotated[
    str, typer.Option("--brand", metavar="BRAND", parser=as_brand, help="The brand's id.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
