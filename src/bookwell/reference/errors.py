"""`errors.md`: every code a caller can be answered with."""

from dataclasses import dataclass, field

from bookwell.domain.errors import BookwellError
from bookwell.http.errors import FRAMEWORK_CODES, INTERNAL_ERROR, status_of
from bookwell.reference.advice import ADVICE
from bookwell.reference.markdown import code, fence, page, prose, table

_INTRODUCTION = """\
Every 4xx and 5xx has one shape. `error` is stable and for programs; `message` is a sentence for
people and may change, or be more precise than the one below; `request_id` finds the request in our
log. `details` is there where it helps. The codes stand in `src/bookwell/domain/errors.py`, their
statuses in `src/bookwell/http/errors.py`."""

_EXAMPLE = """\
{
  "error": "slot_unavailable",
  "message": "The slot is no longer available.",
  "request_id": "req_01K6ZJ3V0N4W8Q2R5T7Y9B1D3F",
  "details": {"slot_id": "slt_01K6ZJ1Q9C8M7X5Z3P1H6G4E2A"}
}"""


@dataclass(slots=True)
class Code:
    """One code, the statuses it comes with, and the sentences that explain it."""

    name: str
    statuses: list[int] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def add(self, status: int, sentence: str) -> None:
        if status not in self.statuses:
            self.statuses.append(status)
        if sentence not in self.sentences:
            self.sentences.append(sentence)


def all_codes() -> list[Code]:
    """Every code of the tree of errors and of the framework, by status."""
    found: dict[str, Code] = {}
    for error in _concrete(BookwellError):
        sentence = (error.__doc__ or "").strip().partition("\n")[0]
        found.setdefault(error.code, Code(error.code)).add(status_of(error), sentence)
    for status, (name, sentence) in {**FRAMEWORK_CODES, 500: INTERNAL_ERROR}.items():
        found.setdefault(name, Code(name)).add(status, sentence)
    return sorted(found.values(), key=lambda each: (each.statuses, each.name))


def errors_page() -> str:
    """The page.

    Raises:
        KeyError: A code has no advice yet; it belongs into `advice.py`.
    """
    codes = all_codes()
    overview = table(
        ["Status", "Code", "Sentence"],
        (
            [
                ", ".join(map(str, each.statuses)),
                f"[{code(each.name)}](#{each.name})",
                " ".join(each.sentences),
            ]
            for each in codes
        ),
    )
    sections = [f"### {each.name}\n\n{prose(ADVICE[each.name])}" for each in codes]
    return page(
        "Errors",
        "`domain/errors.py` and `http/errors.py`",
        _INTRODUCTION,
        fence("json", _EXAMPLE),
        overview,
        "## What to do",
        *sections,
    )


def _concrete(kind: type[BookwellError]) -> list[type[BookwellError]]:
    """The types that a caller can hear: those with a code of their own and nothing below them."""
    below = [leaf for child in kind.__subclasses__() for leaf in _concrete(child)]
    return below or [kind]
