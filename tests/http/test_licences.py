"""Licences: where providers may see patients, where patients are, and which visits fall between."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bookwell.usecases import licences
from clinic import Clinic
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO

AT_RISK = "/v1/licences/at-risk"


def license_(clinic: Clinic, provider_id: str, **body: object) -> dict[str, Any]:
    """A licence that loop's administrator adds: New York's, unless another region is named."""
    return ok(post(clinic, provider_id, **{"region": "US-NY", **body}), 201)


def post(clinic: Clinic, provider_id: str, **body: object) -> httpx.Response:
    path = f"/v1/providers/{provider_id}/licences"
    return clinic.post(path, body, token=clinic.world.admin)


def change(clinic: Clinic, licence: dict[str, Any], **body: object) -> httpx.Response:
    return clinic.call("PATCH", path_of(licence), body, token=clinic.world.admin)


def delete(clinic: Clinic, licence: dict[str, Any]) -> httpx.Response:
    return clinic.call("DELETE", path_of(licence), token=clinic.world.admin)


def path_of(licence: dict[str, Any]) -> str:
    return f"/v1/providers/{licence['provider_id']}/licences/{licence['id']}"


def listed(clinic: Clinic, provider_id: str) -> list[dict[str, Any]]:
    path = f"/v1/providers/{provider_id}/licences"
    found: list[dict[str, Any]] = ok(clinic.get(path, brand_id=LOOP))["licences"]
    return found


def stay(clinic: Clinic, patient_id: str, *regions: dict[str, object]) -> httpx.Response:
    path = f"/v1/admin/patients/{patient_id}/regions"
    return clinic.call("PUT", path, {"regions": list(regions)}, token=clinic.world.admin)


def at_risk(clinic: Clinic, provider_id: str, **query: Any) -> list[dict[str, Any]]:
    """The provider's visits that no licence covers."""
    answer = clinic.get(AT_RISK, brand_id=LOOP, provider_id=provider_id, **query)
    found: list[dict[str, Any]] = ok(answer)["visits"]
    return found


def visit_in(clinic: Clinic, provider_id: str, region: str | None = "US-NY") -> dict[str, Any]:
    """A visit of a new patient, who is always in this region once it is booked."""
    patient_id = clinic.patient().patient_id
    slot_id = clinic.slot(provider_id=provider_id)
    visit = clinic.visit(slot_id, patient_id=patient_id)
    if region is not None:
        ok(stay(clinic, patient_id, {"region": region}))
    return visit


def ids(visits: list[dict[str, Any]]) -> list[str]:
    return [visit["id"] for visit in visits]


# ------------------------------------------------------------------------------------- licences


def test_a_licence_is_kept_as_it_was_said(clinic: Clinic) -> None:
    kim = clinic.provider()
    body = {
        "region": "DE-BE",
        "valid_from": "2027-01-01",
        "valid_until": "2027-12-31",
        "time_zone": "Europe/Berlin",
    }

    added = license_(clinic, kim, **body)

    assert added == {
        "id": added["id"],
        "brand_id": LOOP,
        "provider_id": kim,
        **body,
        "created_at": added["created_at"],
    }
    assert added["id"].startswith("lic_")
    assert listed(clinic, kim) == [added]


def test_a_licence_is_without_bounds_unless_some_are_said(clinic: Clinic) -> None:
    added = license_(clinic, clinic.provider())

    assert (added["valid_from"], added["valid_until"]) == (None, None)
    assert added["time_zone"] == "UTC"


def test_the_days_of_a_licence_are_those_of_its_zone(clinic: Clinic) -> None:
    added = license_(
        clinic,
        clinic.provider(),
        valid_from="2027-03-28",
        valid_until="2027-03-28",
        time_zone="Europe/Berlin",
    )

    def instants() -> tuple[object, ...]:
        return clinic.world.sql(
            "SELECT starts_at::text, ends_at::text FROM booking.licence WHERE licence_id = %s",
            added["id"],
        )[0]

    assert instants() == ("2027-03-27 23:00:00+00", "2027-03-28 22:00:00+00")
    ok(change(clinic, added, time_zone="UTC", valid_from=None))
    assert instants() == (None, "2027-03-29 00:00:00+00")


def test_a_change_replaces_what_it_names(clinic: Clinic) -> None:
    before = license_(clinic, clinic.provider(), valid_from="2027-01-01", valid_until="2027-12-31")

    changed = ok(change(clinic, before, region="US-NJ", valid_until=None))

    assert changed.pop("visits_at_risk") == []
    assert changed == {**before, "region": "US-NJ", "valid_until": None}
    assert listed(clinic, before["provider_id"]) == [changed]


