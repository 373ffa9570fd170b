"""From open hours to the times a provider offers, and what that changes among the stored slots.

A visit type's offers begin at multiples of its grid, counted in wall time from the start of the
hours, and lie wholly within what is left of them after time off. Types of the same length share
one offer. It is all a function of its arguments: deriving twice changes nothing the second time.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from bookwell.domain.intervals import Interval
from bookwell.domain.schedules import Opened
from bookwell.domain.visit_types import Terms
from bookwell.domain.wall_time import reigns_on

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000


class Offer(NamedTuple):
    """A time that a rule offers for the visit types named, which are sorted."""

    starts_at: datetime
    ends_at: datetime
    rule_id: str
    visit_types: tuple[str, ...]


class Existing(NamedTuple):
    """A stored slot. Not live means that a person took it back; taken, that a visit needs it.

    One posted by hand has neither a rule nor types. One that its schedule withdrew is none at all.
    """

    slot_id: str
    starts_at: datetime
    ends_at: datetime
    rule_id: str | None
    visit_types: tuple[str, ...] | None
    is_live: bool
    is_taken: bool

    @property
    def is_free(self) -> bool:
        return self.is_live and not self.is_taken


class Changes(NamedTuple):
    """What to do with the stored slots; `left` are those no longer offered that a visit needs."""

    created: list[Offer]
    withdrawn: list[str]
    retyped: list[tuple[str, Offer]]
    left: list[str]


class _Kind(NamedTuple):
    """Visit types of one length and grid, both in microseconds."""

    length: int
    grid: int
    visit_types: tuple[str, ...]


# What is offered at a start: the rule, and the types.
_Offered = tuple[str, tuple[str, ...]]


def offers(
    opened: Iterable[Opened],
    terms: Mapping[str, Terms],
    away: Iterable[Interval],
    window: Interval,
) -> list[Offer]:
    """The times offered that start within the window, one per start and end, sorted.

    `terms` are the provider's own, by visit type. `away` must reach as far beyond the window's end
    as the longest visit. Where several rules offer the same time, the first in order has it, and
    the types are joined.
    """
    kinds: dict[tuple[str, ...] | None, list[_Kind]] = {}
    offered: dict[int, dict[int, _Offered]] = {}
    absences = sorted((_microseconds(i.starts_at), _microseconds(i.ends_at)) for i in away)
    first, last = _microseconds(window.starts_at), _microseconds(window.ends_at)
    for hours in opened:
        if hours.visit_types not in kinds:
            kinds[hours.visit_types] = _kinds(hours.visit_types, terms)
        for begins, ends in _present(hours.interval, absences):
            for kind in kinds[hours.visit_types]:
                found = offered.setdefault(kind.length, {})
                latest = min(ends - kind.length, last - 1)
                for starts in _starts(hours, kind.grid, max(begins, first), latest):
                    _add(found, starts, (hours.rule_id, kind.visit_types))
    return _sorted(offered)


def changes(wanted: Iterable[Offer], existing: Iterable[Existing]) -> Changes:
    """What turns the stored slots into the offers wanted; both are of the same window.

    A time that a person took back from a schedule is not offered again, and one posted by hand
    stays as it is. A slot that a visit needs is never touched; where it is still offered, a new
    rule or new types reach it once it is free.
    """
    by_time = {(offer.starts_at, offer.ends_at): offer for offer in wanted}
    found = Changes([], [], [], [])
    settled = set()
    for slot in existing:
        time = (slot.starts_at, slot.ends_at)
        offer = by_time.get(time)
        if slot.rule_id is None:
            if slot.is_live:
                settled.add(time)
        elif offer is not None:
            settled.add(time)
            if slot.is_free and (slot.rule_id, slot.visit_types) != offer[2:]:
                found.retyped.append((slot.slot_id, offer))
        elif slot.is_live:
            (found.left if slot.is_taken else found.withdrawn).append(slot.slot_id)
    found.created.extend(offer for time, offer in by_time.items() if time not in settled)
    return found


def _kinds(visit_types: tuple[str, ...] | None, terms: Mapping[str, Terms]) -> list[_Kind]:
    """The types of the hours that are offered at all, those of one length and grid together."""
    alike: dict[tuple[int, int], list[str]] = {}
    for visit_type in terms if visit_types is None else visit_types:
        its = terms.get(visit_type)
        if its is not None and its.is_offered:
            alike.setdefault((its.duration_minutes, its.grid_minutes), []).append(visit_type)
    return [
        _Kind(length * _MINUTE, grid * _MINUTE, tuple(sorted(types)))
        for (length, grid), types in alike.items()
    ]


def _present(hours: Interval, absences: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of the hours after the absences, which are sorted."""
    begins, ends = _microseconds(hours.starts_at), _microseconds(hours.ends_at)
    left = []
    for goes, returns in absences:
        if goes >= ends:
            break
        if begins < goes:
            left.append((begins, goes))
        begins = max(begins, returns)
    if begins < ends:
        left.append((begins, ends))
    return left


def _starts(hours: Opened, grid: int, earliest: int, latest: int) -> list[range]:
    """The starts from `earliest` to `latest`: one range for each offset that is in force."""
    anchor = _microseconds(datetime.combine(hours.day, hours.wall_from, UTC))
    reigns = reigns_on(hours.day, hours.zone)
    found = []
    for offset, starts_at, ends_at in reigns:
        origin = anchor - offset // _MICROSECOND
        first, last = earliest, latest
        if len(reigns) > 1:
            first, last = (
                max(first, _microseconds(starts_at)),
                min(last, _microseconds(ends_at) - 1),
            )
        # The next multiple of the grid: a start never lies before it is allowed.
        found.append(range(first + (origin - first) % grid, last + 1, grid))
    return found


def _add(found: dict[int, _Offered], starts: range, offered: _Offered) -> None:
    """Offer this at all of the starts; where something is offered already, the types join it."""
    if found.keys().isdisjoint(starts):
        found.update(dict.fromkeys(starts, offered))
        return
    for start in starts:
        first_rule, types = found.get(start, offered)
        found[start] = (first_rule, _union(types, offered[1]))


@lru_cache(maxsize=1024)
def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def _sorted(offered: dict[int, dict[int, _Offered]]) -> list[Offer]:
    """The offers by length as one list, sorted by start and end."""
    found = []
    for length, by_start in offered.items():
        duration = timedelta(microseconds=length)
        for start, (rule_id, visit_types) in by_start.items():
            starts_at = _EPOCH + timedelta(microseconds=start)
            found.append(Offer(starts_at, starts_at + duration, rule_id, visit_types))
    return sorted(found)


def _microseconds(instant: datetime) -> int:
    """Since 1970: whole numbers are exact, and sorted and compared faster than instants."""
    return (instant - _EPOCH) // _MICROSECOND
