"""The zone files of the `tzdata` package, read by ourselves (RFC 8536): a second opinion.

The service reads them through `zoneinfo`. Here the bytes are unpacked and the rule for the years to
come is worked out, so that neither `zoneinfo` nor our own search for changes is believed.
"""

import re
from bisect import bisect_right
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from struct import calcsize, unpack_from

HEADER = ">4sc15x6L"
LAST_YEAR = 2040
HOUR = 3600
NAME = r"(?:<[^>]+>|[A-Za-z]+)"
CLOCK = r"[+-]?\d+(?::\d+){0,2}"
FOOTER = re.compile(
    rf"{NAME}({CLOCK})(?:{NAME}({CLOCK})?,M(\d+)\.(\d)\.(\d)(?:/({CLOCK}))?"
    rf",M(\d+)\.(\d)\.(\d)(?:/({CLOCK}))?)?"
)


class ZoneFile:
    """A zone's changes of offset, as seconds since 1970 and seconds ahead of UTC."""

    def __init__(self, name: str) -> None:
        zones = resources.files("tzdata").joinpath("zoneinfo")
        data = zones.joinpath(*name.split("/")).read_bytes()
        first = _skipped(data, 0, seconds=4)
        magic, _, utc, standard, leaps, times, types, letters = unpack_from(HEADER, data, first)
        assert magic == b"TZif"
        at = first + calcsize(HEADER)
        self._at = list(unpack_from(f">{times}q", data, at))
        kinds = data[at + 8 * times : at + 9 * times]
        table = at + 9 * times
        offsets = [unpack_from(">lBB", data, table + 6 * n)[0] for n in range(types)]
        self._offsets = [offsets[0], *(offsets[kind] for kind in kinds)]
        end = table + 6 * types + letters + 12 * leaps + standard + utc
        for instant, offset in _to_come(data[end:].decode().strip()):
            if not self._at or instant > self._at[-1]:
                self._at.append(instant)
                self._offsets.append(offset)

    def offset_at(self, instant: datetime) -> timedelta:
        """How far a wall clock in the zone is ahead of UTC at that instant."""
        return timedelta(seconds=self._offsets[bisect_right(self._at, instant.timestamp())])

    def wall(self, instant: datetime) -> datetime:
        """What a wall clock in the zone shows at that instant."""
        return instant.replace(tzinfo=None) + self.offset_at(instant)

    def changes(self, first_year: int, last_year: int) -> list[datetime]:
        """The instants of those years at which the clock is put forward or back."""
        moved = [
            at
            for at, (old, new) in zip(self._at, pairwise(self._offsets), strict=True)
            if old != new
        ]
        instants = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at) for at in moved]
        return [at for at in instants if first_year <= at.year <= last_year]


@cache
def zone_file(name: str) -> ZoneFile:
    return ZoneFile(name)


def _skipped(data: bytes, at: int, *, seconds: int) -> int:
    """Where the block that starts at `at`, its times of that many bytes, ends."""
    _, _, utc, standard, leaps, times, types, letters = unpack_from(HEADER, data, at)
    each = times * (seconds + 1) + types * 6 + letters + leaps * (seconds + 4) + standard + utc
    return at + calcsize(HEADER) + int(each)


def _to_come(footer: str) -> list[tuple[int, int]]:
    """The changes that the file's last line rules for the years after those it lists."""
    said = FOOTER.fullmatch(footer)
    assert said is not None, footer
    if said[3] is None:
        return []
    standard = -_seconds(said[1])
    summer = -_seconds(said[2]) if said[2] else standard + HOUR
    found = []
    for year in range(1990, LAST_YEAR + 1):
        begins = _day(year, *(int(n) for n in said.group(3, 4, 5)))
        ends = _day(year, *(int(n) for n in said.group(7, 8, 9)))
        found.append((begins + _seconds(said[6] or "2") - standard, summer))
        found.append((ends + _seconds(said[10] or "2") - summer, standard))
    return sorted(found)


def _day(year: int, month: int, week: int, weekday: int) -> int:
    """Seconds from 1970 to the midnight of a month's nth weekday (0 Sunday); the 5th is the last."""
    first = date(year, month, 1)
    day = 1 + (weekday - first.isoweekday()) % 7 + 7 * (week - 1)
    while day > monthrange(year, month)[1]:
        day -= 7
    return (date(year, month, day) - date(1970, 1, 1)).days * 24 * HOUR


def _seconds(clock: str) -> int:
    sign = -1 if clock.startswith("-") else 1
    parts = [int(part) for part in clock.lstrip("+-").split(":")] + [0, 0]
    return sign * (parts[0] * HOUR + parts[1] * 60 + parts[2])
