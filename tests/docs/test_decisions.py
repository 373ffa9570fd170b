"""Decisions: one page each, complete, and true of `pyproject.toml`."""

import re
import tomllib
from pathlib import Path

import pytest

from documents import DOCS, ROOT, headings_of, name_of

DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Where it is enforced"]


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_says_why_what_follows_and_where_it_is_enforced(page: Path) -> None:
    title, *sections = headings_of(page)

    assert title.startswith(f"{page.name[:4]}. ")
    assert sections == HEADINGS
    assert re.search(
        r"^Status: (accepted|replaced by \[\d{4}\]\(.+\)), ", page.read_text(), re.MULTILINE
    )


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_index_lists_each_decision_by_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", index, re.MULTILINE)

    assert [(page.name, headings_of(page)[0]) for page in DECISIONS] == [
        (file, f"{number}. {title}") for number, file, title in rows
    ]


def test_every_dependency_has_its_reason_and_no_reason_is_left_over() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.match(r"[\w.-]+(\[\w+\])?", each) for each in project["dependencies"]]
    page = (DOCS / "decisions" / "0002-dependencies.md").read_text()
    explained = re.findall(r"^\| `([^`]+)` \| \S.+ \| \S.* \| \S.* \| \S.* \|$", page, re.MULTILINE)

    assert explained == [name[0] for name in wanted if name is not None]
