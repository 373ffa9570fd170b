"""/v1/visit-types: what a brand's visits are like, and how a provider's differ."""

from typing import Any

import httpx
import pytest

from administered import (
    PATH,
    SAID,
    UNSAID,
    add,
    as_for,
    change,
    override,
    post,
    retire,
    seen,
)
from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

# ------------------------------------------------------------------------------------ add and read


def test_a_type_of_which_only_the_length_is_said_asks_for_nothing_else(clinic: Clinic) -> None:
    visit_type = clinic.new_id("type")

    answer = post(clinic, {"id": visit_type, "name": "Follow-up"})

    added = ok(answer, 201)
    assert added == {
        "id": visit_type,
        "brand_id": LOOP,
        "name": "Follow-up",
        "duration_minutes": 30,
        "grid_minutes": 30,
        **UNSAID,
        "created_at": added["created_at"],
        "updated_at": added["created_at"],
        "version": 1,
    }
    assert answer.headers["ETag"] == '"1"'


def test_every_field_of_a_type_is_kept(clinic: Clinic) -> None:
    added = add(clinic, **SAID)

    read = clinic.get(f"{PATH}/{added['id']}", brand_id=LOOP)

    assert {name: added[name] for name in SAID} == SAID
    assert ok(read) == added
    assert read.headers["ETag"] == '"1"'
    assert seen(clinic, added["id"]) == added


@pytest.mark.parametrize("who", ["patient", "staff", "service"])
def test_everybody_of_the_brand_reads_its_types(clinic: Clinic, who: str) -> None:
    added = add(clinic)
    token = getattr(clinic.world, who)

    assert ok(clinic.get(f"{PATH}/{added['id']}", brand_id=LOOP, token=token)) == added
    listed = ok(clinic.get(PATH, brand_id=LOOP, token=token, limit=1000))["visit_types"]
    assert added in listed


def test_a_type_may_have_the_clinics_own_words_for_its_id(clinic: Clinic) -> None:
    words = f"Erst gespräch/{clinic.new_id('ö')}"

    added = add(clinic, words)

    path = f"{PATH}/{words.replace('/', '%2F').replace(' ', '%20')}"
    assert ok(clinic.get(path, brand_id=LOOP)) == added
    assert ok(clinic.call("DELETE", path, token=clinic.world.admin))["id"] == words


def test_another_brands_types_are_not_seen(clinic: Clinic) -> None:
    added = add(clinic)
    as_foreign = {"brand_id": LOOPBIO, "token": clinic.world.foreign_staff}

    unknown = f"{PATH}/never"
    refused(clinic.get(f"{PATH}/{added['id']}", **as_foreign), 404, "not_found")
    refused(clinic.get(unknown, **as_foreign), 404, "not_found")
    listed = ok(clinic.get(PATH, limit=1000, **as_foreign))["visit_types"]
    assert added["id"] not in {each["id"] for each in listed}


def test_an_id_is_taken_once_for_each_brand(clinic: Clinic) -> None:
    body: dict[str, object] = {"id": clinic.new_id("type")}
    theirs: dict[str, object] = {**body, "brand_id": LOOPBIO}

    first = post(clinic, body)
    again = post(clinic, {**body, "duration_minutes": 60})
    elsewhere = post(clinic, theirs, token=clinic.world.platform)

    ok(first, 201)
    refused(again, 409, "already_exists")
    assert ok(elsewhere, 201)["brand_id"] == LOOPBIO
    assert ok(clinic.get(f"{PATH}/{body['id']}", brand_id=LOOP))["duration_minutes"] == 30


def test_a_brand_that_does_not_exist_has_no_types(clinic: Clinic) -> None:
    answer = post(clinic, {"id": "t", "brand_id": "never"}, token=clinic.world.platform)

    refused(answer, 404, "not_found")


def test_only_administrators_say_what_visits_are_like(clinic: Clinic) -> None:
    added = add(clinic)
    everything = clinic.token("staff", "not-admin")

    for token in (everything, clinic.world.patient):
        refused(post(clinic, {"id": "t"}, token=token), 403, "insufficient_scope")
        for method, path in (
            ("PATCH", f"{PATH}/{added['id']}"),
            ("DELETE", f"{PATH}/{added['id']}"),
            ("PUT", f"/v1/providers/prv_kim/visit-types/{added['id']}"),
            ("DELETE", f"/v1/providers/prv_kim/visit-types/{added['id']}"),
        ):
            answer = clinic.call(method, path, None if method == "DELETE" else {}, token=token)
            refused(answer, 403, "insufficient_scope")


