"""The little Markdown the generated pages need."""

import textwrap
from collections.abc import Iterable, Sequence

_NOTICE = "<!-- Written by `make docs` from {source}. Change that, not this page. -->"
_WIDTH = 100


def page(title: str, source: str, *parts: str) -> str:
    """A whole page; `source` says which code it was written from."""
    blocks = [_NOTICE.format(source=source), f"# {title}", *parts]
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def prose(text: str) -> str:
    """One paragraph, in lines that an editor shows whole."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, and nothing in them breaks the row."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Several, with commas between them."""
    return ", ".join(map(code, texts))


def fence(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def anchor(heading: str) -> str:
    """Where a heading is found: lower case, spaces as hyphens, other marks gone."""
    kept = (c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")
    return "".join(kept)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
