"""`configuration.md`: every setting."""

from dataclasses import Field, fields
from typing import Any

from bookwell.reference.markdown import code, codes, page, table
from bookwell.settings import Settings, variable_of

_INTRODUCTION = """\
All settings are environment variables, read once when a process starts. An empty variable counts
as not set. A value that is not allowed is refused at the start, in one sentence that names the
variable. Options of the command line win over variables; see [cli.md](cli.md)."""


def configuration_page() -> str:
    """The page."""
    return page(
        "Configuration",
        "`settings.py`",
        _INTRODUCTION,
        table(
            ["Variable", "Default", "Allowed", "Meaning"],
            (
                [
                    code(variable_of(setting.name)),
                    "not set" if setting.default is None else code(setting.default),
                    _allowed(setting),
                    setting.metadata["text"],
                ]
                for setting in fields(Settings)
            ),
        ),
    )


def _allowed(setting: "Field[Any]") -> str:
    """The bounds of a number, or the words to choose from."""
    bounds = setting.metadata
    if bounds["one_of"] is not None:
        return codes(bounds["one_of"])
    if setting.type not in (int, float):
        return ""
    if bounds["at_most"] is None:
        return f"{bounds['at_least']:g} or more"
    return f"{bounds['at_least']:g} to {bounds['at_most']}"
