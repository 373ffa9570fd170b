"""Lists: every item on exactly one page, in order, while others add to them (CONTRACT.md section 1)."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from clinic import Clinic, Patient
from envelope import invalid, ok
from world import LOOP

# Far more than any list here has items.
PAGES_MAX = 400

Prepare = Callable[[Clinic], "Listed"]


@dataclass(frozen=True)
class Listed:
    """A list with seven items: where it is, how its items are told apart, how it grows."""

    path: str
    items: str
    token: str
    query: dict[str, str]
    key: Callable[[dict[str, Any]], Any]
    more: Callable[[], object]
    is_descending: bool = False


def visits(clinic: Clinic) -> Listed:
    patient = clinic.patient()

    def more() -> object:
        return clinic.visit(patient_id=patient.patient_id)

    return _seven(
        Listed(
            "/v1/visits",
            "visits",
            clinic.world.staff,
            {"brand_id": LOOP, "patient_id": patient.patient_id},
            lambda visit: (visit["start_time"], visit["id"]),
            more,
            is_descending=True,
        )
    )


def slots(clinic: Clinic) -> Listed:
    person = clinic.provider()
    starts_at = clinic.new_time()

    def more() -> object:
        return clinic.slot(starts_at, provider_id=person)  # all at one time: the id decides

    return _seven(
        Listed(
            f"/v1/providers/{person}/slots",
            "slots",
            clinic.world.staff,
            {"brand_id": LOOP},
            lambda slot: (slot["start_time"], slot["id"]),
            more,
        )
    )


def sessions(clinic: Clinic) -> Listed:
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="09:35:00", duration_minutes=5)

    hours = iter(range(11, 23))

    def more() -> object:
        hour = next(hours)
        return clinic.office_hour(coach, start_time=f"{hour}:00", end_time=f"{hour + 1}:00")

    return Listed(
        f"/v1/coaches/{coach}/slots",
        "slots",
        clinic.world.staff,
        {"to": (clinic.world.day + timedelta(days=7)).isoformat()},
        lambda session: session["slot_at"],
        more,
    )


def office_hours(clinic: Clinic) -> Listed:
    coach = clinic.provider(kind="coach")
    return _seven(
        Listed(
            f"/v1/coaches/{coach}/office-hours",
            "office_hours",
            clinic.world.staff,
            {},
            lambda rule: rule["id"],
            lambda: clinic.office_hour(coach),
        )
    )


def bookings(clinic: Clinic) -> Listed:
    patient: Patient = clinic.patient()
    coach = clinic.provider(kind="coach")
    clinic.office_hour(coach, end_time="12:00")
    return _seven(
        Listed(
            "/v1/bookings/me",
            "bookings",
            patient.token,
            {},
            lambda booking: (booking["slot_at"], booking["id"]),
            lambda: clinic.seat(patient, coach),
            is_descending=True,
        )
    )


def providers(clinic: Clinic) -> Listed:
    return _of_a_new_brand(clinic, "providers", clinic.provider)


def patients(clinic: Clinic) -> Listed:
    return _of_a_new_brand(clinic, "patients", clinic.patient)


def tokens(clinic: Clinic) -> Listed:
    return _of_a_new_brand(
        clinic, "tokens", lambda brand_id: clinic.token("staff", "somebody", brand_id=brand_id)
    )


def brands(clinic: Clinic) -> Listed:
    return _seven(
        Listed(
            "/v1/admin/brands",
            "brands",
            clinic.world.platform,
            {},
            lambda brand: brand["id"],
            lambda: _new_brand(clinic),
        )
    )


def _of_a_new_brand(clinic: Clinic, items: str, add: Callable[[str], object]) -> Listed:
    brand_id = _new_brand(clinic)
    return _seven(
        Listed(
            f"/v1/admin/{items}",
            items,
            clinic.world.platform,
            {"brand_id": brand_id},
            lambda item: item["id"],
            lambda: add(brand_id),
        )
    )


def _new_brand(clinic: Clinic) -> str:
    brand_id = clinic.new_id("b").replace("_", "-")
    clinic.world.sql("INSERT INTO booking.brand (brand_id, name) VALUES (%s, 'N')", brand_id)
    return brand_id


def _seven(listed: Listed) -> Listed:
    for _ in range(7):
        listed.more()
    return listed


LISTS: list[Prepare] = [
    visits,
    slots,
    sessions,
    office_hours,
    bookings,
    providers,
    patients,
    tokens,
    brands,
]


def pages(clinic: Clinic, listed: Listed, limit: int) -> Iterator[dict[str, Any]]:
    """Every page of the list, from the first."""
    query: dict[str, object] = {**listed.query, "limit": limit}
    for _ in range(PAGES_MAX):
        page = ok(clinic.get(listed.path, token=listed.token, **query))
        yield page
        if "next_cursor" not in page:
            return
        query["cursor"] = page["next_cursor"]
    raise AssertionError("the pages never end")


def whole(clinic: Clinic, listed: Listed) -> list[dict[str, Any]]:
    """The list on one page."""
    page = ok(clinic.get(listed.path, token=listed.token, **listed.query, limit=1000))
    assert "next_cursor" not in page
    items: list[dict[str, Any]] = page[listed.items]
    return items


@pytest.mark.parametrize("prepare", LISTS)
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_hold_every_item_once_and_in_order(
    clinic: Clinic, prepare: Prepare, limit: int
) -> None:
    listed = prepare(clinic)
    everything = whole(clinic, listed)

    found = [page[listed.items] for page in pages(clinic, listed, limit)]

    assert [item for page in found for item in page] == everything
    assert {len(page) for page in found[:-1]} <= {limit}
    assert 1 <= len(found[-1]) <= limit, "a page is promised only where something is on it"
    keys = [listed.key(item) for item in everything]
    assert keys == sorted(keys, reverse=listed.is_descending)
    assert len(keys) >= 7


@pytest.mark.parametrize("prepare", LISTS)
def test_a_page_that_just_fits_promises_no_other(clinic: Clinic, prepare: Prepare) -> None:
    listed = prepare(clinic)
    number = len(whole(clinic, listed))

    def asked_for(limit: int) -> dict[str, Any]:
        return ok(clinic.get(listed.path, token=listed.token, **listed.query, limit=limit))

    assert "next_cursor" not in asked_for(number)
    assert "next_cursor" in asked_for(number - 1)


@pytest.mark.parametrize("prepare", LISTS)
def test_what_is_added_meanwhile_neither_hides_nor_repeats_an_item(
    clinic: Clinic, prepare: Prepare
) -> None:
    listed = prepare(clinic)
    before = [listed.key(item) for item in whole(clinic, listed)]

    found = []
    for page in pages(clinic, listed, 2):
        found += [listed.key(item) for item in page[listed.items]]
        if len(found) <= 4:
            listed.more()

    assert [key for key in found if key in before] == before
    assert len(found) == len(set(found))


@pytest.mark.parametrize("prepare", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "1001", "abc", "1.5", "", "\uff19", "9" * 30])
def test_a_limit_that_is_none_is_refused_by_name(
    clinic: Clinic, prepare: Prepare, limit: str
) -> None:
    path, query, token = _address(clinic, prepare)

    invalid(clinic.get(path, token=token, **{**query, "limit": limit}), "limit")


def _cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


NO_CURSORS = {
    "empty": "",
    "a word": "zzz",
    "with NUL": "\x00",
    "no base64": "!!!!",
    "of numbers": _cursor([1, 2]),
    "of nothing": _cursor([]),
    "of words": _cursor(["a", "b"]),
    "of an object": _cursor({"a": 1}),
    "with NUL inside": _cursor(["2027-05-01T00:00:00Z", "a\x00b"]),
    "naive": _cursor(["2027-05-01T00:00:00", "a"]),
    "far away": _cursor(["0001-01-01T00:00:00+23:59", "a"]),
    "deep": _cursor([[[[[[]]]]]]),
    "long": "A" * 1_025,
    "no UTF-8": "_____w",
}


@pytest.mark.parametrize("prepare", [visits, slots, sessions, bookings])
@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_cursor_that_is_none_is_refused_by_name(
    clinic: Clinic, prepare: Prepare, cursor: str
) -> None:
    path, query, token = _address(clinic, prepare)

    invalid(clinic.get(path, token=token, **{**query, "cursor": NO_CURSORS[cursor]}), "cursor")


@pytest.mark.parametrize("prepare", [office_hours, providers, patients, tokens, brands])
@pytest.mark.parametrize(
    "cursor", ["", "zzz", "\x00", _cursor([1]), _cursor(["a\x00"]), _cursor(["a", "b"])]
)
def test_a_cursor_by_id_that_is_none_is_refused_by_name(
    clinic: Clinic, prepare: Prepare, cursor: str
) -> None:
    path, query, token = _address(clinic, prepare)

    invalid(clinic.get(path, token=token, **{**query, "cursor": cursor}), "cursor")


def _address(clinic: Clinic, prepare: Prepare) -> tuple[str, dict[str, str], str]:
    """Where the list is, with nothing made for it."""
    world = clinic.world
    addresses: dict[Prepare, tuple[str, dict[str, str], str]] = {
        visits: ("/v1/visits", {"brand_id": LOOP}, world.staff),
        slots: ("/v1/providers/prv_kim/slots", {"brand_id": LOOP}, world.staff),
        sessions: ("/v1/coaches/coach_jo/slots", {}, world.staff),
        office_hours: ("/v1/coaches/coach_jo/office-hours", {}, world.staff),
        bookings: ("/v1/bookings/me", {}, world.patient),
        providers: ("/v1/admin/providers", {}, world.admin),
        patients: ("/v1/admin/patients", {}, world.admin),
        tokens: ("/v1/admin/tokens", {}, world.admin),
        brands: ("/v1/admin/brands", {}, world.platform),
    }
    return addresses[prepare]


def test_a_page_has_100_items_where_nobody_says_otherwise(clinic: Clinic) -> None:
    person = clinic.provider()
    starts_at = clinic.new_time()
    clinic.world.sql(
        "INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)"
        " SELECT %s || number, 'loop', provider_no, %s, %s"
        " FROM booking.provider, generate_series(1, 101) AS number WHERE provider_id = %s",
        clinic.new_id("slt"),
        starts_at,
        starts_at + timedelta(hours=1),
        person,
    )

    page = ok(clinic.get(f"/v1/providers/{person}/slots", brand_id=LOOP))

    assert len(page["slots"]) == 100
    assert "next_cursor" in page


def test_of_two_limits_the_last_counts(clinic: Clinic) -> None:
    answer = clinic.get("/v1/visits?brand_id=loop&limit=5&limit=0")

    invalid(answer, "limit")


def test_visits_of_a_patient_are_theirs_alone(clinic: Clinic) -> None:
    ada, bob = clinic.patient(), clinic.patient()
    hers = clinic.visit(patient_id=ada.patient_id)
    clinic.visit(patient_id=bob.patient_id)

    def ids(token: str, **query: str) -> list[str]:
        found = ok(clinic.get("/v1/visits", token=token, brand_id=LOOP, **query))["visits"]
        return [visit["id"] for visit in found]

    assert ids(ada.token) == [hers["id"]]
    assert ids(ada.token, patient_id=ada.patient_id) == [hers["id"]]
    assert ids(ada.token, patient_id=bob.patient_id) == []
    assert ids(clinic.world.staff, patient_id=ada.patient_id) == [hers["id"]]
