"""Whatever a page points at is there, and every page is pointed at."""

import re
from pathlib import Path

import pytest

from documents import DOCS, PAGES, ROOT, anchors_of, links_of, name_of, prose_of


def is_elsewhere(link: str) -> bool:
    return link.startswith(("https://", "http://", "mailto:"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links_of(page):
        if is_elsewhere(link):
            continue
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (place and place not in anchors_of(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs)/[\w./-]+\.\w+)`", prose_of(page))

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_that_the_code_names_exists() -> None:
    sources = [ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / "src").rglob("*.*")]
    texts = [path.read_text() for path in sources if path.suffix in ("", ".py", ".sql", ".toml")]
    named = {page for text in texts for page in re.findall(r"\bdocs/[\w./-]+\.md\b", text)}

    assert named
    assert {page for page in named if not (ROOT / page).exists()} == set()


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in links_of(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if not is_elsewhere(link) and target.suffix == ".md" and target not in reached:
                waiting.append(target)

    assert set(PAGES) - reached == set()


def test_every_page_begins_with_its_one_title() -> None:
    untitled = [
        name_of(page)
        for page in PAGES
        if len(re.findall(r"^# ", prose_of(page), re.MULTILINE)) != 1
    ]

    assert untitled == []


def test_the_picture_speaks_to_those_who_do_not_see_it_and_in_the_dark() -> None:
    picture = (DOCS / "booking.svg").read_text()

    assert re.search(r"<title[ >].*<desc[ >]", picture, re.DOTALL)
    assert "prefers-color-scheme: dark" in picture
    assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
