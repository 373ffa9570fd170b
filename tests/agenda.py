"""Calendars as others read them: the icalendar library, and khal, the command of a real calendar."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import icalendar

from clinic import Clinic
from envelope import ok

KHAL = Path(sys.executable).with_name("khal")
CONFIG = """\
[calendars]
[[clinic]]
path = {folder}/clinic
[locale]
timeformat = %H:%M:%S
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%dT%H:%M:%S%z
longdatetimeformat = %Y-%m-%dT%H:%M:%S%z
local_timezone = {zone}
default_timezone = {zone}
[default]
default_calendar = clinic
highlight_event_days = False
[sqlite]
path = {folder}/khal.db
"""
# A separator that stands in none of our files.
BETWEEN = " ~~ "


@dataclass(frozen=True)
class Read:
    """An event as one reader has it: what it is called, and from when to when, in UTC."""

    uid: str
    summary: str
    starts_at: datetime
    ends_at: datetime
    status: str


def by_icalendar(content: bytes) -> list[Read]:
    """The events as the icalendar library reads them, earliest first."""
    calendar = icalendar.Calendar.from_ical(content)
    return in_order(
        Read(
            uid=str(event["UID"]),
            summary=str(event["SUMMARY"]),
            starts_at=event.decoded("DTSTART"),
            ends_at=event.decoded("DTEND"),
            status=str(event["STATUS"]),
        )
        for event in calendar.walk("VEVENT")
    )


def in_order(events: Any) -> list[Read]:
    return sorted(events, key=lambda event: (event.starts_at, event.uid))


@contextmanager
def khal_in(folder: Path, zone: str) -> Iterator["Khal"]:
    """A khal with a calendar of its own, for somebody who lives in this zone."""
    folder.mkdir()
    (folder / "clinic").mkdir()
    (folder / "config").write_text(CONFIG.format(folder=folder, zone=zone))
    try:
        yield Khal(folder, zone)
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Khal:
    """The command, with a folder of its own."""

    folder: Path
    zone: str

    def takes(self, content: bytes, *, day: datetime) -> list[Read]:
        """Import the file, and list what it shows in the days around this one."""
        file = self.folder / "taken.ics"
        file.write_bytes(content)
        self._run("import", "--batch", "-a", "clinic", str(file))
        fields = ["uid", "title", "start", "end", "status"]
        form = BETWEEN.join(f"{{{field}}}" for field in fields)
        first = datetime.fromtimestamp(day.timestamp() - 2 * 86_400, UTC).strftime("%Y-%m-%d")
        listed = self._run(
            "list", "--once", "--notstarted", "--day-format", "", "--format", form, first, "6d"
        )
        lines = [line.split(BETWEEN) for line in listed.splitlines() if line]
        return in_order(self._read(*line) for line in lines)

    def _read(self, uid: str, summary: str, starts: str, ends: str, status: str) -> Read:
        return Read(uid, summary, self._instant(starts), self._instant(ends), status.strip())

    def _instant(self, wall: str) -> datetime:
        shown = datetime.fromisoformat(wall)
        assert shown.utcoffset() == shown.astimezone(ZoneInfo(self.zone)).utcoffset(), "local"
        return shown.astimezone(UTC)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(KHAL), "--config", str(self.folder / "config"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "TZ": self.zone},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def feed_of(clinic: Clinic, token: str | None = None, **owner: str) -> dict[str, Any]:
    """A new feed of this owner, with its address."""
    return ok(clinic.post("/v1/calendar-feeds", owner, token=token), 201)


def path_of(feed: dict[str, Any]) -> str:
    """The address without the host."""
    path: str = httpx.URL(feed["url"]).path
    return path


def fetched(clinic: Clinic, feed: dict[str, Any], **headers: str) -> httpx.Response:
    """What is answered to whoever has the address, and no token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return clinic.http.get(path_of(feed), headers=named)


def events_of(clinic: Clinic, feed: dict[str, Any]) -> list[icalendar.Component]:
    """The events in the calendar of this address."""
    answer = fetched(clinic, feed)
    assert answer.status_code == 200, answer.text
    return icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
