"""Calendars as files (RFC 5545, RFC 7986), written by the icalendar library.

They have no METHOD: a file with METHOD:PUBLISH would need an ORGANIZER (RFC 5546 section 3.2.1),
and that is an address of somebody. Without METHOD, DTSTAMP is when the entry last changed (RFC 5545
section 3.8.7.2), so the same calendar is the same file however often it is written.
"""

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import icalendar
import msgspec

from bookwell.domain.calendars import (
    REFRESH_INTERVAL,
    STATUS,
    Calendar,
    CalendarEntry,
    EntryKind,
    EntryStatus,
    on_one_line,
)

# Litestar adds the charset.
MEDIA_TYPE = "text/calendar"
PRODID = "-//bookwell//bookwell//EN"
# Behind the @ of a UID: a name of no machine, so that a move to another host changes no UID.
UID_DOMAIN = "bookwell"
IS_CUT = "The earliest entries of this calendar are left out, because there are too many."
# Raised whenever the same calendar is written in another way, so that its ETag is another.
_EDITION: Final = 2

_TITLES = {
    EntryKind.VISIT: "Visit",
    EntryKind.SEAT: "Office hour",
    EntryKind.SESSION: "Office hour",
}
# The library takes a quarter of a millisecond for an entry, and most of a calendar is as it was a
# quarter of an hour ago. What is kept of so many is some 15 MB.
_KEPT_MAX = 16_384
# After so many entries, whoever else waits for this worker has a turn.
_SLICE = 20

_ESCAPED = re.compile(r"[\\;,]")
_END = b"END:VCALENDAR\r\n"


class _Text(icalendar.vText):
    """A TEXT of one line, escaped by RFC 5545 section 3.3.11.

    The library does not escape what it does not know to be TEXT, such as NAME, and takes a
    backslash before an N for the end of a line.
    """

    def to_ical(self) -> bytes:
        return _ESCAPED.sub(r"\\\g<0>", self).encode()


def etag_of(calendar: Calendar, join_url: str | None) -> str:
    """A strong entity tag (RFC 9110 section 8.8.3) of the file, without writing it.

    It is made of everything that the file is made of.
    """
    content = msgspec.msgpack.encode((_EDITION, join_url, calendar))
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


async def write(calendar: Calendar, join_url: str | None) -> bytes:
    """The calendar as a file. `join_url` has `{visit_id}` where a visit's id belongs."""
    head = _head(calendar)
    written = [head.to_ical().removesuffix(_END)]
    for number, entry in enumerate(calendar.entries, 1):
        written.append(_event(entry, calendar.brand_name, join_url))
        if number % _SLICE == 0:
            await asyncio.sleep(0)
    written.append(_END)
    return b"".join(written)


def _head(calendar: Calendar) -> icalendar.Calendar:
    name = on_one_line(calendar.brand_name)
    head = icalendar.Calendar()
    head.add("PRODID", PRODID)
    head.add("VERSION", "2.0")
    head.add("CALSCALE", "GREGORIAN")
    head.add("NAME", _Text(name))
    head.add("X-WR-CALNAME", _Text(name))
    if calendar.is_cut:
        head.add("DESCRIPTION", _Text(IS_CUT))
    head.add(
        "REFRESH-INTERVAL",
        icalendar.vDuration(REFRESH_INTERVAL),
        parameters={"VALUE": "DURATION"},
    )
    # What Outlook knows it by.
    head.add("X-PUBLISHED-TTL", icalendar.vDuration(REFRESH_INTERVAL))
    if not calendar.entries:
        head.add_component(_utc())
    return head


def _utc() -> icalendar.Timezone:
    """The zone that all times here are in, for a calendar in which nothing else stands.

    RFC 5545 section 3.6 wants one component at least, and some readers refuse a file without.
    """
    zone = icalendar.Timezone()
    zone.add("TZID", "Etc/UTC")
    observance = icalendar.TimezoneStandard()
    observance.add("DTSTART", datetime(1970, 1, 1))  # noqa: DTZ001 - local time, as the RFC has it
    observance.add("TZOFFSETFROM", timedelta(0))
    observance.add("TZOFFSETTO", timedelta(0))
    observance.add("TZNAME", "UTC")
    zone.add_component(observance)
    return zone


@lru_cache(maxsize=_KEPT_MAX)
def _event(entry: CalendarEntry, brand_name: str, join_url: str | None) -> bytes:
    status = STATUS[entry.status]
    event = icalendar.Event()
    event.add("UID", f"{entry.entry_id}@{UID_DOMAIN}")
    event.add("DTSTAMP", _second(entry.updated_at))
    event.add("CREATED", _second(entry.created_at))
    event.add("LAST-MODIFIED", _second(entry.updated_at))
    event.add("SEQUENCE", entry.sequence)
    event.add("DTSTART", _second(entry.starts_at))
    event.add("DTEND", _second(entry.ends_at))
    event.add("STATUS", status)
    event.add("SUMMARY", _Text(f"{_TITLES[entry.kind]} ({on_one_line(brand_name)})"))
    event.add("CLASS", "PRIVATE")
    event.add("TRANSP", "TRANSPARENT" if status is EntryStatus.CANCELLED else "OPAQUE")
    if entry.kind is EntryKind.SESSION:
        event.add("DESCRIPTION", _Text(f"Seats taken: {entry.seats_taken} of {entry.capacity}"))
    if entry.kind is EntryKind.VISIT and join_url and status is not EntryStatus.CANCELLED:
        link = join_url.replace("{visit_id}", entry.entry_id)
        event.add("URL", link)
        # Most calendars show this and not that.
        event.add("DESCRIPTION", _Text(link))
    written: bytes = event.to_ical()
    return written


def _second(instant: datetime) -> datetime:
    """In UTC and without the fraction of a second, which a calendar cannot say."""
    return instant.astimezone(UTC).replace(microsecond=0)
