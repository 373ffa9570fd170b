"""What is decided of a visit before it is written: what staff overruled, the time it takes."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from bookwell.domain.rules import Rule
from bookwell.domain.visit_types import Terms


class Override(Struct, frozen=True, kw_only=True):
    """The rules that staff overruled, perhaps none, and the clinic's code for why; audited."""

    rules: tuple[str, ...]
    reason: str

    def as_details(self) -> dict[str, object]:
        """As the audit keeps it."""
        return {"rules": [str(rule) for rule in self.rules], "reason": self.reason}


def override_of(broken: Collection[str], reason: str | None) -> Override | None:
    """What the audit says of these broken rules; None where nobody overrules."""
    return None if reason is None else Override(rules=tuple(broken), reason=reason)


class Taken(NamedTuple):
    """When a visit takes its provider's time, at the ends where that is longer than it lasts."""

    taken_from: datetime | None
    taken_until: datetime | None


NOTHING_MORE = Taken(None, None)


def time_taken(
    terms: Terms | None, starts_at: datetime, ends_at: datetime, *, overruled: Collection[Rule] = ()
) -> Taken:
    """The time that a visit then takes under these terms; overruled buffers are not kept free."""
    if terms is None or Rule.BUFFERS in overruled:
        return NOTHING_MORE
    before, after = terms.buffer_before_minutes, terms.buffer_after_minutes
    return Taken(
        starts_at - timedelta(minutes=before) if before else None,
        ends_at + timedelta(minutes=after) if after else None,
    )
