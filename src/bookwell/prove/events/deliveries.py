"""What the receivers of webhooks got, judged against what was committed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bookwell.prove.events.record import Committed, Endpoint, Received, Record
from bookwell.prove.events.verdicts import Wrong, verdict
from bookwell.prove.report import Check

# A request that was signed just before a secret was replaced may come this much later.
IN_FLIGHT_SECONDS = 5.0


class _Mail(NamedTuple):
    """An endpoint, what had to come to it, and what came."""

    endpoint: Endpoint
    wanted: dict[str, Committed]
    received: list[Received]

    @property
    def name(self) -> str:
        return f"{self.endpoint.name} of {self.endpoint.brand_id} ({self.endpoint.endpoint_id})"


def delivery_checks(record: Record) -> list[Check]:
    """Every check of the webhooks."""
    mails = [_mail_of(endpoint, record) for endpoint in record.endpoints]
    return [
        _everything_came(mails),
        _nothing_foreign(record, mails),
        _signed(mails),
        _rotated(record, mails),
        _as_committed(mails),
        _in_order(mails),
        _attempts_rise(mails),
    ]


def _mail_of(endpoint: Endpoint, record: Record) -> _Mail:
    return _Mail(
        endpoint,
        {event.event_id: event for event in record.committed if endpoint.wants(event)},
        [each for each in record.received if each.endpoint_id == endpoint.endpoint_id],
    )


def _everything_came(mails: Iterable[_Mail]) -> Check:
    wrongs, count = [], 0
    for mail in mails:
        taken = {each.event_id for each in mail.received if each.is_taken}
        wrongs.append(Wrong(f"{mail.name} never got", sorted(mail.wanted.keys() - taken)))
        count += len(mail.wanted)
    return verdict(
        "every event delivered",
        wrongs,
        f"Each of {len(wrongs)} endpoints got all that its brand committed of its types, "
        f"{count:,} deliveries.",
    )


def _nothing_foreign(record: Record, mails: Iterable[_Mail]) -> Check:
    brand_of = {event.event_id: event.brand_id for event in record.committed}
    wrongs = []
    for mail in mails:
        foreign = {each.event_id for each in mail.received} - mail.wanted.keys()
        others = [each for each in foreign if brand_of.get(each, "") != mail.endpoint.brand_id]
        wrongs.append(Wrong(f"{mail.name} got of no event of its brand", sorted(others)))
        unasked = sorted(foreign.difference(others))
        wrongs.append(Wrong(f"{mail.name} got of a type that it does not want", unasked))
    if record.strayed:
        wrongs.append(Wrong("A redirect was followed", [f"{record.strayed:,} times"]))
    return verdict(
        "nothing foreign",
        wrongs,
        f"None of {len(record.received):,} requests brought another brand's event or a type that "
        "was not asked for, and none went where a redirect led.",
    )


def _signed(mails: Iterable[_Mail]) -> Check:
    wrongs, count = [], 0
    for mail in mails:
        whole = [each for each in mail.received if each.is_whole]
        count += len(whole)
        unsigned = [each.event_id for each in whole if not each.signed_by]
        wrongs.append(Wrong(f"{mail.name} got without a webhook-signature of it", unsigned))
        unsigned = [each.event_id for each in whole if not each.loop_signed_by]
        wrongs.append(Wrong(f"{mail.name} got without an X-Loop-Signature of it", unsigned))
    return verdict(
        "signatures",
        wrongs,
        f"Each of {count:,} bodies verifies, by the library of Standard Webhooks and by "
        "X-Loop-Signature.",
    )


def _rotated(record: Record, mails: Iterable[_Mail]) -> Check:
    """While two secrets are good, a receiver that knows only one of them is served."""
    received_by = {mail.endpoint.endpoint_id: mail for mail in mails}
    name = "rotated secrets"
    wrongs, count = [], 0
    for rotation in record.rotations:
        mail = received_by[rotation.endpoint_id]
        since = rotation.answered_at + IN_FLIGHT_SECONDS
        after = [each for each in mail.received if each.is_whole and each.at >= since]
        count += len(after)
        single = [each.event_id for each in after if not {0, 1} <= set(each.signed_by)]
        wrongs.append(Wrong(f"{mail.name} got signed by one of two good secrets", single))
    if not count:
        sentence = "No request came after a secret was rotated."
        return Check(name=name, holds=None, found=None, sentence=sentence)
    return verdict(
        name,
        wrongs,
        f"Each of {count:,} requests after {len(record.rotations)} rotations verifies by the new "
        "secret and by the one before.",
    )


def _as_committed(mails: Iterable[_Mail]) -> Check:
    wrongs, count = [], 0
    for mail in mails:
        hashes: dict[str, str] = {}
        other, changed, contradicting = [], [], []
        for each in mail.received:
            if each.body_hash is None:
                continue
            count += 1
            wanted = mail.wanted.get(each.event_id)
            if wanted is not None and each.fingerprint != wanted.fingerprint:
                other.append(each.event_id)
            if hashes.setdefault(each.event_id, each.body_hash) != each.body_hash:
                changed.append(each.event_id)
            if each.contradiction is not None:
                contradicting.append(f"{each.event_id} ({each.contradiction})")
        wrongs.append(Wrong(f"{mail.name} got otherwise than committed", other))
        wrongs.append(Wrong(f"{mail.name} got in other bytes on a later attempt", changed))
        wrongs.append(Wrong(f"{mail.name} got with headers of another", contradicting))
    return verdict(
        "bodies as committed",
        wrongs,
        f"Each of {count:,} bodies says what its row says, with the same bytes on every attempt.",
    )


def _in_order(mails: Iterable[_Mail]) -> Check:
    """Nothing of a visit is even sent before all that comes before it has been taken."""
    wrongs, lines, longest = [], 0, 0
    for mail in mails:
        line_of: defaultdict[str, list[Committed]] = defaultdict(list)
        for event in sorted(mail.wanted.values(), key=lambda event: event.sequence):
            line_of[event.entity_id].append(event)
        lines += len(line_of)
        longest = max(longest, *(len(line) for line in line_of.values()), 0)
        early = list(_too_early(mail, line_of))
        wrongs.append(Wrong(f"{mail.name} got before what comes before it", early))
    return verdict(
        "order of each visit",
        wrongs,
        f"In each of {lines:,} lines (a visit, seat or slot at an endpoint; the longest of "
        f"{longest:,} events) the first deliveries came in order, without a gap.",
    )


def _too_early(mail: _Mail, line_of: dict[str, list[Committed]]) -> Iterator[str]:
    # How many of a line have been taken, from its beginning.
    done: defaultdict[str, int] = defaultdict(int)
    for each in mail.received:
        event = mail.wanted.get(each.event_id)
        if event is None:
            continue
        line = line_of[event.entity_id]
        place = next(n for n, other in enumerate(line) if other.event_id == each.event_id)
        if place > done[event.entity_id]:
            before = line[done[event.entity_id]]
            yield (
                f"{each.event_id} (event {event.sequence} of {event.entity_id}, "
                f"event {before.sequence} not yet taken)"
            )
        elif place == done[event.entity_id] and each.is_taken:
            done[event.entity_id] += 1


def _attempts_rise(mails: Iterable[_Mail]) -> Check:
    wrongs, most, again = [], 0, 0
    for mail in mails:
        last: defaultdict[str, int] = defaultdict(int)
        falling = []
        for each in mail.received:
            if each.attempt <= last[each.event_id]:
                before = last[each.event_id]
                falling.append(f"{each.event_id} (attempt {each.attempt} after {before})")
            last[each.event_id] = each.attempt
        most = max(most, *last.values(), 0)
        again += len(mail.received) - len(last)
        wrongs.append(Wrong(f"{mail.name} got with an attempt that does not rise", falling))
    return verdict(
        "attempts counted",
        wrongs,
        f"Over {again:,} repeated requests the id stayed and the attempt rose, up to {most}.",
    )
