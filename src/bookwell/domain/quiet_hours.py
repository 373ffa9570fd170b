"""The hours in which a brand sends nobody anything, by the clock on the patient's own wall."""

from datetime import datetime, time, timedelta, tzinfo

from msgspec import Struct

from bookwell.domain.errors import InvalidInput
from bookwell.domain.intervals import Interval
from bookwell.domain.wall_time import DAY, MIDNIGHT, intervals_on

# A day needs some time in which people can be reminded at all.
QUIET_HOURS_MAX = timedelta(hours=20)
# What a brand has before it says anything: they are off, and would be a usual night.
USUAL_FROM, USUAL_UNTIL = time(21), time(8)


class QuietHours(Struct, frozen=True, kw_only=True):
    """From `wall_from` until `wall_until` of each day, over midnight where that is earlier.

    `version` is 1 while nobody has set them; then `updated_at` is None.
    """

    brand_id: str
    wall_from: time = USUAL_FROM
    wall_until: time = USUAL_UNTIL
    is_on: bool = False
    updated_at: datetime | None = None
    version: int = 1

    def check(self) -> None:
        """Raise InvalidInput unless they last from a moment to `QUIET_HOURS_MAX`."""
        length = (_since_midnight(self.wall_until) - _since_midnight(self.wall_from)) % DAY
        if not timedelta(0) < length <= QUIET_HOURS_MAX:
            raise InvalidInput(
                "end_time must be another than start_time, and "
                f"{QUIET_HOURS_MAX // timedelta(hours=1)} hours later at most.",
                field="end_time",
            )

    def around(self, instant: datetime, zone: tzinfo) -> Interval | None:
        """The quiet stretch that the instant lies in; None where it lies in none, or they are off.

        The stretch is what the clock shows: an hour that comes twice is quiet twice.
        """
        stretches = self.near(instant, zone)
        return next((each for each in stretches if each.starts_at <= instant < each.ends_at), None)

    def near(self, instant: datetime, zone: tzinfo) -> list[Interval]:
        """The quiet stretches of the days around the instant, in order, none touching another."""
        if not self.is_on:
            return []
        today = instant.astimezone(zone).date()
        found: list[Interval] = []
        for days in range(-2, 3):
            day = today + timedelta(days=days)
            if self.wall_from < self.wall_until:
                found += intervals_on(day, self.wall_from, self.wall_until, zone)
            else:
                if self.wall_until != MIDNIGHT:
                    found += intervals_on(day, MIDNIGHT, self.wall_until, zone)
                found += intervals_on(day, self.wall_from, MIDNIGHT, zone)
        return _joined(sorted(found))


def _since_midnight(wall: time) -> timedelta:
    return timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second)


def _joined(stretches: list[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for each in stretches:
        if joined and each.starts_at <= joined[-1].ends_at:
            ends_at = max(joined[-1].ends_at, each.ends_at)
            joined[-1] = Interval(joined[-1].starts_at, ends_at)
        else:
            joined.append(each)
    return joined
