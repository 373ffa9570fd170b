"""/v1/admin: the catalogue and our own tokens, for `admin:booking`."""

from typing import Any

import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO


def admin(clinic: Clinic, path: str, body: object = None, **more: Any) -> Any:
    """A POST by loop's administrator."""
    return clinic.post(f"/v1/admin/{path}", body, **{"token": clinic.world.admin, **more})


def test_a_brand_is_added_by_a_service_of_the_whole_platform(clinic: Clinic) -> None:
    body = {"id": clinic.new_id("b").replace("_", "-"), "name": "Näw"}

    brand = ok(admin(clinic, "brands", body, token=clinic.world.platform), 201)

    assert brand == {**body, "created_at": brand["created_at"]}
    listed = ok(clinic.get("/v1/admin/brands", token=clinic.world.platform))["brands"]
    assert brand in listed
    refused(admin(clinic, "brands", body, token=clinic.world.platform), 409, "already_exists")


@pytest.mark.parametrize("brand_id", [LOOP, LOOPBIO, "never"])
def test_whoever_belongs_to_a_brand_adds_none(clinic: Clinic, brand_id: str) -> None:
    refused(admin(clinic, "brands", {"id": brand_id, "name": "N"}), 403, "forbidden")


def test_whoever_belongs_to_a_brand_sees_that_one(clinic: Clinic) -> None:
    listed = ok(clinic.get("/v1/admin/brands", token=clinic.world.admin))["brands"]

    assert [brand["id"] for brand in listed] == [LOOP]


@pytest.mark.parametrize(
    "brand_id", ["", "Loop", "a b", "-a", "a-", "a--b", "ü", "a_b", "x" * 65, 7]
)
def test_the_id_of_a_brand_is_a_slug(clinic: Clinic, brand_id: object) -> None:
    body = {"id": brand_id, "name": "N"}

    invalid(admin(clinic, "brands", body, token=clinic.world.platform), "id")


@pytest.mark.parametrize("name", ["", "x" * 201, "a\x00", None, 7])
@pytest.mark.parametrize("path", ["brands", "providers"])
def test_a_name_that_is_none_is_refused_by_name(clinic: Clinic, path: str, name: object) -> None:
    body = {"id": "n", "name": name}

    invalid(admin(clinic, path, body, token=clinic.world.platform), "name")


def test_a_provider_works_for_the_brand_at_once(clinic: Clinic) -> None:
    body = {"id": clinic.new_id("prv"), "name": "Dr. N"}

    provider = ok(admin(clinic, "providers", body), 201)

    assert provider == {
        **body,
        "brand_id": LOOP,
        "kind": "clinician",
        "created_at": provider["created_at"],
    }
    assert ok(clinic.get(f"/v1/providers/{body['id']}/slots", brand_id=LOOP)) == {"slots": []}
    refused(admin(clinic, "providers", body), 409, "already_exists")


def test_a_known_provider_is_the_same_person_for_a_second_brand(clinic: Clinic) -> None:
    starts_at = clinic.new_time()
    person = clinic.provider()
    body = {"id": person, "name": "Dr. N", "brand_id": LOOPBIO}
    clinic.visit(clinic.slot(starts_at, provider_id=person))

    ok(admin(clinic, "providers", body, token=clinic.world.platform), 201)

    theirs = clinic.slot(starts_at, provider_id=person, brand_id=LOOPBIO)
    wanted = clinic.world.book(theirs, brand_id=LOOPBIO, patient_id="pat_eve")
    answer = clinic.post("/v1/visits", wanted, token=clinic.world.foreign_staff)
    refused(answer, 409, "slot_unavailable")


def test_a_person_is_a_clinician_or_a_coach_and_never_both(clinic: Clinic) -> None:
    coach = clinic.provider(LOOPBIO, kind="coach")

    answer = admin(clinic, "providers", {"id": coach, "name": "N", "kind": "clinician"})

    refused(answer, 409, "already_exists")


