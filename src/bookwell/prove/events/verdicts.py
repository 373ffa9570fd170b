"""What every check of a run is made of: what is wrong, where, and with which events."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bookwell.prove.report import Check

# As many as anybody wants to look up; `--history` has them all.
NAMED_MAX = 4
PLACES_MAX = 3


class Wrong(NamedTuple):
    """A sentence's beginning, and the ids that end it."""

    what: str
    ids: Sequence[str]


def verdict(name: str, wrongs: Iterable[Wrong], all_well: str) -> Check:
    """A check that holds where nothing is wrong; else it says where, and with which ids."""
    wrongs = [wrong for wrong in wrongs if wrong.ids]
    if not wrongs:
        return Check(name=name, holds=True, found=0, sentence=all_well)
    said = [f"{wrong.what} {named(wrong.ids)}" for wrong in wrongs[:PLACES_MAX]]
    if len(wrongs) > PLACES_MAX:
        said.append(f"and so at {len(wrongs) - PLACES_MAX} more")
    return Check(
        name=name,
        holds=False,
        found=sum(len(wrong.ids) for wrong in wrongs),
        sentence="; ".join(said) + ".",
    )


def named(ids: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(ids) - NAMED_MAX:,} more" if len(ids) > NAMED_MAX else ""
    return ", ".join(ids[:NAMED_MAX]) + more
