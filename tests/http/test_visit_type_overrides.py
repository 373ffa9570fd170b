"""/v1/providers/{id}/visit-types: what differs for a provider in a brand's visit types."""

import pytest

from administered import PATH, SAID, add, as_for, change, override, retire, seen
from clinic import Clinic
from envelope import ok, refused
from world import LOOP


def test_an_override_says_only_what_differs(clinic: Clinic) -> None:
    added, kim, other = add(clinic, **SAID), clinic.provider(), clinic.provider()
    differs = {"duration_minutes": 60, "patient_cap": None, "late_cancel_price": None}

    answer = override(clinic, kim, added["id"], **differs)

    expected = as_for(added, kim, **differs)
    assert ok(answer) == expected
    assert seen(clinic, added["id"], provider_id=kim) == expected
    assert seen(clinic, added["id"], provider_id=other) == as_for(added, other)
    assert seen(clinic, added["id"]) == added
    of_kim = ok(clinic.get(f"/v1/providers/{kim}/visit-types", brand_id=LOOP, limit=1000))
    assert expected in of_kim["visit_types"]


def test_every_field_of_an_override_is_kept(clinic: Clinic) -> None:
    added, kim = add(clinic), clinic.provider()

    overridden = ok(override(clinic, kim, added["id"], is_offered=False, **SAID))

    assert overridden == as_for(added, kim, is_offered=False, **SAID)


def test_a_new_override_takes_the_place_of_the_one_before(clinic: Clinic) -> None:
    added, kim = add(clinic), clinic.provider()
    ok(override(clinic, kim, added["id"], duration_minutes=60, is_offered=False))

    ok(override(clinic, kim, added["id"], notice_minutes=5))

    assert seen(clinic, added["id"], provider_id=kim) == as_for(added, kim, notice_minutes=5)


def test_a_change_of_the_type_reaches_providers_in_what_does_not_differ(clinic: Clinic) -> None:
    added, kim = add(clinic), clinic.provider()
    ok(override(clinic, kim, added["id"], duration_minutes=60))

    changed = ok(change(clinic, added["id"], duration_minutes=20, notice_minutes=90))

    expected = as_for(changed, kim, duration_minutes=60)
    assert seen(clinic, added["id"], provider_id=kim) == expected
    assert expected["notice_minutes"] == 90


def test_an_override_outlives_a_type_that_was_retired_and_is_back(clinic: Clinic) -> None:
    added, kim = add(clinic), clinic.provider()
    ok(override(clinic, kim, added["id"], duration_minutes=60))
    ok(retire(clinic, added["id"]))

    back = add(clinic, added["id"], notice_minutes=90)

    expected = as_for(back, kim, duration_minutes=60)
    assert seen(clinic, added["id"], provider_id=kim) == expected


def test_without_its_override_a_provider_has_the_brands_terms(clinic: Clinic) -> None:
    added, kim = add(clinic), clinic.provider()
    path = f"/v1/providers/{kim}/visit-types/{added['id']}"
    ok(override(clinic, kim, added["id"], duration_minutes=60))

    removed = clinic.call("DELETE", path, token=clinic.world.admin)
    again = clinic.call("DELETE", path, token=clinic.world.admin)

    assert ok(removed) == as_for(added, kim)
    assert seen(clinic, added["id"], provider_id=kim) == as_for(added, kim)
    refused(again, 404, "not_found")


@pytest.mark.parametrize("provider_id", ["prv_never", "prv_sam", "coach_jo"])
def test_only_the_brands_own_clinicians_differ(clinic: Clinic, provider_id: str) -> None:
    added = add(clinic)

    refused(override(clinic, provider_id, added["id"]), 404, "not_found")
    path = f"/v1/providers/{provider_id}/visit-types"
    refused(clinic.get(path, brand_id=LOOP), 404, "not_found")
    refused(clinic.get(PATH, brand_id=LOOP, provider_id=provider_id), 404, "not_found")
