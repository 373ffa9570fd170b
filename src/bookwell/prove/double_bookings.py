"""Whether one provider's time was ever two visits': at the end, and at any moment of the race."""

from collections.abc import Iterable, Iterator

from bookwell.prove.acknowledged import Breach, check_of
from bookwell.prove.aftermath import Aftermath
from bookwell.prove.history import Attempt, History, World
from bookwell.prove.report import Check
from bookwell.prove.stays import Stay, neighbours, stays_of


def double_bookings(history: History, found: Aftermath) -> Check:
    """No two visits have one provider at once.

    What is left is asked for overlaps. Of what is over by then, the answers tell: two visits that
    were both acknowledged, and not yet given up, at one moment.
    """
    made = {stay.visit_id: stay.number for stay in stays_of(history.attempts)}
    breaches = {
        frozenset(pair): Breach(
            f"{pair[0]} and {pair[1]} have the same provider at once",
            [made[each] for each in pair if each in made],
        )
        for pair in found.overlaps
    }
    for one, other in _at_once(history.world, history.attempts):
        pair = frozenset({one.visit_id or "", other.visit_id or ""})
        sentence = (
            f"{one.visit_id} and {other.visit_id} had the same provider at once, "
            f"{other.surely_from:.3f} seconds into the race"
        )
        breaches.setdefault(pair, Breach(sentence, [one.number, other.number]))
    asked = "the database" if found.is_of_database else "the API's own list"
    return check_of(
        "double bookings",
        list(breaches.values()),
        f"No two of {len(found.visits):,} visits in {asked} have one provider at once, and no two "
        "had at any time.",
    )


def _at_once(world: World, attempts: Iterable[Attempt]) -> Iterator[tuple[Stay, Stay]]:
    """Pairs of stays of two visits that surely overlap, in time and in the provider's calendar."""
    near = neighbours(world.slots)
    going: dict[str, list[Stay]] = {slot_id: [] for slot_id in near}
    sure = (stay for stay in stays_of(attempts) if stay.surely_from < stay.surely_until)
    for stay in sorted(sure, key=lambda stay: stay.surely_from):
        for slot_id in near[stay.slot_id]:
            still = [other for other in going[slot_id] if other.surely_until > stay.surely_from]
            going[slot_id] = still
            yield from ((other, stay) for other in still if other.visit_id != stay.visit_id)
        going[stay.slot_id].append(stay)
