from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.domain.errors import InvalidInput
from bookwell.domain.licences import Licence, Stay, checked_stays

NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Kathmandu")


def licence(valid_from: date | None, valid_until: date | None, time_zone: str = "UTC") -> Licence:
    return Licence(
        licence_id="lic_1",
        brand_id="loop",
        provider_id="prv_kim",
        region="DE",
        valid_from=valid_from,
        valid_until=valid_until,
        time_zone=time_zone,
        created_at=NOON,
    )


@given(
    first=st.dates(date(1995, 1, 1), date(2090, 1, 1)),
    length=st.integers(0, 800),
    zone=st.sampled_from(ZONES),
    probe=st.integers(-60, 60),
)
def test_a_licence_holds_exactly_while_a_wall_clock_shows_one_of_its_days(
    first: date, length: int, zone: str, probe: int
) -> None:
    last = first + timedelta(days=length)
    checked = licence(first, last, zone)
    checked.check()
    starts_at, ends_at = checked.starts_at, checked.ends_at

    assert starts_at is not None
    assert ends_at is not None
    for bound in (starts_at, ends_at):
        for instant in (bound, bound - timedelta(seconds=1), bound + timedelta(hours=probe)):
            shown = instant.astimezone(ZoneInfo(zone)).date()
            assert (starts_at <= instant < ends_at) == (first <= shown <= last)


def test_a_licence_without_days_has_no_bounds() -> None:
    unbound = licence(None, None)
    unbound.check()

    assert (unbound.starts_at, unbound.ends_at) == (None, None)


def test_a_day_that_a_zone_skipped_begins_and_ends_where_it_was_left_out() -> None:
    """Samoa went over the date line and had no 30 December 2011."""
    skipped, at = date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)

    bounds = licence(skipped, skipped, "Pacific/Apia")

    assert (bounds.starts_at, bounds.ends_at) == (at, at)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("valid_until", licence(date(2027, 1, 2), date(2027, 1, 1))),
        ("time_zone", licence(None, None, "Mars/Olympus")),
    ],
)
def test_a_licence_that_cannot_be_is_refused_by_the_fields_name(field: str, wrong: Licence) -> None:
    with pytest.raises(InvalidInput) as refused:
        wrong.check()

    assert refused.value.facts == {"field": field}


hours = st.none() | st.integers(-5, 5).map(lambda hour: NOON + timedelta(hours=hour))
stays = st.builds(Stay, region=st.sampled_from(["DE", "FR"]), starts_at=hours, ends_at=hours)


@given(st.lists(stays, max_size=5))
def test_stays_are_let_through_exactly_where_nobody_is_twice_at_once(said: list[Stay]) -> None:
    half_hours = [NOON + timedelta(minutes=30 * number) for number in range(-12, 13)]

    def is_in(stay: Stay, instant: datetime) -> bool:
        return (stay.starts_at is None or stay.starts_at <= instant) and (
            stay.ends_at is None or instant < stay.ends_at
        )

    is_empty = any(not any(is_in(stay, at) for at in half_hours) for stay in said)
    is_twice = any(sum(is_in(stay, at) for stay in said) > 1 for at in half_hours)

    try:
        checked = checked_stays(said)
    except InvalidInput as refusal:
        assert is_empty or is_twice
        number = int(refusal.facts["field"].removeprefix("regions[").partition("]")[0])
        assert 0 <= number < len(said)
    else:
        assert not is_empty
        assert not is_twice
        assert sorted(map(str, checked)) == sorted(map(str, said))
        assert [each.starts_at for each in checked[1:]] == sorted(
            each.starts_at for each in checked[1:] if each.starts_at is not None
        )
