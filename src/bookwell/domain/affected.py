"""Which visits a change of what is offered would leave behind."""

from collections.abc import Iterable, Sequence

from bookwell.domain.intervals import Interval


def orphaned(
    visits: Iterable[Interval], before: Sequence[Interval], after: Sequence[Interval]
) -> set[Interval]:
    """The visits that lie within one of the hours of before, and in none of after.

    One that lay outside already was left behind earlier, and is nobody's news.
    """
    return {visit for visit in visits if _lies_in(visit, before) and not _lies_in(visit, after)}


def overtaken(
    visits: Iterable[Interval], before: Sequence[Interval], added: Interval
) -> set[Interval]:
    """The visits that lie, even in part, in the time off added, and in none there was before."""
    return {
        visit
        for visit in visits
        if visit.overlaps(added) and not any(visit.overlaps(off) for off in before)
    }


def _lies_in(visit: Interval, hours: Sequence[Interval]) -> bool:
    return any(one.starts_at <= visit.starts_at and visit.ends_at <= one.ends_at for one in hours)
