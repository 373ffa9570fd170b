"""The log at its edges: every question of a place, a cursor, a limit and a filter at once."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from bookwell.http.events import POSITION_MAX
from bookwell.http.paging import write_cursor
from brand_logs import Brand, a_brand, settled
from clinic import Clinic
from envelope import invalid, ok, refused

CREATED, DELETED = "booking.slot.created.v1", "booking.slot.deleted.v1"
COUNT, GONE = 12, 3


@pytest.fixture
def brand(clinic: Clinic) -> Iterator[Brand]:
    """Twelve events of three slots, of two types in turn, whose first three are gone."""
    with a_brand(clinic) as brand:
        for number in range(COUNT):
            event_type = DELETED if number % 2 else CREATED
            slot = f"slt_{brand.brand_id}_{number % 3}"
            brand.clinic.world.sql(
                "INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence,"
                " occurred_at, data) VALUES (%s, %s, %s, %s, %s, '2026-01-01 12:00Z', '{}')",
                *(clinic.new_id("evt"), brand.brand_id, event_type, slot, number // 3 + 1),
            )
        settled(clinic)
        brand.sweep(GONE)
        yield brand


def cursor_at(place: int) -> str:
    cursor = write_cursor((str(place),))
    assert isinstance(cursor, str)
    return cursor


def test_whatever_is_asked_the_page_is_what_the_whole_log_has_of_it(brand: Brand) -> None:
    whole = ok(brand.get())["events"]
    slots = [None, f"slt_{brand.brand_id}_1", "slt_of_nobody"]
    types: list[list[str] | None] = [None, [CREATED], [DELETED], [CREATED, DELETED, CREATED]]
    places = [None, GONE, GONE + 1, COUNT - 1, COUNT]

    for after, slot, wanted, limit, is_cursor in itertools.product(
        places, slots, types, (1, 2, 1000), (False, True)
    ):
        if is_cursor and after is None:
            continue
        query: dict[str, Any] = {"visit_id": slot, "type": wanted, "limit": limit}
        query["cursor" if is_cursor else "after"] = (
            cursor_at(after) if is_cursor and after is not None else after
        )
        page = ok(brand.get(**{name: each for name, each in query.items() if each is not None}))
        expected = [
            event
            for event in whole
            if event["position"] > (after or 0)
            and (wanted is None or event["type"] in wanted)
            and (slot is None or (event["position"] % 3 == 2 and slot.endswith("_1")))
        ]
        assert page["events"] == expected[:limit], query
        is_cut = len(expected) >= limit
        assert page["next_after"] == (expected[limit - 1]["position"] if is_cut else COUNT), query
        assert ("next_cursor" in page) == (page["next_after"] < COUNT), query


@pytest.mark.parametrize("more", [{}, {"type": DELETED}, {"visit_id": "slt_of_nobody"}])
def test_a_cursor_that_the_log_cannot_go_on_from_is_refused_as_one(
    brand: Brand, more: dict[str, str]
) -> None:
    for place in (0, GONE - 1):
        refused(brand.get(cursor=cursor_at(place), **more), 410, "events_gone", kept_from=GONE + 1)
        refused(brand.get(after=place, **more), 410, "events_gone", kept_from=GONE + 1)
    for place in (COUNT + 1, POSITION_MAX):
        invalid(brand.get(cursor=cursor_at(place), **more), "cursor")
        invalid(brand.get(after=place, **more), "after")


def test_a_cursor_counts_and_not_the_place_beside_it(brand: Brand) -> None:
    """As a client has it that adds the cursor to the question it asked first."""
    page = ok(brand.get(after=0, cursor=cursor_at(COUNT - 1)))

    assert [event["position"] for event in page["events"]] == [COUNT]


def test_a_limit_that_is_none_is_refused_by_name(brand: Brand) -> None:
    for limit in ("0", "-1", "1001", "", "x", "1.5"):
        invalid(brand.get(limit=limit), "limit")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"visit_id": ""}, "visit_id"),
        ({"visit_id": "a b"}, "visit_id"),
        ({"visit_id": "a\x00"}, "visit_id"),
        ({"type": ""}, "type"),
        ({"type": [CREATED, ""]}, "type"),
        ({"type": f"{CREATED},{DELETED}"}, "type"),
        ({"after": POSITION_MAX + 1}, "after"),
        ({"cursor": cursor_at(10**16)}, "cursor"),
    ],
)
def test_a_question_that_is_none_is_refused_by_name(
    brand: Brand, query: dict[str, Any], field: str
) -> None:
    invalid(brand.get(**query), field)


def test_a_log_that_is_wholly_gone_goes_on_after_its_end(brand: Brand) -> None:
    brand.sweep(COUNT - GONE)

    assert ok(brand.get()) == ok(brand.get(after=COUNT)) == {"events": [], "next_after": COUNT}
    refused(brand.get(after=COUNT - 1), 410, "events_gone", kept_from=COUNT + 1)
    invalid(brand.get(after=COUNT + 1), "after")


def test_a_log_in_which_nothing_ever_was_begins_at_its_end(clinic: Clinic) -> None:
    with a_brand(clinic) as brand:
        nothing = {"events": [], "next_after": 0}

        assert ok(brand.get()) == ok(brand.get(after=0)) == nothing
        assert ok(brand.get(cursor=cursor_at(0), type=CREATED, visit_id="vis_none")) == nothing
        invalid(brand.get(after=1), "after")
