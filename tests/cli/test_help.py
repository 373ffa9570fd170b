"""The help pages, which are the first that anybody reads."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from bookwell import __version__
from bookwell.cli.program import app
from commands import Bookwell, run_to_its_end


def commands_of(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below this one, with the words that lead there."""
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from commands_of(child, *path, name)


COMMANDS = dict(commands_of(get_command(app)))


def test_the_commands_are_those_that_are_promised() -> None:
    assert {" ".join(path) for path, child in COMMANDS.items() if not hasattr(child, "commands")} >= {
        "demo", "serve", "migrate", "token create", "token revoke", "token list",
        "brand add", "brand list", "provider add", "provider list",
        "coach add", "coach list", "patient add", "patient list", "import visits",
        "slots import",
    }  # fmt: skip


def test_the_first_page_names_every_command_says_what_it_does_and_shows_examples(
    bookwell: Bookwell,
) -> None:
    page = bookwell("--help")

    assert page.code == 0
    for path, command in COMMANDS.items():
        if len(path) == 1:
            summary = command.help.partition("\n")[0]
            assert any(f" {path[0]} " in line and summary in line for line in page.out.splitlines())
    assert "bookwell serve --port 8080 --workers 4 " in page.out


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(
    path: tuple[str, ...], bookwell: Bookwell
) -> None:
    page = bookwell(*path, "--help")

    assert page.code == 0
    assert f"Usage: bookwell {' '.join(path)} " in page.out
    for parameter in COMMANDS[path].params:
        assert parameter.help, parameter.name


def test_a_command_that_lacks_its_second_word_shows_its_page(bookwell: Bookwell) -> None:
    page = bookwell("token")

    assert page.code == 2
    assert "create" in page.out
    assert page.err == ""


def test_the_program_can_be_run_as_a_module_and_says_its_version() -> None:
    said = run_to_its_end("--version")

    assert (said.code, said.out, said.err) == (0, f"bookwell {__version__}\n", "")
