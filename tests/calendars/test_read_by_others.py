"""Each file means the same to the icalendar library and to khal, to the second, wherever they are.

Around clock changes, over whole days, with names that try to break out of their line.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest

from agenda import Khal, Read, by_icalendar, feed_of, fetched, khal_in
from bookwell.domain.calendars import on_one_line
from clinic import Clinic
from world import LOOP

# One whose clock goes by half an hour, one west of Greenwich, one that never changes among them.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
]


@pytest.fixture
def khal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Khal]:
    """A khal that lives where its test says."""
    with khal_in(tmp_path / "khal", request.param) as khal:
        yield khal


def clock_changes(zone: str) -> list[datetime]:
    """When the zone's clock changes in the next year, as the zone data has it."""
    hour = timedelta(hours=1)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=5)
    hours = [first + number * hour for number in range(24 * 365)]
    offset = ZoneInfo(zone).utcoffset
    local = [offset(each.astimezone(ZoneInfo(zone))) for each in hours]
    return [hours[at] for at in range(1, len(hours)) if local[at] != local[at - 1]]


def booked(visit: dict[str, Any], brand: str = "Loop") -> Read:
    """The visit as every reader should have it."""
    return Read(
        uid=f"{visit['id']}@bookwell",
        summary=f"Visit ({brand})",
        starts_at=datetime.fromisoformat(visit["start_time"]),
        ends_at=datetime.fromisoformat(visit["end_time"]),
        status="CONFIRMED",
    )


@pytest.mark.parametrize(
    ("khal", "change"), [(zone, at) for zone in ZONES[:3] for at in (0, 1)], indirect=["khal"]
)
def test_visits_around_a_clock_change_are_read_to_the_second(
    clinic: Clinic, khal: Khal, change: int
) -> None:
    changes_at = clock_changes(khal.zone)[change]
    provider_id = clinic.provider()
    starts = [changes_at + timedelta(minutes=each) for each in (-90, -60, -30, 0, 30, 60, 90)]
    slots = [clinic.slot(each, provider_id=provider_id) for each in starts]
    expected = [booked(clinic.visit(slot)) for slot in slots]

    content = fetched(clinic, feed_of(clinic, provider_id=provider_id)).content

    assert by_icalendar(content) == expected
    assert khal.takes(content, day=changes_at) == expected


@pytest.mark.parametrize(
    ("khal", "change"), [(zone, at) for zone in ZONES[:3] for at in (0, 1)], indirect=["khal"]
)
def test_a_visit_of_a_day_over_a_clock_change_lasts_24_hours(
    clinic: Clinic, khal: Khal, change: int
) -> None:
    changes_at = clock_changes(khal.zone)[change]
    provider_id = clinic.provider()
    starts_at = changes_at - timedelta(hours=11, minutes=30)
    slot = clinic.slot(starts_at, 24 * 60, provider_id=provider_id)
    expected = [booked(clinic.visit(slot))]

    content = fetched(clinic, feed_of(clinic, provider_id=provider_id)).content

    assert expected[0].ends_at - expected[0].starts_at == timedelta(hours=24)
    assert by_icalendar(content) == expected
    assert khal.takes(content, day=changes_at) == expected


@pytest.mark.parametrize("khal", ZONES, indirect=True)
def test_every_hour_of_a_day_is_read_to_the_second(clinic: Clinic, khal: Khal) -> None:
    day = clinic.new_time() + timedelta(days=20)
    provider_id = clinic.provider()
    starts = [day + timedelta(hours=each, seconds=each * 59) for each in range(24)]
    slots = [clinic.slot(each, 30, provider_id=provider_id) for each in starts]
    expected = [booked(clinic.visit(slot)) for slot in slots]

    content = fetched(clinic, feed_of(clinic, provider_id=provider_id)).content

    assert by_icalendar(content) == expected
    assert khal.takes(content, day=day) == expected


@pytest.mark.parametrize("khal", ["Europe/Berlin"], indirect=True)
def test_a_file_of_one_visit_is_the_visit_of_the_feed(clinic: Clinic, khal: Khal) -> None:
    visit = clinic.visit()

    content = clinic.get(f"/v1/visits/{visit['id']}/calendar.ics").content

    assert by_icalendar(content) == [booked(visit)]
    assert khal.takes(content, day=booked(visit).starts_at) == [booked(visit)]


@pytest.mark.parametrize("khal", ["America/New_York"], indirect=True)
def test_a_visit_that_moved_and_one_that_was_cancelled_are_what_they_were(
    clinic: Clinic, khal: Khal
) -> None:
    visit = clinic.visit()
    path = f"/v1/visits/{visit['id']}"
    first = clinic.get(f"{path}/calendar.ics").content
    khal.takes(first, day=booked(visit).starts_at)
    moved = clinic.post(f"{path}/reschedule", {"new_slot_id": clinic.slot()}).json()

    second = clinic.get(f"{path}/calendar.ics").content

    assert khal.takes(second, day=booked(moved).starts_at) == [booked(moved)]
    assert by_icalendar(second)[0].uid == by_icalendar(first)[0].uid
    clinic.post(f"{path}/cancel")
    third = clinic.get(f"{path}/calendar.ics").content
    (cancelled,) = khal.takes(third, day=booked(moved).starts_at)
    assert (cancelled.uid, cancelled.status) == (booked(moved).uid, "CANCELLED")


