"""`cli.md`: every command, from the program itself."""

import re
from collections.abc import Iterator
from inspect import cleandoc

from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from bookwell.cli.program import app
from bookwell.reference.markdown import code, fence, page, table

_INTRODUCTION = """\
`bookwell` and `python -m bookwell` are the same. `--help` or `-h` after any command shows what
stands here. An option wins over a variable, and a variable over the default; every variable is in
[configuration.md](configuration.md)."""


def command_line_page() -> str:
    """The page."""
    program = get_command(app)
    assert isinstance(program, TyperGroup), "the program has commands"
    found = list(_commands(program, Context(program, info_name="bookwell")))
    return page(
        "The command line",
        "`cli/`",
        _INTRODUCTION,
        # `[bold]` and the like are for a terminal.
        fence("text", re.sub(r"\[/?bold\]", "", cleandoc(program.epilog or ""))),
        table(
            ["Command", "What it does"],
            (
                [f"[{code(context.command_path)}](#{_anchor(context)})", _first_line(command)]
                for command, context in found
            ),
        ),
        *(_section(command, context) for command, context in found),
    )


def _commands(group: TyperGroup, context: Context) -> Iterator[tuple[TyperCommand, Context]]:
    """Each command that does something, with the words that lead to it."""
    for name, command in group.commands.items():
        below = Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield from _commands(command, below)
        else:
            assert isinstance(command, TyperCommand), "typer makes nothing else"
            yield command, below


def _section(command: TyperCommand, context: Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = (parameter.get_help_record(context) for parameter in command.params)
    return "\n\n".join(
        [
            f"## {context.command_path}",
            cleandoc(command.help or ""),
            fence("text", usage),
            table(
                ["Option", "Meaning"],
                ([code(record[0]), record[1]] for record in records if record is not None),
            ),
        ]
    )


def _first_line(command: TyperCommand) -> str:
    return (command.help or "").partition("\n")[0]


def _anchor(context: Context) -> str:
    return context.command_path.replace(" ", "-")
