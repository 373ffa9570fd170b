"""A disruption ends once: committed or abandoned; by whom, for which brand, and never by half."""

import pytest

from books import changes_audited
from clinic import Clinic
from desk import Desk, alone
from envelope import ok, refused
from world import LOOPBIO


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


def test_a_second_commit_or_abandon_finds_it_closed(desk: Desk) -> None:
    committed, abandoned = desk.open(), desk.open()
    desk.commit(committed)
    ok(desk.abandon(abandoned))

    for draft, status in ((committed, "committed"), (abandoned, "abandoned")):
        visit = {"id": "vis_any"}
        for again in (
            desk.try_commit(draft),
            desk.abandon(draft),
            desk.try_choose(draft, visit, "leave"),
        ):
            refused(again, 412, "disruption_not_open", status=status)


def test_abandoning_releases_what_was_held_and_touches_no_visit(desk: Desk) -> None:
    visit, other = desk.visit(9), desk.visit(10)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    hold_id = desk.choose(draft, visit, "move", slot_id=slot_id)["hold_id"]
    desk.choose(draft, other, "cancel", reason="ill")

    abandoned = ok(desk.abandon(draft))

    assert abandoned["status"] == "abandoned"
    assert [each["outcome"] for each in abandoned["visits"]] == [None, None]
    assert [each["choice"]["reason"] for each in abandoned["visits"]] == [None, None]
    assert desk.read({"id": hold_id})["status"] == "cancelled"
    assert [desk.read(each) for each in (visit, other)] == [visit, other]
    assert desk.practice.book(slot_id).status_code == 201
    assert desk.practice.book(desk.slot(9.5)).status_code == 201, "the provider is there"
    assert changes_audited(desk.clinic.world, draft["id"])[-1] == "disruption.abandoned"


def test_the_version_that_was_seen_must_be_the_newest(desk: Desk) -> None:
    visit = desk.visit(9)
    draft = desk.open()
    stale = {"If-Match": '"1"'}
    desk.choose(draft, visit, "leave", headers=stale)

    refused(desk.try_choose(draft, visit, "cancel", headers=stale), 412, "version_mismatch")
    refused(desk.try_commit(draft, headers=stale), 412, "version_mismatch")

    answer = desk.try_commit(draft, headers={"If-Match": '"2"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')


def test_each_write_happens_once_for_its_key(desk: Desk) -> None:
    visit = desk.visit(9)
    slot_id = desk.slot(9, provider_id=desk.other)
    opened = [
        desk.call(
            "POST",
            f"/v1/providers/{desk.practice.provider_id}/disruptions",
            desk.out(),
            headers={"Idempotency-Key": "open"},
        )
        for _ in range(2)
    ]
    draft = opened[0].json()
    chosen = [
        desk.try_choose(
            draft, visit, "move", slot_id=slot_id, headers={"Idempotency-Key": "choose"}
        )
        for _ in range(2)
    ]
    committed = [desk.try_commit(draft, headers={"Idempotency-Key": "commit"}) for _ in range(2)]

    for first, again in (opened, chosen, committed):
        assert first.status_code < 300, first.text
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers.get("ETag") == first.headers.get("ETag")
    other = desk.try_commit(draft, leave_undecided=True, headers={"Idempotency-Key": "commit"})
    refused(other, 409, "idempotency_key_payload_mismatch")


def test_patients_do_not_come_to_the_desk(desk: Desk) -> None:
    draft = desk.open()
    token = desk.practice.patient.token
    provider = f"/v1/providers/{desk.practice.provider_id}/disruptions"
    disruption = f"/v1/disruptions/{draft['id']}"

    for method, path, body in (
        ("POST", provider, desk.out()),
        ("POST", provider, desk.out(dry_run=True)),
        ("GET", provider, None),
        ("GET", disruption, None),
        ("PUT", f"{disruption}/choices/vis_1", {"action": "leave"}),
        ("POST", f"{disruption}/commit", None),
        ("POST", f"{disruption}/abandon", None),
    ):
        refused(desk.call(method, path, body, token=token), 403, "forbidden")


def test_the_other_brands_visits_are_neither_shown_nor_touched(clinic: Clinic) -> None:
    desk = Desk(clinic)
    world, provider_id = clinic.world, desk.practice.provider_id
    world.sql(
        "INSERT INTO booking.affiliation (brand_id, provider_no, name)"
        " SELECT %s, provider_no, 'N. N.' FROM booking.provider WHERE provider_id = %s",
        LOOPBIO,
        provider_id,
    )
    slot_id = clinic.slot(desk.at(10), provider_id=provider_id, brand_id=LOOPBIO)
    theirs = ok(
        clinic.post(
            "/v1/visits",
            world.book(slot_id, brand_id=LOOPBIO, patient_id="pat_eve"),
            token=world.foreign_staff,
        ),
        201,
    )
    ours = desk.visit(9)
    draft = desk.open()
    assert alone(draft)["visit_id"] == ours["id"]
    desk.choose(draft, ours, "leave")
    desk.commit(draft)

    path = f"/v1/visits/{theirs['id']}"
    assert ok(clinic.get(path, token=world.foreign_staff)) == theirs
    refused(
        clinic.get(f"/v1/disruptions/{draft['id']}", token=world.foreign_staff), 404, "not_found"
    )
    free = clinic.slot(desk.at(9), provider_id=provider_id, brand_id=LOOPBIO)
    body = world.book(free, brand_id=LOOPBIO, patient_id="pat_eve")
    busy = clinic.post("/v1/visits", body, token=world.foreign_staff)
    refused(busy, 409, "slot_unavailable")  # the visit that was left is still there
    free = clinic.slot(desk.at(9.5), provider_id=provider_id, brand_id=LOOPBIO)
    body = world.book(free, brand_id=LOOPBIO, patient_id="pat_eve")
    ok(clinic.post("/v1/visits", body, token=world.foreign_staff), 201)


@pytest.mark.parametrize("table", ["event", "audit", "time_off", "disruption_choice"])
def test_a_commit_that_breaks_in_the_middle_leaves_nothing_half_done(
    desk: Desk, table: str
) -> None:
    moved, cancelled = desk.visit(9), desk.visit(10)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    desk.choose(draft, moved, "move", slot_id=slot_id)
    desk.choose(draft, cancelled, "cancel")
    tables = ("visit", "event", "audit", "time_off", "disruption", "disruption_choice", "slot")
    world = desk.clinic.world

    def everything() -> list[object]:
        return [world.sql(f"SELECT t::text FROM booking.{name} AS t ORDER BY 1") for name in tables]  # noqa: S608 - our own names

    with desk.clinic.unnumbered():
        before = everything()
        world.sql(
            f"CREATE FUNCTION booking.break() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'broken'; END $$;"
            f" CREATE TRIGGER breaks BEFORE INSERT OR UPDATE ON booking.{table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION booking.break()"
        )
        try:
            answer = desk.try_commit(draft)
        finally:
            world.sql(f"DROP TRIGGER breaks ON booking.{table}; DROP FUNCTION booking.break()")
        after = everything()

    assert answer.status_code == 500
    assert after == before
    assert desk.commit(draft)["status"] == "committed"