HOSTILE = [
    r"Loop, Inc.; a \ clinic: the best",
    "Loop\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:Oncology",
    "Loop\r\nATTACH:https://elsewhere.example",
    "Loop\rX-EVIL:1\x0bone\x0ctwo\x85three\u2028four\u2029five",
    "\u202eLoop\u2066\ufeff",
    "\\n\\, \\; \\\\ \"quoted\" 'so' %0d%0a ^n",
    "Praxis für Hämatologie " * 8,
    "診療所" * 60,
    "👩🏽‍⚕️🏥" * 30,
    "x" * 200,
    "\u06a9\u0644\u06cc\u0646\u06cc\u06a9 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("khal", ["Europe/Berlin"], indirect=True)
def test_a_name_stays_on_its_line_whatever_it_says(clinic: Clinic, khal: Khal, name: str) -> None:
    visit = clinic.visit()
    clinic.world.sql("UPDATE booking.brand SET name = %s WHERE brand_id = %s", name, LOOP)
    expected = booked(visit, on_one_line(name))
    try:
        content = clinic.get(f"/v1/visits/{visit['id']}/calendar.ics").content
    finally:
        clinic.world.sql("UPDATE booking.brand SET name = 'Loop' WHERE brand_id = %s", LOOP)

    assert by_icalendar(content) == [expected]
    assert khal.takes(content, day=expected.starts_at) == [expected]
    calendar = icalendar.Calendar.from_ical(content)
    for property_name in ("NAME", "X-WR-CALNAME"):
        assert unescaped(lines_of(content)[property_name]) == on_one_line(name)
    (event,) = calendar.subcomponents
    assert {*event} == {
        *("UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE", "DTSTART", "DTEND"),
        *("STATUS", "SUMMARY", "CLASS", "TRANSP"),
    }
    assert_well_formed(content)


@pytest.mark.parametrize("name", [r"Praxis\Nord", r"a\nb\\Nc, \;d\,", "\\"])
def test_a_backslash_is_a_backslash_whatever_follows_it(clinic: Clinic, name: str) -> None:
    """Read by the RFC alone: the icalendar library takes `\\\\N` for the end of a line."""
    visit = clinic.visit()
    clinic.world.sql("UPDATE booking.brand SET name = %s WHERE brand_id = %s", name, LOOP)
    try:
        content = clinic.get(f"/v1/visits/{visit['id']}/calendar.ics").content
    finally:
        clinic.world.sql("UPDATE booking.brand SET name = 'Loop' WHERE brand_id = %s", LOOP)

    (summary,) = re.findall(rb"\r\nSUMMARY:(.*)\r\n", content)
    assert unescaped(summary.decode()) == f"Visit ({name})"
    assert unescaped(lines_of(content)["NAME"]) == name


def lines_of(content: bytes) -> dict[str, str]:
    """The calendar's own properties as they are written, unfolded (RFC 5545 section 3.1)."""
    unfolded = content.replace(b"\r\n ", b"").decode().split("\r\n")
    head = unfolded[: unfolded.index("BEGIN:VEVENT")]
    return {line.partition(":")[0]: line.partition(":")[2] for line in head}


def unescaped(text: str) -> str:
    """What a TEXT says (RFC 5545 section 3.3.11), which has to be escaped as it should."""
    escaped = re.compile(r"\\[\\;,]|\\[nN]|[^\\;,]")
    assert "".join(escaped.findall(text)) == text
    return escaped.sub(lambda each: "\n" if each[0][1:] in ("n", "N") else each[0][-1], text)


def assert_well_formed(content: bytes) -> None:
    """Lines end in CRLF and nothing else breaks one; none is longer than 75 octets, cut between
    characters and not within one (RFC 5545 section 3.1)."""
    *lines, last = content.split(b"\r\n")
    assert last == b""
    for line in lines:
        assert len(line) <= 75, line
        text = line.decode()
        assert text.isprintable() or all(each in "\u200c\u200d\ufe0f" for each in unprintable(text))


def unprintable(text: str) -> list[str]:
    return [each for each in text if not each.isprintable()]


def test_a_name_of_one_line_is_left_as_it_is() -> None:
    assert on_one_line("Praxis für Alle, Nr. 1") == "Praxis für Alle, Nr. 1"
    assert on_one_line("a\r\n\r\nb\t c") == "a b c"


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\u2695\ufe0f"]
)
def test_what_joins_letters_and_emoji_stays_between_them(name: str) -> None:
    assert on_one_line(name) == name


@pytest.mark.parametrize("khal", ["Europe/Berlin"], indirect=True)
def test_a_calendar_in_which_nothing_stands_is_a_whole_file_too(clinic: Clinic, khal: Khal) -> None:
    """With one component, which RFC 5545 section 3.6 wants of each."""
    feed = feed_of(clinic, provider_id=clinic.provider())

    content = fetched(clinic, feed).content

    calendar = icalendar.Calendar.from_ical(content)
    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE"]
    assert calendar.walk("VTIMEZONE")[0]["TZID"] == "Etc/UTC"
    assert by_icalendar(content) == khal.takes(content, day=datetime.now(UTC)) == []
    assert_well_formed(content)
