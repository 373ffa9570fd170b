"""Ids that come from other systems: any 1 to 128 visible characters, wherever they stand."""

from urllib.parse import quote

import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO, headers


@pytest.mark.parametrize(
    "inside", ["/", "//", "%", "%2F", "?", "#", "..", "é", "日本", "a+b", ";", "&"]
)
def test_a_provider_is_reached_by_whatever_id_they_were_given(clinic: Clinic, inside: str) -> None:
    provider_id = clinic.new_id(f"prv{inside}")
    added = {"id": provider_id, "name": "Dr. N"}
    ok(clinic.post("/v1/admin/providers", added, token=clinic.world.admin), 201)
    path = f"/v1/providers/{quote(provider_id, safe='')}/slots"
    body = {
        "brand_id": LOOP,
        "start_time": clinic.world.at(9, days=3).isoformat(),
        "end_time": clinic.world.at(10, days=3).isoformat(),
    }

    slot = ok(clinic.post(path, body, token=clinic.world.staff), 201)

    assert slot["provider_id"] == provider_id
    listed = ok(clinic.get(path, token=clinic.world.staff, brand_id=LOOP))["slots"]
    assert [each["id"] for each in listed] == [slot["id"]]


@pytest.mark.parametrize(
    "unseen", [" ", "\t", "\u00a0", "\u00ad", "\u200b", "\u202e", "\u2060", "\ufeff", "\x1f"]
)
def test_what_nobody_can_see_is_in_no_id(clinic: Clinic, unseen: str) -> None:
    body = {"id": f"pat{unseen}", "name": "N"}

    invalid(clinic.post("/v1/admin/patients", body, token=clinic.world.admin), "id")


@pytest.mark.parametrize("visit_type", ["Follow up", "Erstgespräch (45 min)", "x" * 128])
def test_a_visit_type_is_a_clinics_own_words(clinic: Clinic, visit_type: str) -> None:
    body = clinic.world.book(clinic.slot(), visit_type=visit_type)

    assert ok(clinic.post("/v1/visits", body), 201)["visit_type"] == visit_type


@pytest.mark.parametrize("visit_type", ["", "x" * 129, "a\x00", "a\nb", 7, None])
def test_a_visit_type_that_is_none_is_refused_by_name(clinic: Clinic, visit_type: object) -> None:
    body = {**clinic.world.book(clinic.slot()), "visit_type": visit_type}

    invalid(clinic.post("/v1/visits", body), "visit_type")


def test_a_brand_does_not_take_another_brands_provider_for_itself(clinic: Clinic) -> None:
    provider_id = clinic.new_id("prv")
    body = {"id": provider_id, "name": "Dr. N"}
    ok(clinic.post("/v1/admin/providers", body, token=clinic.world.admin), 201)
    other = clinic.token("staff", "their-admin", brand_id=LOOPBIO, scopes=["admin:booking"])

    refused(clinic.post("/v1/admin/providers", body, token=other), 409, "already_exists")

    shared = {**body, "brand_id": LOOPBIO}
    ok(clinic.post("/v1/admin/providers", shared, token=clinic.world.platform), 201)
    listed = ok(clinic.get("/v1/admin/providers", token=other, limit="1000"))["providers"]
    assert provider_id in {each["id"] for each in listed}


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "posix/Europe/Berlin"])
def test_a_zone_that_is_whatever_a_machine_is_set_to_is_none(clinic: Clinic, zone: str) -> None:
    body = {
        "weekday": "monday",
        "start_time": "09:00",
        "end_time": "10:00",
        "time_zone": zone,
        "duration_minutes": 20,
    }

    invalid(
        clinic.post("/v1/coaches/coach_jo/office-hours", body, token=clinic.world.staff),
        "time_zone",
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/v1/visits"])
def test_head_is_get_without_a_body(clinic: Clinic, path: str) -> None:
    named = headers(clinic.world.staff)

    head = clinic.http.head(path, params={"brand_id": LOOP, "limit": 1}, headers=named)
    got = clinic.http.get(path, params={"brand_id": LOOP, "limit": 1}, headers=named)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_a_key_refused_for_a_stale_version_may_be_used_with_the_fresh_one(clinic: Clinic) -> None:
    visit = clinic.visit()
    path, key = f"/v1/visits/{visit['id']}/cancel", {"idempotency_key": clinic.new_id("key")}
    stale = headers(clinic.world.staff, if_match='"7"', **key)
    refused(clinic.http.post(path, headers=stale), 412, "version_mismatch")

    fresh = headers(clinic.world.staff, if_match='"1"', **key)

    assert ok(clinic.http.post(path, headers=fresh))["status"] == "cancelled"
    again = clinic.http.post(path, headers=fresh)
    assert again.headers["idempotency-replayed"] == "true"
