"""`configuration.md`: every setting."""

from dataclasses import fields

from bookwell.reference.markdown import code, page, table
from bookwell.settings import Settings, variable_of

_INTRODUCTION = """\
All settings are environment variables, read once when a process starts. An empty variable counts
as not set. A number that is none is refused at the start, in one sentence that names the
variable. Options of the command line win over variables; see [cli.md](cli.md)."""


def configuration_page() -> str:
    """The page."""
    return page(
        "Configuration",
        "`settings.py`",
        _INTRODUCTION,
        table(
            ["Variable", "Default", "Meaning"],
            (
                [
                    code(variable_of(setting.name)),
                    "not set" if setting.default is None else code(setting.default),
                    setting.metadata["text"],
                ]
                for setting in fields(Settings)
            ),
        ),
    )