@pytest.mark.parametrize("kind", ["nurse", "", None, 1])
def test_a_kind_that_is_none_is_refused_by_name(clinic: Clinic, kind: object) -> None:
    invalid(admin(clinic, "providers", {"id": "n", "name": "N", "kind": kind}), "kind")


def test_providers_are_listed_by_kind(clinic: Clinic) -> None:
    def ids(**query: str) -> set[str]:
        found = clinic.get("/v1/admin/providers", token=clinic.world.admin, limit=1000, **query)
        return {provider["id"] for provider in ok(found)["providers"]}

    assert {"prv_kim", "prv_both"} <= ids(kind="clinician")
    assert {"coach_jo", "coach_both"} <= ids(kind="coach")
    assert ids(kind="coach") | ids(kind="clinician") == ids()
    assert not {"prv_sam", "coach_max"} & ids()
    invalid(clinic.get("/v1/admin/providers", token=clinic.world.admin, kind="nurse"), "kind")


def test_a_patient_may_have_a_subject_and_then_an_app(clinic: Clinic) -> None:
    subject = clinic.new_id("sub")
    body = {"id": clinic.new_id("pat"), "subject": subject}

    patient = ok(admin(clinic, "patients", body), 201)

    assert patient == {**body, "brand_id": LOOP, "created_at": patient["created_at"]}
    token = clinic.token("patient", subject)
    assert ok(clinic.get("/v1/bookings/me", token=token)) == {"bookings": []}


def test_a_patient_may_have_no_subject(clinic: Clinic) -> None:
    for absent in ({}, {"subject": None}):
        body = {"id": clinic.new_id("pat"), **absent}
        assert ok(admin(clinic, "patients", body), 201)["subject"] is None


def test_an_id_and_a_subject_are_one_patients_of_the_brand(clinic: Clinic) -> None:
    subject = clinic.new_id("sub")
    body = {"id": clinic.new_id("pat"), "subject": subject}
    ok(admin(clinic, "patients", body), 201)

    refused(admin(clinic, "patients", {"id": body["id"]}), 409, "already_exists")
    other = {"id": clinic.new_id("pat"), "subject": subject}
    refused(admin(clinic, "patients", other), 409, "already_exists")
    elsewhere = {**body, "brand_id": LOOPBIO}
    ok(admin(clinic, "patients", elsewhere, token=clinic.world.platform), 201)


def test_a_token_that_was_issued_is_good_at_once_and_its_secret_is_told_once(
    clinic: Clinic,
) -> None:
    issued = ok(
        admin(
            clinic,
            "tokens",
            {"role": "staff", "subject": "mia", "scopes": ["read:visits"], "expires_in": 60},
        ),
        201,
    )

    secret = issued.pop("token")
    assert secret.startswith("lph_at_")
    assert issued["id"].startswith("tok_")
    assert (issued["role"], issued["subject"], issued["brand_id"]) == ("staff", "mia", LOOP)
    assert issued["scopes"] == ["read:visits"]
    assert issued["expires_at"] > issued["created_at"]
    assert issued["revoked_at"] is None
    ok(clinic.get("/v1/visits", token=secret, brand_id=LOOP))
    listed = clinic.get("/v1/admin/tokens", token=clinic.world.admin, limit=1000)
    assert issued in ok(listed)["tokens"]
    assert secret not in listed.text


def test_a_token_has_its_roles_usual_scopes_where_none_are_named(clinic: Clinic) -> None:
    issued = ok(admin(clinic, "tokens", {"role": "patient", "subject": "sub-ada"}), 201)

    assert issued["scopes"] == [
        "manage:visits",
        "read:slots",
        "manage:bookings",
        "read:events",
    ]
    assert issued["expires_at"] is None


def test_a_revoked_token_is_refused_at_once(clinic: Clinic) -> None:
    issued = ok(admin(clinic, "tokens", {"role": "staff", "subject": "mia"}), 201)
    ok(clinic.get("/v1/visits", token=issued["token"], brand_id=LOOP))

    assert ok(admin(clinic, f"tokens/{issued['id']}/revoke")) == {"id": issued["id"]}

    refused(clinic.get("/v1/visits", token=issued["token"], brand_id=LOOP), 401, "invalid_token")
    refused(admin(clinic, f"tokens/{issued['id']}/revoke"), 404, "not_found")


