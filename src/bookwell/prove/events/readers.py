"""What the readers of the log, of the stream and of the digest were told, judged likewise."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date

from bookwell.prove.events.record import EVERY_TYPE, Committed, Heard, Record
from bookwell.prove.events.verdicts import Wrong, verdict
from bookwell.prove.history import Attempt, Operation
from bookwell.prove.report import Check


def reader_checks(record: Record) -> list[Check]:
    """Every check of the log and of who reads it."""
    return [
        _acknowledged(record),
        _numbered(record),
        _heard(
            "the log",
            record,
            record.followed,
            "Reading on and on through every kill, two readers got each of {:,} events once, in "
            "the order of the log.",
        ),
        _heard(
            "the live stream",
            record,
            record.streamed,
            "Going on after each break from the last id, two listeners got each of {:,} events "
            "once, in the order of the log.",
        ),
        _digests(record),
    ]


def _acknowledged(record: Record) -> Check:
    there = {(event.entity_id, event.sequence) for event in record.committed}
    told = [
        (said.id, sequence)
        for attempt in record.attempts
        if attempt.is_won
        and (said := attempt.outcome) is not None
        and said.id is not None
        and (sequence := _sequence_of(attempt)) is not None
    ]
    lost = [
        f"{entity_id} (change {sequence})"
        for entity_id, sequence in told
        if (entity_id, sequence) not in there
    ]
    return verdict(
        "a fact for each change",
        [Wrong("No event tells of", lost)],
        f"Each of {len(told):,} acknowledged changes has its event.",
    )


def _sequence_of(attempt: Attempt) -> int | None:
    """Which change of its visit or seat it was."""
    if attempt.operation is Operation.BOOK_SEAT:
        return 1
    if attempt.operation is Operation.CANCEL_SEAT:
        return 2
    return attempt.outcome.version if attempt.outcome else None


def _numbered(record: Record) -> Check:
    wrongs = []
    for brand_id, events in _by_brand(record).items():
        waiting = [event.event_id for event in events if event.position is None]
        wrongs.append(Wrong(f"{brand_id} has without a place in its log", waiting))
        placed = sorted(event.position for event in events if event.position is not None)
        missing = sorted(set(range(1, len(placed) + 1)) - set(placed))
        wrongs.append(Wrong(f"{brand_id} has nothing at the places", [str(n) for n in missing]))
        wrongs.append(Wrong(f"{brand_id} tells out of order of", _broken_lines(events)))
    return verdict(
        "numbers without a gap",
        wrongs,
        f"{len(record.committed):,} events have the places 1, 2, 3, … of their brand, and each "
        "visit's its numbers 1, 2, 3, … in the same order.",
    )


def _broken_lines(events: Iterable[Committed]) -> list[str]:
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.position is None, event.position or 0)):
        lines[event.entity_id].append(event.sequence)
    return [
        f"{entity_id} ({', '.join(str(n) for n in line)})"
        for entity_id, line in lines.items()
        if line != list(range(1, len(line) + 1))
    ]


def _heard(name: str, record: Record, heard: Iterable[Heard], all_well: str) -> Check:
    by_brand: defaultdict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        by_brand[each.brand_id].append(each)
    wrongs, count = [], 0
    for brand_id, events in _by_brand(record).items():
        wanted = {event.event_id: event.fingerprint for event in events}
        mine = by_brand[brand_id]
        got = Counter(each.event_id for each in mine)
        count += len(wanted)
        wrongs += [
            Wrong(f"The reader of {brand_id} missed", sorted(wanted.keys() - got.keys())),
            Wrong(f"The reader of {brand_id} got of others", sorted(got.keys() - wanted.keys())),
            Wrong(
                f"The reader of {brand_id} got twice", [e for e, times in got.items() if times > 1]
            ),
            Wrong(f"The reader of {brand_id} got out of order", _out_of_order(mine)),
            Wrong(f"The reader of {brand_id} got otherwise than committed", _altered(mine, wanted)),
        ]
    return verdict(name, wrongs, all_well.format(count))


def _out_of_order(heard: Sequence[Heard]) -> list[str]:
    last, early = 0, []
    for each in heard:
        if each.position <= last:
            early.append(f"{each.event_id} (place {each.position} after {last})")
        last = max(last, each.position)
    return early


def _altered(heard: Iterable[Heard], wanted: Mapping[str, str]) -> list[str]:
    return [
        each.event_id
        for each in heard
        if wanted.get(each.event_id, each.fingerprint) != each.fingerprint
    ]


def _digests(record: Record) -> Check:
    """What a receiver would compute of what it got is what the service says of the day."""
    got: defaultdict[str, set[str]] = defaultdict(set)
    for each in record.received:
        if each.is_taken:
            got[each.endpoint_id].add(each.event_id)
    day_of = {
        event.event_id: event.occurred_at.astimezone(UTC).date() for event in record.committed
    }
    said = {(each.brand_id, each.day): each for each in record.digests}
    wrongs, compared = [], 0
    for endpoint in record.endpoints:
        if EVERY_TYPE not in endpoint.event_types:
            continue
        for day, ids in _by_day(got[endpoint.endpoint_id], day_of.get).items():
            compared += 1
            digest = said.get((endpoint.brand_id, day))
            if digest is None or (digest.event_count, digest.hash) != (len(ids), digest_of(ids)):
                count = "nothing" if digest is None else f"{digest.event_count:,} events"
                what = f"{endpoint.name} of {endpoint.brand_id} got {len(ids):,} events, and not"
                wrongs.append(Wrong(what, [f"the {count} that the digest of {day} counts"]))
    if not compared:
        wrongs.append(Wrong("Compared with", ["nothing, because nobody got anything"]))
    return verdict(
        "the digest of the day",
        wrongs,
        f"Computed from what they got, {compared} endpoints' digests are the service's.",
    )


def digest_of(ids: Iterable[str]) -> str:
    """The hash of these ids as the documentation has it."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(ids)).encode()).hexdigest()


def _by_day(ids: Iterable[str], day_of: Callable[[str], date | None]) -> dict[date, list[str]]:
    days: defaultdict[date, list[str]] = defaultdict(list)
    for event_id in ids:
        day = day_of(event_id)
        if day is not None:
            days[day].append(event_id)
    return days


def _by_brand(record: Record) -> dict[str, list[Committed]]:
    return {
        brand_id: [event for event in record.committed if event.brand_id == brand_id]
        for brand_id in record.brands
    }
