"""Whatever is wrong is one sentence on standard error, and exit code 2."""

import socket
from pathlib import Path

import pytest

from bookwell.cli.sentences import sentence_of
from commands import Bookwell, Said, run_to_its_end

# Nobody listens on port 1.
NOWHERE = "postgresql://somebody:pass-word@127.0.0.1:1/bookwell"


def is_one_sentence(said: Said, *parts: str) -> bool:
    """Whether it is refused as promised, in a sentence with these parts."""
    lines = said.err.splitlines()
    assert (said.code, said.out, len(lines)) == (2, "", 1), said
    return lines[0].startswith("bookwell: ") and lines[0].endswith(".") and all(
        part in lines[0] for part in parts
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--nope"], "No such option: --nope"),
        (["nope"], "No such command 'nope'"),
        (["serve", "--databse-url", "x"], "--database-url"),
        (["serve", "--port", "eighty"], "'--port'"),
        (["serve", "--port", "65536"], "'--port'"),
        (["serve", "--workers", "0"], "'--workers'"),
        (["serve", "--database-url", "mysql://db"], "must begin with postgresql://"),
        (["demo", "--manifest", "/no/such/directory/m.json"], "no directory /no/such/directory"),
        (["token", "create", "--role", "staff", "--subject", "s"], "'--brand'"),
        (["token", "create", "--brand", "b", "--role", "king", "--subject", "s"], "'staff'"),
        (["token", "create", "--brand", "b", "--role", "staff", "--subject", "a b"], "visible"),
        (["brand", "add", "Loop!", "--name", "Loop"], "slug"),
        (["brand", "add", "loop", "--name", ""], "1 to 200 characters"),
        (["patient", "add", "x" * 129, "--brand", "loop"], "1 to 128 visible characters"),
    ],
)  # fmt: skip
def test_a_mistyped_command_is_told_what_is_wrong(
    arguments: list[str], part: str, bookwell: Bookwell
) -> None:
    said = bookwell(*arguments)

    assert is_one_sentence(said, part)
    assert "Value error" not in said.err  # a library's words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOKWELL_PORT", "eighty"),
        ("BOOKWELL_PORT", "65536"),
        ("BOOKWELL_WORKERS", "0"),
        ("BOOKWELL_POOL_SIZE", "-1"),
        ("BOOKWELL_LOG_LEVEL", "loud"),
        ("BOOKWELL_LOG_FORMAT", "xml"),
        ("BOOKWELL_DATABASE_URL", "mysql://db"),
        ("BOOKWELL_INTROSPECTION_TIMEOUT_SECONDS", "nan"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str, bookwell: Bookwell) -> None:
    assert is_one_sentence(bookwell("serve", **{name: value}), name)


@pytest.mark.parametrize("command", [["migrate"], ["brand", "list"]])
def test_a_database_that_is_not_there_is_named_without_its_password(
    command: list[str], bookwell: Bookwell
) -> None:
    said = bookwell(*command, "--database-url", NOWHERE)

    assert is_one_sentence(said, "cannot be reached", "127.0.0.1", "port 1")
    assert "pass-word" not in said.err


def test_a_folder_that_cannot_hold_the_data_is_named(
    empty_folder: Path, bookwell: Bookwell
) -> None:
    file = empty_folder / "a-file"
    file.touch()

    assert is_one_sentence(bookwell("brand", "list", "--data-dir", str(file)), str(file))


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_said_before_a_database_is_made(command: str, empty_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        data_dir = empty_folder / "data"

        said = run_to_its_end(command, "--port", port, "--data-dir", str(data_dir))

    assert is_one_sentence(said, f"Port {port} of 127.0.0.1 is in use")
    assert not data_dir.exists()


def test_a_service_without_its_database_does_not_start() -> None:
    said = run_to_its_end("serve", "--port", "0", BOOKWELL_DATABASE_URL=NOWHERE)

    assert is_one_sentence(said, "cannot be reached")


def test_more_connections_than_the_embedded_database_has_are_refused(empty_folder: Path) -> None:
    said = run_to_its_end(
        "serve", "--port", "0", "--workers", "20", "--data-dir", str(empty_folder / "data")
    )

    assert is_one_sentence(said, "377 connections", "--workers")
    assert not (empty_folder / "data").exists()


def test_a_bug_of_ours_says_where_it_is_and_not_what_somebody_wrote() -> None:
    said: dict[str, str] = {}
    try:
        said["what the patient said"]
    except KeyError as error:
        sentence, code = sentence_of(error)

    assert code == 70
    assert "KeyError" in sentence
    assert "test_refusals.py" in sentence
    assert "patient" not in sentence