def test_a_deleted_licence_is_gone(clinic: Clinic) -> None:
    kim = clinic.provider()
    first, second = license_(clinic, kim), license_(clinic, kim, region="US-NJ")

    deleted = ok(delete(clinic, first))

    assert deleted == {**first, "visits_at_risk": []}
    assert listed(clinic, kim) == [second]
    refused(delete(clinic, first), 404, "not_found")
    refused(change(clinic, first, region="US-CA"), 404, "not_found")


def test_a_licence_is_its_providers_and_its_brands(clinic: Clinic) -> None:
    person = clinic.provider(LOOP, LOOPBIO)
    ours = license_(clinic, person)

    elsewhere = {**ours, "provider_id": clinic.provider()}
    path = f"/v1/providers/{person}/licences"
    theirs = clinic.get(path, brand_id=LOOPBIO, token=clinic.world.foreign_staff)

    refused(delete(clinic, elsewhere), 404, "not_found")
    assert ok(theirs)["licences"] == []
    refused(
        clinic.call(
            "DELETE",
            path_of(ours),
            token=clinic.world.platform,
            headers={"X-Brand-Id": LOOPBIO},
        ),
        404,
        "not_found",
    )
    assert listed(clinic, person) == [ours]


@pytest.mark.parametrize("provider_id", ["prv_never", "prv_sam", "coach_jo"])
def test_only_the_brands_clinicians_have_licences(clinic: Clinic, provider_id: str) -> None:
    refused(post(clinic, provider_id, region="DE"), 404, "not_found")
    path = f"/v1/providers/{provider_id}/licences"
    refused(clinic.get(path, brand_id=LOOP), 404, "not_found")
    refused(clinic.get(AT_RISK, brand_id=LOOP, provider_id=provider_id), 404, "not_found")


def test_patients_are_told_of_no_licence(clinic: Clinic) -> None:
    token = clinic.world.patient

    path = "/v1/providers/prv_kim/licences"
    refused(clinic.get(path, brand_id=LOOP, token=token), 403, "forbidden")
    refused(clinic.get(AT_RISK, brand_id=LOOP, token=token), 403, "forbidden")
    refused(clinic.post(path, {"region": "DE"}, token=token), 403, "insufficient_scope")


