"""The repository's Markdown as the tests of it read it: pages, links, headings, lines to paste."""

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bookwell.reference.markdown import anchor

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A block of code; `answer` is the `text` block that follows it at once, if one does."""

    language: str
    text: str
    answer: str | None


def name_of(page: Path) -> str:
    """As the ids of tests show it."""
    return str(page.relative_to(ROOT))


def prose_of(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def fences_of(page: Path) -> list[Fence]:
    text = page.read_text()
    found = list(_FENCE.finditer(text))
    fences = []
    for fence, following in zip_longest(found, found[1:]):
        answer = None
        if following is not None and following[1] == "text":
            between = text[fence.end() : following.start()]
            answer = following[2] if not between.strip() else None
        fences.append(Fence(fence[1], fence[2], answer))
    return fences


def links_of(page: Path) -> list[str]:
    """Where its links and pictures lead, as written."""
    return _LINK.findall(_CODE.sub("code", prose_of(page)))


def headings_of(page: Path) -> list[str]:
    return _HEADING.findall(prose_of(page))


def anchors_of(page: Path) -> set[str]:
    return {anchor(heading) for heading in headings_of(page)}