def test_another_brands_token_is_not_there(clinic: Clinic) -> None:
    body = {"role": "staff", "subject": "mia", "brand_id": LOOPBIO}
    issued = ok(admin(clinic, "tokens", body, token=clinic.world.platform), 201)

    refused(admin(clinic, f"tokens/{issued['id']}/revoke"), 404, "not_found")
    listed = ok(clinic.get("/v1/admin/tokens", token=clinic.world.admin, limit=1000))["tokens"]
    assert issued["id"] not in {token["id"] for token in listed}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": "king"}, "role"),
        ({"role": None}, "role"),
        ({"subject": ""}, "subject"),
        ({"subject": "a b"}, "subject"),
        ({"scopes": ["read:everything"]}, "scope"),
        ({"scopes": "read:visits"}, "scopes"),
        ({"scopes": [7]}, "scopes[0]"),
        ({"role": "patient", "scopes": ["admin:booking"]}, "scope"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": -5}, "expires_in"),
        ({"expires_in": "60"}, "expires_in"),
        ({"expires_in": 10**20}, "expires_in"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_by_name(
    clinic: Clinic, changes: dict[str, object], field: str
) -> None:
    invalid(admin(clinic, "tokens", {"role": "staff", "subject": "mia", **changes}), field)


def test_only_a_service_acts_for_every_brand(clinic: Clinic) -> None:
    body = {"role": "staff", "subject": "mia", "brand_id": "*"}

    invalid(admin(clinic, "tokens", body, token=clinic.world.platform), "brand_id")


@pytest.mark.parametrize("path", ["providers", "patients", "tokens"])
@pytest.mark.parametrize("brand_id", [LOOPBIO, "never"])
def test_another_brands_catalogue_is_not_there(clinic: Clinic, path: str, brand_id: str) -> None:
    body = {"role": "staff", "subject": "s", "id": "x", "name": "N", "brand_id": brand_id}
    listed = clinic.get(f"/v1/admin/{path}", token=clinic.world.admin, brand_id=brand_id)

    assert refused(listed, 404, "not_found")["message"] == "There is no such brand."
    assert refused(admin(clinic, path, body), 404, "not_found")["message"] == (
        "There is no such brand."
    )


@pytest.mark.parametrize("path", ["providers", "patients", "tokens"])
def test_a_brand_that_never_was_has_no_catalogue_to_add_to(clinic: Clinic, path: str) -> None:
    body = {"role": "staff", "subject": "s", "id": "x", "name": "N", "brand_id": "never"}

    refused(admin(clinic, path, body, token=clinic.world.platform), 404, "not_found")


@pytest.mark.parametrize("path", ["providers", "patients", "tokens"])
def test_a_service_of_every_brand_says_which_it_means(clinic: Clinic, path: str) -> None:
    body = {"role": "staff", "subject": "s", "id": "x", "name": "N"}
    platform = clinic.world.platform

    invalid(admin(clinic, path, body, token=platform), "X-Brand-Id")
    invalid(clinic.get(f"/v1/admin/{path}", token=platform), "X-Brand-Id")
    named = {"X-Brand-Id": LOOP}
    ok(clinic.call("GET", f"/v1/admin/{path}", token=platform, headers=named))


def test_the_catalogue_is_closed_to_all_other_scopes(clinic: Clinic) -> None:
    for token in (clinic.world.staff, clinic.world.service, clinic.world.patient):
        answer = clinic.get("/v1/admin/providers", token=token)
        refused(answer, 403, "insufficient_scope", scope="admin:booking")


def test_a_patients_app_is_never_an_administrator(clinic: Clinic) -> None:
    token = clinic.token("patient", "sub-ada", scopes=["admin:booking"])

    refused(clinic.get("/v1/admin/providers", token=token), 403, "insufficient_scope")
    refused(clinic.get("/v1/visits", token=token, brand_id=LOOP), 403, "insufficient_scope")
