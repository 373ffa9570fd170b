"""One word for one thing: what the code and the pages call by name is the same everywhere."""

import re
from dataclasses import fields
from pathlib import Path

import psycopg
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from bookwell import __version__
from bookwell.cli.program import app
from bookwell.cli.prove import TOKEN_VARIABLE
from bookwell.domain import ids
from bookwell.domain.callers import SCOPES, Role
from bookwell.domain.catalog import ProviderKind
from bookwell.domain.events import EVENTS
from bookwell.domain.office_hours import BookingStatus
from bookwell.domain.visits import VisitStatus
from bookwell.reference.errors import all_codes
from bookwell.settings import Settings, variable_of
from bookwell.storage.tokens import TOKEN_PREFIX
from bookwell.usecases.attempts import TEST_EVENT_TYPE
from documents import DOCS, PAGES, ROOT, fences_of, name_of

GLOSSARY = (DOCS / "glossary.md").read_text()
PROSE = {page: page.read_text() for page in PAGES if page.parent.name != "reference"}
HANDWRITTEN = "\n".join(PROSE.values())


def in_glossary(words: set[str]) -> set[str]:
    return {word for word in words if f"`{word}`" not in GLOSSARY}


def test_every_table_has_a_word_in_the_glossary(template_url: str) -> None:
    with psycopg.connect(template_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'booking'")
        tables = {str(name) for (name,) in rows}

    assert in_glossary(tables) == set()


@pytest.mark.parametrize("words", [Role, VisitStatus, BookingStatus, ProviderKind])
def test_every_role_status_and_kind_is_in_the_glossary(words: type[Role]) -> None:
    assert in_glossary({str(word) for word in words}) == set()


def test_every_prefix_of_an_id_is_in_the_glossary() -> None:
    prefixes = {
        f"{value}_"
        for name, value in vars(ids).items()
        if name.isupper() and isinstance(value, str) and value.isalpha()
    }

    assert len(prefixes) > 5
    assert in_glossary(prefixes | {TOKEN_PREFIX}) == set()


def test_every_setting_that_a_page_names_exists() -> None:
    # The token for a proof is a client's: the service itself knows nothing of it.
    known = {variable_of(setting.name) for setting in fields(Settings)} | {TOKEN_VARIABLE}

    assert set(re.findall(r"\bBOOKWELL_[A-Z_]+[A-Z]", HANDWRITTEN)) <= known


def test_every_error_code_that_a_page_answers_with_exists() -> None:
    """`409 `slot_unavailable`` and the like."""
    known = {each.name for each in all_codes()}
    named = set(re.findall(r"\b[45]\d\d[ ,]+`([a-z_]+)`", HANDWRITTEN))

    assert len(named) > 5
    assert named - known == set()


def test_every_event_that_a_page_names_exists() -> None:
    assert set(re.findall(r"\bbooking(?:\.[a-z_]+)+\.v\d\b", HANDWRITTEN)) <= {
        *EVENTS,
        TEST_EVENT_TYPE,
    }


def test_every_scope_that_a_page_names_exists() -> None:
    named = set(re.findall(r"\b(?:read|write|manage|admin):[a-z]{2,}\b", HANDWRITTEN))

    assert named <= set(SCOPES)


def test_every_command_is_told_of_outside_the_reference() -> None:
    program = get_command(app)
    assert isinstance(program, TyperGroup)

    assert {name for name in program.commands if name not in HANDWRITTEN} == set()


def test_every_command_that_a_page_gives_exists() -> None:
    """Words after `bookwell` are commands, down to the one that does something."""
    unknown = []
    for page in PROSE:
        text = "\n".join(fence.text for fence in fences_of(page))
        for words in re.findall(r"\bbookwell((?: [a-z][a-z-]*)+)", text + page.read_text()):
            node = get_command(app)
            for word in words.split():
                if not isinstance(node, TyperGroup):
                    break
                if word not in node.commands:
                    unknown.append((name_of(page), word))
                    break
                node = node.commands[word]

    assert unknown == []


def test_every_line_of_the_log_is_explained() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    logged = set(re.findall(r"_log\.\w+\(\s*\"(\w+)\"", source))
    explained = (DOCS / "how-to" / "troubleshoot.md").read_text()

    assert "request" in logged
    assert {event for event in logged if f"`{event}`" not in explained} == set()


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_no_page_uses_a_word_that_the_glossary_replaces(page: Path) -> None:
    retired = re.findall(
        r"^\| ([a-z, ]+) \| [a-z, ]+ \|$", GLOSSARY.partition("## Words we")[2], re.MULTILINE
    )
    words = {word for row in retired for word in row.split(", ")}
    text = re.sub(r"```.*?```", "", PROSE[page].partition("## Words we")[0], flags=re.DOTALL)
    text = re.sub(r"`[^`]*`|\([^)]*\)", "", text)

    assert {word for word in words if re.search(rf"\b{word}s?\b", text)} == set()