def test_types_are_listed_by_id_page_by_page(clinic: Clinic) -> None:
    prefix = clinic.new_id("page")
    ids = [add(clinic, f"{prefix}-{letter}")["id"] for letter in "bac"]
    token = clinic.world.staff

    everything = ok(clinic.get(PATH, brand_id=LOOP, limit=1000))["visit_types"]
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(clinic.get(PATH, brand_id=LOOP, limit=2, token=token, **cursor))
        found += page["visit_types"]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert found == everything
    assert [each["id"] for each in found if each["id"] in ids] == sorted(ids)


# --------------------------------------------------------------------------------------- bad input

WRONG: list[tuple[str, object]] = [
    ("id", ""),
    ("id", "x" * 129),
    ("id", "a\x00b"),
    ("id", None),
    ("name", ""),
    ("name", "x" * 201),
    ("name", None),
    *[(name, value) for name in ("duration_minutes", "grid_minutes") for value in (0, 1441, None)],
    *[(name, value) for name in ("patient_cap", "provider_day_cap") for value in (0, 1001, "2")],
    *[
        (name, value)
        for name in ("buffer_before_minutes", "buffer_after_minutes")
        for value in (-1, 1441, 1.5, True)
    ],
    *[
        (name, value)
        for name in (
            "notice_minutes",
            "cancel_late_minutes",
            "cancel_cutoff_minutes",
            "reschedule_late_minutes",
            "reschedule_cutoff_minutes",
        )
        for value in (-1, 525_601, None)
    ],
    ("horizon_days", 0),
    ("horizon_days", 1096),
    ("modality", "letter"),
    ("booked_by", "nobody"),
    ("licence_required", "yes"),
    ("patient_cap_period", "hour"),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", ""),
    ("time_zone", "x" * 65),
    ("late_cancel_price", 25),
]
WRONG_PRICES = [
    ("amount_minor", {"amount_minor": -1, "currency": "EUR"}),
    ("amount_minor", {"amount_minor": 100_000_001, "currency": "EUR"}),
    ("amount_minor", {"currency": "EUR"}),
    ("currency", {"amount_minor": 1, "currency": "eur"}),
    ("currency", {"amount_minor": 1, "currency": "EURO"}),
    ("currency", {"amount_minor": 1, "currency": "EU\n"}),
    ("currency", {"amount_minor": 1}),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_cannot_be_so_is_refused_by_its_name(
    clinic: Clinic, field: str, value: object
) -> None:
    visit_type = clinic.new_id("type")

    invalid(post(clinic, {"id": visit_type, field: value}), field)

    refused(clinic.get(f"{PATH}/{visit_type}", brand_id=LOOP), 404, "not_found")


@pytest.mark.parametrize(("field", "price"), WRONG_PRICES)
def test_a_price_that_is_none_is_refused_by_its_name(
    clinic: Clinic, field: str, price: object
) -> None:
    answer = post(clinic, {"id": "t", "late_cancel_price": price})

    invalid(answer, f"late_cancel_price.{field}")


@pytest.mark.parametrize(("field", "value"), [pair for pair in WRONG if pair[0] != "id"])
def test_a_change_to_what_cannot_be_so_changes_nothing(
    clinic: Clinic, field: str, value: object
) -> None:
    added = add(clinic, **SAID)

    invalid(change(clinic, added["id"], **{field: value}), field)
    if field != "name":
        invalid(override(clinic, "prv_kim", added["id"], **{field: value}), field)

    assert ok(clinic.get(f"{PATH}/{added['id']}", brand_id=LOOP)) == added
    assert seen(clinic, added["id"], provider_id="prv_kim") == as_for(added, "prv_kim")


@pytest.mark.parametrize("visit_type", [".", ".."])
def test_a_type_that_no_path_can_name_is_refused(clinic: Clinic, visit_type: str) -> None:
    invalid(post(clinic, {"id": visit_type, "name": "Follow-up"}), "id")


def test_a_type_without_a_length_or_a_name_is_refused(clinic: Clinic) -> None:
    for missing in ("id", "name", "duration_minutes"):
        body: dict[str, object] = {"id": "t", "name": "N", "duration_minutes": 30}
        del body[missing]
        invalid(clinic.post(PATH, body, token=clinic.world.admin), missing)


# ------------------------------------------------------------------------------- change and retire


def test_a_change_replaces_what_it_names_and_leaves_the_rest(clinic: Clinic) -> None:
    before = add(clinic, **SAID)

    answer = change(clinic, before["id"], name="Longer", duration_minutes=60, patient_cap=None)

    changed = ok(answer)
    assert changed == {
        **before,
        "name": "Longer",
        "duration_minutes": 60,
        "patient_cap": None,
        "updated_at": changed["updated_at"],
        "version": 2,
    }
    assert changed["updated_at"] > before["updated_at"]
    assert answer.headers["ETag"] == '"2"'
    assert seen(clinic, before["id"]) == changed


def test_a_price_may_be_taken_away_again(clinic: Clinic) -> None:
    before = add(clinic, **SAID)

    assert ok(change(clinic, before["id"], late_cancel_price=None))["late_cancel_price"] is None


def test_a_type_is_changed_as_it_was_seen_or_not_at_all(clinic: Clinic) -> None:
    path = f"{PATH}/{add(clinic)['id']}"

    def call(method: str, tag: str) -> httpx.Response:
        body = {"name": tag} if method == "PATCH" else None
        named = {"If-Match": f'"{tag}"'}
        return clinic.call(method, path, body, headers=named, token=clinic.world.admin)

    refused(call("PATCH", "2"), 412, "version_mismatch")
    assert ok(call("PATCH", "1"))["name"] == "1"
    refused(call("DELETE", "1"), 412, "version_mismatch")
    assert ok(call("DELETE", "2"))["version"] == 3


def test_terms_that_are_the_same_are_kept_once_and_never_change(clinic: Clinic) -> None:
    first, second = add(clinic, duration_minutes=37), add(clinic, duration_minutes=37)

    ok(change(clinic, first["id"], duration_minutes=38))
    ok(change(clinic, first["id"], duration_minutes=37))

    rows = clinic.world.sql(
        "SELECT count(DISTINCT terms_no), count(*) FROM booking.visit_type"
        " WHERE visit_type = ANY (%s)",
        [first["id"], second["id"]],
    )
    assert rows == [(1, 2)]
    kept = clinic.world.sql(
        "SELECT duration_minutes FROM booking.terms WHERE duration_minutes IN (37, 38)"
        " ORDER BY terms_no"
    )
    assert kept == [(37,), (38,)]


def test_a_retired_type_is_listed_only_to_whoever_asks_for_it(clinic: Clinic) -> None:
    added = add(clinic)

    retired = ok(retire(clinic, added["id"]))

    assert retired["retired_at"] is not None
    assert seen(clinic, added["id"]) is None
    assert seen(clinic, added["id"], provider_id="prv_kim") is None
    assert seen(clinic, added["id"], include_retired=True) == retired
    assert ok(clinic.get(f"{PATH}/{added['id']}", brand_id=LOOP)) == retired


def test_a_type_may_be_retired_twice(clinic: Clinic) -> None:
    added = add(clinic)

    first, second = ok(retire(clinic, added["id"])), ok(retire(clinic, added["id"]))

    assert first == second
    audited = clinic.world.sql(
        "SELECT event_type FROM booking.audit WHERE entity_id = %s ORDER BY id", added["id"]
    )
    assert audited == [("visit_type.created",), ("visit_type.retired",)]


def test_a_retired_type_is_back_with_its_new_terms(clinic: Clinic) -> None:
    before = add(clinic, **SAID)
    ok(retire(clinic, before["id"]))

    back = add(clinic, before["id"], name="Back", duration_minutes=20)

    assert back == {
        **before,
        **UNSAID,
        "name": "Back",
        "duration_minutes": 20,
        "grid_minutes": 20,
        "updated_at": back["updated_at"],
        "version": 3,
    }
    refused(post(clinic, {"id": before["id"]}), 409, "already_exists")


def test_what_is_not_there_is_neither_changed_nor_retired(clinic: Clinic) -> None:
    retired = add(clinic)["id"]
    ok(retire(clinic, retired))

    for visit_type in ("never", retired):
        refused(change(clinic, visit_type, name="N"), 404, "not_found")
        refused(override(clinic, "prv_kim", visit_type), 404, "not_found")
    refused(retire(clinic, "never"), 404, "not_found")


def test_the_audit_names_fields_and_never_what_is_in_them(clinic: Clinic) -> None:
    added = add(clinic, name="Zaunkönig")
    ok(change(clinic, added["id"], name="Zaunkönig 2", notice_minutes=5))
    ok(override(clinic, "prv_kim", added["id"], duration_minutes=7))

    rows = clinic.world.sql(
        "SELECT event_type, details::text FROM booking.audit WHERE entity_id = %s ORDER BY id",
        added["id"],
    )

    assert [row[0] for row in rows] == [
        "visit_type.created",
        "visit_type.changed",
        "visit_type_override.set",
    ]
    assert '"fields": ["name", "notice_minutes"]' in str(rows[1][1])
    assert rows[2][1] == '{"fields": ["duration_minutes"], "provider_id": "prv_kim"}'
    assert "Zaun" not in str(rows)