WRONG = [
    ("region", ""),
    ("region", "us-ny"),
    ("region", "US NY"),
    ("region", "US_NY"),
    ("region", "-US"),
    ("region", "US-"),
    ("region", "X" * 17),
    ("region", "DE\n"),
    ("region", None),
    ("region", 7),
    ("valid_from", "tomorrow"),
    ("valid_from", "2027-02-29"),
    ("valid_from", "1899-12-31"),
    ("valid_until", "2200-01-01"),
    ("valid_until", "2026-12-31"),
    ("valid_until", 20270101),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", "x" * 65),
    ("time_zone", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_licence_that_is_none_is_refused_by_the_fields_name(
    clinic: Clinic, field: str, value: object
) -> None:
    kim = clinic.provider()
    licence = license_(clinic, kim, valid_from="2027-01-01")

    body = {"region": "DE", "valid_from": "2027-01-01", field: value}
    invalid(post(clinic, kim, **body), field)
    invalid(change(clinic, licence, **{field: value}), field)

    assert listed(clinic, kim) == [licence]


def test_licences_are_listed_page_by_page(clinic: Clinic) -> None:
    kim = clinic.provider()
    added = [license_(clinic, kim, region=f"US-{number}")["id"] for number in range(3)]
    path = f"/v1/providers/{kim}/licences"

    first = ok(clinic.get(path, brand_id=LOOP, limit=2))
    second = ok(clinic.get(path, brand_id=LOOP, limit=2, cursor=first["next_cursor"]))

    assert sorted(ids(first["licences"] + second["licences"])) == sorted(added)
    assert "next_cursor" not in second


# ------------------------------------------------------------------------------- where patients are


def test_a_patients_regions_are_kept_in_the_order_of_time(clinic: Clinic) -> None:
    patient_id = clinic.patient().patient_id
    summer, autumn = "2027-06-01T00:00:00Z", "2027-09-01T00:00:00Z"

    answer = stay(
        clinic,
        patient_id,
        {"region": "US-CA", "from": autumn},
        {"region": "US-NY", "until": summer},
        {"region": "DE-BE", "from": "2027-06-01T02:00:00+02:00", "until": autumn},
    )

    expected = {
        "id": patient_id,
        "regions": [
            {"region": "US-NY", "from": None, "until": summer},
            {"region": "DE-BE", "from": summer, "until": autumn},
            {"region": "US-CA", "from": autumn, "until": None},
        ],
    }
    assert ok(answer) == expected
    path = f"/v1/admin/patients/{patient_id}/regions"
    assert ok(clinic.get(path, token=clinic.world.admin)) == expected


def test_what_is_said_of_a_patient_replaces_what_was_said_before(clinic: Clinic) -> None:
    patient_id = clinic.patient().patient_id
    path = f"/v1/admin/patients/{patient_id}/regions"
    ok(stay(clinic, patient_id, {"region": "DE"}))

    ok(stay(clinic, patient_id, {"region": "FR"}))
    told = ok(clinic.get(path, token=clinic.world.admin))
    assert told["regions"] == [{"region": "FR", "from": None, "until": None}]
    assert ok(stay(clinic, patient_id))["regions"] == []
    assert ok(clinic.get(path, token=clinic.world.admin))["regions"] == []


NOON, ONE, TWO = (f"2027-06-01T{hour}:00:00Z" for hour in (12, 13, 14))


@pytest.mark.parametrize(
    ("field", "regions"),
    [
        ("regions[0].region", [{"region": "de"}]),
        ("regions[1].region", [{"region": "DE", "until": NOON}, {"from": NOON}]),
        ("regions[0].from", [{"region": "DE", "from": "2027-06-01T12:00:00"}]),
        ("regions[0].from", [{"region": "DE", "from": "1800-06-01T12:00:00Z"}]),
        ("regions[0].until", [{"region": "DE", "from": ONE, "until": ONE}]),
        ("regions[0].until", [{"region": "DE", "from": ONE, "until": NOON}]),
        ("regions[1].from", [{"region": "DE"}, {"region": "DE"}]),
        ("regions[1].from", [{"region": "DE"}, {"region": "FR", "from": ONE}]),
        ("regions[0].from", [{"region": "DE", "from": ONE}, {"region": "FR", "until": TWO}]),
        (
            "regions[0].from",
            [{"region": "DE", "from": ONE}, {"region": "FR", "from": NOON, "until": TWO}],
        ),
        ("regions", [{"region": "DE"}] * 101),
        ("regions", None),
    ],
)
def test_regions_that_cannot_be_are_refused_by_their_place(
    clinic: Clinic, field: str, regions: object
) -> None:
    patient_id = clinic.patient().patient_id
    path = f"/v1/admin/patients/{patient_id}/regions"
    ok(stay(clinic, patient_id, {"region": "FR"}))

    invalid(clinic.call("PUT", path, {"regions": regions}, token=clinic.world.admin), field)

    assert len(ok(clinic.get(path, token=clinic.world.admin))["regions"]) == 1


def test_only_administrators_know_where_a_patient_is(clinic: Clinic) -> None:
    patient = clinic.patient()
    path = f"/v1/admin/patients/{patient.patient_id}/regions"

    for token in (patient.token, clinic.world.staff):
        refused(clinic.get(path, token=token), 403, "insufficient_scope")
        answer = clinic.call("PUT", path, {"regions": []}, token=token)
        refused(answer, 403, "insufficient_scope")
    for patient_id in ("pat_never", "pat_eve"):
        refused(stay(clinic, patient_id), 404, "not_found")
        foreign = f"/v1/admin/patients/{patient_id}/regions"
        refused(clinic.get(foreign, token=clinic.world.admin), 404, "not_found")


def test_where_a_patient_is_stays_out_of_the_audit(clinic: Clinic) -> None:
    patient_id = clinic.patient().patient_id

    ok(stay(clinic, patient_id, {"region": "US-HI"}))

    rows = clinic.world.sql(
        "SELECT event_type, details FROM booking.audit WHERE entity_id = %s", patient_id
    )
    assert rows == [("patient_regions.set", {"regions": 1})]


# --------------------------------------------------------------------------------- visits at risk


def test_a_visit_where_the_patient_will_be_elsewhere_is_at_risk(clinic: Clinic) -> None:
    kim = clinic.provider()
    here, there, nowhere = (visit_in(clinic, kim, region) for region in ("US-NY", "DE", None))
    assert at_risk(clinic, kim) == [], "nobody asks for a licence"

    license_(clinic, kim, region="US-NY")

    assert at_risk(clinic, kim) == [
        {
            "id": visit["id"],
            "provider_id": kim,
            "patient_id": visit["patient_id"],
            "visit_type": "follow_up",
            "region": region,
            "start_time": visit["start_time"],
        }
        for visit, region in ((there, "DE"), (nowhere, None))
    ]
    assert here["id"] not in ids(at_risk(clinic, kim))


def test_a_licence_that_runs_out_leaves_the_visits_after_its_last_day(clinic: Clinic) -> None:
    kim = clinic.provider()
    day = clinic.world.day + timedelta(days=300)
    patient_id = clinic.patient().patient_id
    ok(stay(clinic, patient_id, {"region": "US-NY"}))
    last, first_after = (
        clinic.visit(clinic.slot(at, provider_id=kim), patient_id=patient_id)
        for at in (day + timedelta(hours=4), day + timedelta(hours=5))
    )
    licence = license_(clinic, kim)
    assert at_risk(clinic, kim) == []

    # In New York the day is over when it is four or five in the morning in UTC.
    offset = 4 if is_summer_in_new_york(day) else 5
    changed = ok(
        change(
            clinic,
            licence,
            valid_until=str((day - timedelta(days=1)).date()),
            time_zone="America/New_York",
        )
    )

    expected = [last["id"], first_after["id"]] if offset == 4 else [first_after["id"]]
    assert ids(changed["visits_at_risk"]) == expected
    assert at_risk(clinic, kim) == changed["visits_at_risk"]


def is_summer_in_new_york(day: datetime) -> bool:
    """Whether clocks there are an hour ahead: from March's second Sunday to November's first."""
    march, november = (datetime(day.year, month, 1, tzinfo=day.tzinfo) for month in (3, 11))
    begins = march + timedelta(days=(6 - march.weekday()) % 7 + 7)
    ends = november + timedelta(days=(6 - november.weekday()) % 7)
    return begins < day < ends


def test_a_deleted_licence_names_what_it_leaves(clinic: Clinic) -> None:
    kim = clinic.provider()
    visit = visit_in(clinic, kim, "US-NY")
    gone, kept = license_(clinic, kim), license_(clinic, kim, region="US-NJ")

    deleted = ok(delete(clinic, gone))

    assert ids(deleted["visits_at_risk"]) == [visit["id"]]
    assert listed(clinic, kim) == [kept]


def test_a_type_that_requires_a_licence_does_so_also_without_any(clinic: Clinic) -> None:
    kim = clinic.provider()
    visit = visit_in(clinic, kim, None)
    licensed = visit_in(clinic, kim, None)
    clinic.world.sql(
        "UPDATE booking.visit SET terms_no = (SELECT terms_no FROM booking.visit_type"
        " WHERE brand_id = 'loop' AND visit_type = %s) WHERE visit_id = %s",
        clinic.visit_type(licence_required=True),
        visit["id"],
    )

    assert ids(at_risk(clinic, kim)) == [visit["id"]]
    assert licensed["id"] not in ids(at_risk(clinic, kim))


def test_what_is_over_or_ended_is_at_no_risk(clinic: Clinic) -> None:
    kim = clinic.provider()
    cancelled, begun, ahead = (visit_in(clinic, kim, "DE") for _ in range(3))
    held, past_hold = (clinic.hold(clinic.slot(provider_id=kim)) for _ in range(2))
    license_(clinic, kim, region="US-NY")
    ok(clinic.post(f"/v1/visits/{cancelled['id']}/cancel"))
    clinic.world.sql(
        "UPDATE booking.visit SET starts_at = now() - interval '1 min' WHERE visit_id = %s",
        begun["id"],
    )
    clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = booking.now() WHERE visit_id = %s",
        past_hold["id"],
    )

    assert ids(at_risk(clinic, kim)) == [ahead["id"], held["id"]]


def test_visits_at_risk_are_listed_page_by_page_and_up_to_an_instant(clinic: Clinic) -> None:
    kim = clinic.provider()
    visits = [visit_in(clinic, kim, "DE") for _ in range(3)]
    license_(clinic, kim)
    asked = {"brand_id": LOOP, "provider_id": kim}

    first = ok(clinic.get(AT_RISK, limit=2, **asked))
    second = ok(clinic.get(AT_RISK, limit=2, cursor=first["next_cursor"], **asked))

    assert ids(first["visits"] + second["visits"]) == ids(visits)
    assert "next_cursor" not in second
    assert ids(at_risk(clinic, kim, before=visits[2]["start_time"])) == ids(visits[:2])
    invalid(clinic.get(AT_RISK, before="soon", **asked), "before")


def test_a_brands_visits_at_risk_are_its_own(clinic: Clinic) -> None:
    person = clinic.provider(LOOP, LOOPBIO)
    visit = visit_in(clinic, person, "DE")
    license_(clinic, person)

    ours = ok(clinic.get(AT_RISK, brand_id=LOOP, limit=1000))["visits"]
    theirs = clinic.get(AT_RISK, brand_id=LOOPBIO, limit=1000, token=clinic.world.foreign_staff)

    assert visit["id"] in ids(ours)
    assert ours == sorted(ours, key=lambda each: (each["start_time"], each["id"]))
    assert visit["id"] not in ids(ok(theirs)["visits"])


def test_a_change_that_leaves_many_visits_says_where_the_others_are(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licences, "AT_RISK_NAMED_MAX", 2)
    kim = clinic.provider()
    visits = [visit_in(clinic, kim, "DE") for _ in range(3)]
    licence = license_(clinic, kim)

    changed = ok(change(clinic, licence, region="US-NJ"))

    assert ids(changed["visits_at_risk"]) == ids(visits[:2])
    others = at_risk(clinic, kim, cursor=changed["next_cursor"])
    assert ids(others) == ids(visits[2:])
